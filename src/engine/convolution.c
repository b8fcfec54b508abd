/* Convolution by oneDNN's direct kernels, channels last.
 *
 * Parameters keep PyTorch's order; each pass wants its weights packed its own way, so prepare() packs them once after
 * every update, and the weight gradient is unpacked once. A frozen convolution carries a folded batch norm
 * (folding.h), an activation and a residual sum as post-operations. */
#include <stdlib.h>
#include <string.h>

#include "engine/folding.h"
#include "engine/onednn.h"

struct convolution {
    dnnl_memory_desc_t src, dst, plain, any, bias; /* layouts; `plain` is the parameters' own */
    rt_primitive forward, backward_data, backward_weights;
    rt_primitive pack_forward, pack_backward, unpack_gradient;
    float *forward_weights, *backward_weights_packed, *packed_gradient;
    float *folded_weights, *folded_bias; /* frozen with a batch norm: in the parameters' order */
    bool has_bias;
};

static void dimensions(const rt_kernel *kernel, dnnl_dims_t weights, int *count, dnnl_dims_t window[4])
{
    const rt_window *w = &kernel->node->window;
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    dnnl_dim_t groups = (dnnl_dim_t)w->groups, kernel_size = (dnnl_dim_t)w->kernel;
    dnnl_dim_t outputs = (dnnl_dim_t)out.channels / groups, inputs = (dnnl_dim_t)in.channels / groups;
    *count = 0;
    if (groups > 1)
        weights[(*count)++] = groups;
    weights[(*count)++] = outputs;
    weights[(*count)++] = inputs;
    weights[(*count)++] = kernel_size;
    weights[(*count)++] = kernel_size;
    /* strides, dilations (0 is dense), padding before, and the padding after that makes the output size exact. */
    const dnnl_dim_t sizes_in[2] = {(dnnl_dim_t)in.height, (dnnl_dim_t)in.width};
    const dnnl_dim_t sizes_out[2] = {(dnnl_dim_t)out.height, (dnnl_dim_t)out.width};
    for (int i = 0; i < 2; ++i) {
        window[0][i] = (dnnl_dim_t)w->stride;
        window[1][i] = (dnnl_dim_t)w->dilation - 1;
        window[2][i] = (dnnl_dim_t)w->padding;
        window[3][i] = (sizes_out[i] - 1) * (dnnl_dim_t)w->stride + (kernel_size - 1) * (dnnl_dim_t)w->dilation + 1 -
                       sizes_in[i] - (dnnl_dim_t)w->padding;
    }
}

static rt_status append_post_operations(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
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

/* Packs from the parameters' order to what `primitive` wants, when they differ. */
static rt_status plan_pack(rt_kernel *kernel, const rt_primitive *primitive, rt_primitive *pack, float **packed,
                           rt_error *err)
{
    struct convolution *c = kernel->state;
    const_dnnl_memory_desc_t wanted = dnnl_primitive_desc_query_md(primitive->descriptor, dnnl_query_weights_md, 0);
    if (dnnl_memory_desc_equal(wanted, c->plain))
        return RT_OK;
    *packed = rt_aligned_zeros(dnnl_memory_desc_get_size(wanted));
    if (!*packed)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for packed weights", kernel->node->name);
    ++kernel->weight_packs;
    return rt_onednn_reorder(kernel, c->plain, wanted, pack, err);
}

static rt_status plan_forward(rt_kernel *kernel, dnnl_dims_t window[4], dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct convolution *c = kernel->state;
    dnnl_prop_kind_t kind = kernel->mode == RT_MODE_FROZEN ? dnnl_forward_inference : dnnl_forward_training;
    RT_TRY(append_post_operations(kernel, attributes, err));
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_forward_primitive_desc_create(
                               &c->forward.descriptor, kernel->engine->engine, kind, dnnl_convolution_direct, c->src,
                               c->any, c->has_bias ? c->bias : NULL, c->dst, window[0], window[1], window[2], window[3],
                               attributes),
                           "convolve", err));
    RT_TRY(rt_primitive_create(kernel, &c->forward, err));
    const_dnnl_memory_desc_t weights = dnnl_primitive_desc_query_md(c->forward.descriptor, dnnl_query_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_SRC, c->src, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_WEIGHTS, weights, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_DST, c->dst, err));
    if (c->has_bias)
        RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_BIAS, c->bias, err));
    kernel->implementation[0] = c->forward.implementation;
    return plan_pack(kernel, &c->forward, &c->pack_forward, &c->forward_weights, err);
}

