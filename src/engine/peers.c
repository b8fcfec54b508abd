#include "engine/peers.h"

const rt_kernel_class *rt_peer_of(rt_node_kind kind)
{
    static const rt_kernel_class *const peers[RT_NODE_KINDS] = {
        [RT_NODE_BATCH_NORM] = &rt_peer_batch_norm,
        [RT_NODE_RELU] = &rt_peer_elementwise,
        [RT_NODE_RELU6] = &rt_peer_elementwise,
        [RT_NODE_SIGMOID] = &rt_peer_elementwise,
        [RT_NODE_SILU] = &rt_peer_elementwise,
        [RT_NODE_GELU] = &rt_peer_elementwise,
        [RT_NODE_HARD_SIGMOID] = &rt_peer_elementwise,
        [RT_NODE_HARD_SWISH] = &rt_peer_elementwise,
        [RT_NODE_ADD] = &rt_peer_elementwise,
        [RT_NODE_MAX_POOL] = &rt_kernel_pool,
        [RT_NODE_AVERAGE_POOL] = &rt_kernel_pool,
        [RT_NODE_GLOBAL_AVERAGE_POOL] = &rt_kernel_pool,
        [RT_NODE_LINEAR] = &rt_kernel_linear,
    };
    return kind < RT_NODE_KINDS ? peers[kind] : NULL;
}
