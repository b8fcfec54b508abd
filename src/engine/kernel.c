#include "engine/kernel.h"

/* Which classes can compute a kind of node, best first. */
static const rt_kernel_class *const kernels[RT_NODE_KINDS][RT_KERNEL_CLASSES_A_KIND] = {
    [RT_NODE_CONVOLUTION] = {&rt_kernel_convolution_int8, &rt_kernel_convolution_bf16, &rt_kernel_winograd,
                             &rt_kernel_depthwise, &rt_kernel_convolution},
    [RT_NODE_BATCH_NORM] = {&rt_kernel_batch_norm},
    [RT_NODE_RELU] = {&rt_kernel_relu},
    [RT_NODE_RELU6] = {&rt_kernel_relu},
    [RT_NODE_ADD] = {&rt_kernel_add},
    [RT_NODE_MAX_POOL] = {&rt_kernel_pool},
    [RT_NODE_AVERAGE_POOL] = {&rt_kernel_pool},
    [RT_NODE_GLOBAL_AVERAGE_POOL] = {&rt_kernel_global_average_pool},
    [RT_NODE_RESIZE] = {&rt_kernel_resize},
    [RT_NODE_LINEAR] = {&rt_kernel_linear_frozen, &rt_kernel_linear},
    [RT_NODE_FLATTEN] = {&rt_kernel_flatten},
    [RT_NODE_CONCAT] = {&rt_kernel_concat},
    [RT_NODE_CHANNEL_SLICE] = {&rt_kernel_channel_slice},
    [RT_NODE_CHANNEL_SHUFFLE] = {&rt_kernel_channel_shuffle},
    [RT_NODE_SUBSAMPLE] = {&rt_kernel_subsample},
    [RT_NODE_DROPOUT] = {&rt_kernel_dropout},
    [RT_NODE_SIGMOID] = {&rt_kernel_curve},
    [RT_NODE_SILU] = {&rt_kernel_curve},
    [RT_NODE_GELU] = {&rt_kernel_curve},
    [RT_NODE_HARD_SIGMOID] = {&rt_kernel_curve},
    [RT_NODE_HARD_SWISH] = {&rt_kernel_curve},
    [RT_NODE_SCALE] = {&rt_kernel_scale},
    [RT_NODE_LAYER_NORM] = {&rt_kernel_layer_norm},
    [RT_NODE_ATTENTION] = {&rt_kernel_attention},
    [RT_NODE_TOKENS] = {&rt_kernel_tokens},
};

const rt_kernel_class *rt_kernel_choose(const rt_kernel *kernel)
{
    for (int i = 0; i < RT_KERNEL_CLASSES_A_KIND; ++i) {
        const rt_kernel_class *class = kernels[kernel->node->kind][i];
        if (class && (!class->fits || class->fits(kernel)))
            return class;
    }
    return NULL;
}

size_t rt_kernel_candidates(const rt_kernel *kernel, const rt_kernel_class **classes)
{
    size_t count = 0;
    for (int i = 0; i < RT_KERNEL_CLASSES_A_KIND; ++i) {
        const rt_kernel_class *class = kernels[kernel->node->kind][i];
        if (class && (!class->fits || class->fits(kernel) || (class->can && class->can(kernel))))
            classes[count++] = class;
    }
    return count;
}

rt_extent rt_kernel_source(const rt_kernel *kernel, size_t s)
{
    return kernel->graph->nodes[kernel->node->sources[s]].shape;
}

size_t rt_kernel_elements(const rt_kernel *kernel)
{
    return kernel->batch * rt_extent_floats(kernel->node->shape);
}