static rt_status plan_backward_data(rt_kernel *kernel, dnnl_dims_t window[4], dnnl_primitive_attr_t attributes,
                                    rt_error *err)
{
    struct convolution *c = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_backward_data_primitive_desc_create(
                               &c->backward_data.descriptor, kernel->engine->engine, dnnl_convolution_direct, c->src,
                               c->any, c->dst, window[0], window[1], window[2], window[3], c->forward.descriptor,
                               attributes),
                           "convolve backward to its source", err));
    RT_TRY(rt_primitive_create(kernel, &c->backward_data, err));
    const_dnnl_memory_desc_t weights =
        dnnl_primitive_desc_query_md(c->backward_data.descriptor, dnnl_query_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->backward_data, DNNL_ARG_DIFF_DST, c->dst, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_data, DNNL_ARG_WEIGHTS, weights, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_data, DNNL_ARG_DIFF_SRC, c->src, err));
    kernel->implementation[1] = c->backward_data.implementation;
    return plan_pack(kernel, &c->backward_data, &c->pack_backward, &c->backward_weights_packed, err);
}

static rt_status plan_backward_weights(rt_kernel *kernel, dnnl_dims_t window[4], dnnl_primitive_attr_t attributes,
                                       rt_error *err)
{
    struct convolution *c = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_backward_weights_primitive_desc_create(
                               &c->backward_weights.descriptor, kernel->engine->engine, dnnl_convolution_direct, c->src,
                               c->any, c->has_bias ? c->bias : NULL, c->dst, window[0], window[1], window[2], window[3],
                               c->forward.descriptor, attributes),
                           "convolve backward to its weights", err));
    RT_TRY(rt_primitive_create(kernel, &c->backward_weights, err));
    const_dnnl_memory_desc_t gradient =
        dnnl_primitive_desc_query_md(c->backward_weights.descriptor, dnnl_query_diff_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_SRC, c->src, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_DIFF_DST, c->dst, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_DIFF_WEIGHTS, gradient, err));
    if (c->has_bias)
        RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_DIFF_BIAS, c->bias, err));
    kernel->implementation[2] = c->backward_weights.implementation;
    if (dnnl_memory_desc_equal(gradient, c->plain))
        return RT_OK;
    c->packed_gradient = rt_aligned_zeros(dnnl_memory_desc_get_size(gradient));
    if (!c->packed_gradient)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for its gradient", kernel->node->name);
    ++kernel->weight_packs;
    return rt_onednn_reorder(kernel, gradient, c->plain, &c->unpack_gradient, err);
}

