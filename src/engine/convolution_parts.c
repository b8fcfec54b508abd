#include "engine/convolution_parts.h"

#include <stdlib.h>
#include <string.h>

#include "engine/folding.h"

rt_convolution_sizes rt_convolution_sizes_of(const rt_kernel *kernel)
{
    const rt_window *w = &kernel->node->window;
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    const dnnl_dim_t groups = (dnnl_dim_t)w->groups, kernel_size = (dnnl_dim_t)w->kernel;
    rt_convolution_sizes s = {.count = 0};
    if (groups > 1)
        s.weights[s.count++] = groups;
    s.weights[s.count++] = (dnnl_dim_t)out.channels / groups;
    s.weights[s.count++] = (dnnl_dim_t)in.channels / groups;
    s.weights[s.count++] = kernel_size;
    s.weights[s.count++] = kernel_size;
    /* Dilation 0 is dense; the padding after makes the output size exact. */
    const dnnl_dim_t sizes_in[2] = {(dnnl_dim_t)in.height, (dnnl_dim_t)in.width};
    const dnnl_dim_t sizes_out[2] = {(dnnl_dim_t)out.height, (dnnl_dim_t)out.width};
    for (int i = 0; i < 2; ++i) {
        s.strides[i] = (dnnl_dim_t)w->stride;
        s.dilations[i] = (dnnl_dim_t)w->dilation - 1;
        s.before[i] = (dnnl_dim_t)w->padding;
        s.after[i] = (sizes_out[i] - 1) * (dnnl_dim_t)w->stride + (kernel_size - 1) * (dnnl_dim_t)w->dilation + 1 -
                     sizes_in[i] - (dnnl_dim_t)w->padding;
    }
    return s;
}

rt_status rt_convolution_post_operations(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    const rt_node *node = kernel->node;
    dnnl_post_ops_t operations;
    RT_TRY(rt_onednn_check(kernel, dnnl_post_ops_create(&operations), "make post-operations", err));
    dnnl_status_t status = dnnl_success;
    if (node->source_count == 2)
        status = dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
    if (status == dnnl_success && node->activation == RT_ACTIVATION_RELU)
        status = dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0.0f, 0.0f);
    if (status == dnnl_success && node->activation == RT_ACTIVATION_RELU6)
        status = dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_clip, 0.0f, 6.0f);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attributes, operations);
    dnnl_post_ops_destroy(operations);
    return rt_onednn_check(kernel, status, "fuse its activation", err);
}

rt_status rt_convolution_pack(rt_kernel *kernel, const_dnnl_memory_desc_t plain, const rt_primitive *primitive,
                              rt_primitive *pack, void **packed, rt_error *err)
{
    const_dnnl_memory_desc_t wanted = dnnl_primitive_desc_query_md(primitive->descriptor, dnnl_query_weights_md, 0);
    if (dnnl_memory_desc_equal(wanted, plain))
        return RT_OK;
    *packed = rt_aligned_zeros(dnnl_memory_desc_get_size(wanted));
    if (!*packed)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for packed weights", kernel->node->name);
    ++kernel->weight_packs;
    return rt_onednn_reorder(kernel, plain, wanted, pack, err);
}

rt_status rt_convolution_folding(rt_kernel *kernel, rt_convolution_folded *folded, rt_error *err)
{
    const rt_parameter *weight = &kernel->graph->parameters[kernel->node->weight];
    folded->weights = rt_aligned_zeros(weight->count * sizeof(float));
    folded->bias = rt_aligned_zeros(weight->shape.dims[0] * sizeof(float));
    if (!folded->weights || !folded->bias)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for folded weights", kernel->node->name);
    return RT_OK;
}

void rt_convolution_folded_free(rt_convolution_folded *folded)
{
    free(folded->weights);
    free(folded->bias);
    *folded = (rt_convolution_folded){0};
}

const float *rt_convolution_weights(const rt_kernel *kernel, const rt_convolution_folded *folded, const float **bias)
{
    if (folded->weights) {
        rt_fold_norm(kernel, folded->weights, folded->bias);
        *bias = folded->bias;
        return folded->weights;
    }
    *bias = kernel->node->bias >= 0 ? rt_parameter_values(kernel->parameters, kernel->node->bias) : NULL;
    return rt_parameter_values(kernel->parameters, kernel->node->weight);
}

void rt_convolution_place_residual(const rt_kernel *kernel, const rt_kernel_io *io)
{
    if (kernel->node->source_count == 2 && io->src[1] != io->dst)
        memcpy(io->dst, io->src[1], rt_kernel_elements(kernel) * sizeof(float));
}