static rt_status plan_folding(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state;
    const rt_parameter *weight = &kernel->graph->parameters[kernel->node->weight];
    c->folded_weights = rt_aligned_zeros(weight->count * sizeof(float));
    c->folded_bias = rt_aligned_zeros(weight->shape.dims[0] * sizeof(float));
    if (!c->folded_weights || !c->folded_bias)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for folded weights", kernel->node->name);
    return RT_OK;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state = calloc(1, sizeof *c);
    if (!c)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory", kernel->node->name);
    const rt_node *node = kernel->node;
    bool folds = rt_folds_norm(kernel);
    c->has_bias = node->bias >= 0 || folds;
    if (folds)
        RT_TRY(plan_folding(kernel, err));
    dnnl_dims_t weights, window[4];
    int count;
    dimensions(kernel, weights, &count, window);
    RT_TRY(rt_onednn_activation(kernel, rt_kernel_source(kernel, 0), &c->src, err));
    RT_TRY(rt_onednn_activation(kernel, node->shape, &c->dst, err));
    RT_TRY(rt_onednn_layout(kernel, count, weights, count == 5 ? dnnl_goihw : dnnl_oihw, &c->plain, err));
    RT_TRY(rt_onednn_layout(kernel, count, weights, dnnl_format_tag_any, &c->any, err));
    const dnnl_dim_t outputs[1] = {(dnnl_dim_t)node->shape.channels};
    RT_TRY(rt_onednn_layout(kernel, 1, outputs, dnnl_a, &c->bias, err));

    dnnl_primitive_attr_t attributes = NULL, plain_attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = rt_onednn_attributes(kernel, &plain_attributes, err);
    if (status == RT_OK)
        status = plan_forward(kernel, window, attributes, err);
    if (status == RT_OK && kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = true;
        if (kernel->wants_diff_src)
            status = plan_backward_data(kernel, window, plain_attributes, err);
        if (status == RT_OK)
            status = plan_backward_weights(kernel, window, plain_attributes, err);
    }
    dnnl_primitive_attr_destroy(attributes);
    dnnl_primitive_attr_destroy(plain_attributes);
    return status;
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state;
    const float *weights = rt_parameter_values(kernel->parameters, kernel->node->weight);
    const float *bias = kernel->node->bias >= 0 ? rt_parameter_values(kernel->parameters, kernel->node->bias) : NULL;
    if (c->folded_weights) {
        rt_fold_norm(kernel, c->folded_weights, c->folded_bias);
        weights = c->folded_weights;
        bias = c->folded_bias;
    }
    if (c->forward_weights)
        RT_TRY(rt_onednn_reorder_run(kernel, &c->pack_forward, weights, c->forward_weights, err));
    if (c->backward_weights_packed)
        RT_TRY(rt_onednn_reorder_run(kernel, &c->pack_backward, weights, c->backward_weights_packed, err));
    rt_primitive_point(&c->forward, DNNL_ARG_WEIGHTS, c->forward_weights ? c->forward_weights : weights);
    rt_primitive_point(&c->backward_data, DNNL_ARG_WEIGHTS,
                       c->backward_weights_packed ? c->backward_weights_packed : weights);
    rt_primitive_point(&c->forward, DNNL_ARG_BIAS, bias);
    return RT_OK;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct convolution *c = kernel->state;
    /* The sum post-operation adds to what dst holds. The plan lets dst take the residual's place where it can. */
    if (kernel->node->source_count == 2 && io->src[1] != io->dst)
        memcpy(io->dst, io->src[1], rt_kernel_elements(kernel) * sizeof(float));
    rt_primitive_point(&c->forward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&c->forward, DNNL_ARG_DST, io->dst);
    return rt_primitive_run(kernel, &c->forward, io->scratch, err);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct convolution *c = kernel->state;
    if (io->diff_src[0]) {
        rt_primitive_point(&c->backward_data, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
        rt_primitive_point(&c->backward_data, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
        RT_TRY(rt_primitive_run(kernel, &c->backward_data, io->scratch, err));
    }
    float *gradient = rt_parameter_gradients(kernel->parameters, kernel->node->weight);
    rt_primitive_point(&c->backward_weights, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&c->backward_weights, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
    rt_primitive_point(&c->backward_weights, DNNL_ARG_DIFF_WEIGHTS, c->packed_gradient ? c->packed_gradient : gradient);
    if (kernel->node->bias >= 0)
        rt_primitive_point(&c->backward_weights, DNNL_ARG_DIFF_BIAS,
                           rt_parameter_gradients(kernel->parameters, kernel->node->bias));
    RT_TRY(rt_primitive_run(kernel, &c->backward_weights, io->scratch, err));
    if (c->packed_gradient)
        RT_TRY(rt_onednn_reorder_run(kernel, &c->unpack_gradient, c->packed_gradient, gradient, err));
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct convolution *c = kernel->state;
    if (!c)
        return;
    rt_primitive *primitives[] = {&c->forward,      &c->backward_data, &c->backward_weights,
                                  &c->pack_forward, &c->pack_backward, &c->unpack_gradient};
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; ++i)
        rt_primitive_done(primitives[i]);
    dnnl_memory_desc_t *layouts[] = {&c->src, &c->dst, &c->plain, &c->any, &c->bias};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i)
        rt_onednn_layout_done(layouts[i]);
    free(c->forward_weights);
    free(c->backward_weights_packed);
    free(c->packed_gradient);
    free(c->folded_weights);
    free(c->folded_bias);
    free(c);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_convolution = {
    .name = "oneDNN direct",
    .plan = plan,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .done = done,
};
