/* y = W x + b for each pixel by oneDNN's inner product, on the parameters as they lie: [outputs, inputs] needs no packing. */
#include <stdlib.h>

#include "engine/onednn.h"

struct linear {
    dnnl_memory_desc_t src, dst, weights, bias;
    rt_primitive forward, backward_data, backward_weights;
};

static rt_status plan_layouts(rt_kernel *kernel, rt_error *err)
{
    struct linear *l = kernel->state;
    const rt_extent e = kernel->node->shape;
    dnnl_dim_t batch = (dnnl_dim_t)(kernel->batch * e.height * e.width), outputs = (dnnl_dim_t)e.channels;
    dnnl_dim_t inputs = (dnnl_dim_t)rt_kernel_source(kernel, 0).channels;
    RT_TRY(rt_onednn_layout(kernel, 2, (dnnl_dim_t[]){batch, inputs}, dnnl_ab, &l->src, err));
    RT_TRY(rt_onednn_layout(kernel, 2, (dnnl_dim_t[]){batch, outputs}, dnnl_ab, &l->dst, err));
    RT_TRY(rt_onednn_layout(kernel, 2, (dnnl_dim_t[]){outputs, inputs}, dnnl_ab, &l->weights, err));
    return rt_onednn_layout(kernel, 1, (dnnl_dim_t[]){outputs}, dnnl_a, &l->bias, err);
}

static rt_status plan_forward(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct linear *l = kernel->state;
    bool has_bias = kernel->node->bias >= 0;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_inner_product_forward_primitive_desc_create(
                               &l->forward.descriptor, kernel->engine->engine,
                               kernel->mode == RT_MODE_FROZEN ? dnnl_forward_inference : dnnl_forward_training, l->src,
                               l->weights, has_bias ? l->bias : NULL, l->dst, attributes),
                           "multiply", err));
    RT_TRY(rt_primitive_create(kernel, &l->forward, err));
    RT_TRY(rt_primitive_argument(kernel, &l->forward, DNNL_ARG_SRC, l->src, err));
    RT_TRY(rt_primitive_argument(kernel, &l->forward, DNNL_ARG_WEIGHTS, l->weights, err));
    if (has_bias)
        RT_TRY(rt_primitive_argument(kernel, &l->forward, DNNL_ARG_BIAS, l->bias, err));
    kernel->implementation[0] = l->forward.implementation;
    return rt_primitive_argument(kernel, &l->forward, DNNL_ARG_DST, l->dst, err);
}

static rt_status plan_backward(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct linear *l = kernel->state;
    bool has_bias = kernel->node->bias >= 0;
    kernel->keeps_src = true;
    if (kernel->wants_diff_src) {
        RT_TRY(rt_onednn_check(kernel,
                               dnnl_inner_product_backward_data_primitive_desc_create(
                                   &l->backward_data.descriptor, kernel->engine->engine, l->src, l->weights, l->dst,
                                   l->forward.descriptor, attributes),
                               "multiply backward to its source", err));
        RT_TRY(rt_primitive_create(kernel, &l->backward_data, err));
        RT_TRY(rt_primitive_argument(kernel, &l->backward_data, DNNL_ARG_DIFF_DST, l->dst, err));
        RT_TRY(rt_primitive_argument(kernel, &l->backward_data, DNNL_ARG_WEIGHTS, l->weights, err));
        RT_TRY(rt_primitive_argument(kernel, &l->backward_data, DNNL_ARG_DIFF_SRC, l->src, err));
        kernel->implementation[1] = l->backward_data.implementation;
    }
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_inner_product_backward_weights_primitive_desc_create(
                               &l->backward_weights.descriptor, kernel->engine->engine, l->src, l->weights,
                               has_bias ? l->bias : NULL, l->dst, l->forward.descriptor, attributes),
                           "multiply backward to its weights", err));
    RT_TRY(rt_primitive_create(kernel, &l->backward_weights, err));
    RT_TRY(rt_primitive_argument(kernel, &l->backward_weights, DNNL_ARG_SRC, l->src, err));
    RT_TRY(rt_primitive_argument(kernel, &l->backward_weights, DNNL_ARG_DIFF_DST, l->dst, err));
    if (has_bias)
        RT_TRY(rt_primitive_argument(kernel, &l->backward_weights, DNNL_ARG_DIFF_BIAS, l->bias, err));
    kernel->implementation[2] = l->backward_weights.implementation;
    return rt_primitive_argument(kernel, &l->backward_weights, DNNL_ARG_DIFF_WEIGHTS, l->weights, err);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    kernel->state = calloc(1, sizeof(struct linear));
    if (!kernel->state)
        return rt_fail(err, RT_ERROR_MEMORY, "linear '%s': no memory", kernel->node->name);
    RT_TRY(plan_layouts(kernel, err));
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_forward(kernel, attributes, err);
    if (status == RT_OK && kernel->mode != RT_MODE_FROZEN)
        status = plan_backward(kernel, attributes, err);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct linear *l = kernel->state;
    rt_primitive_point(&l->forward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&l->forward, DNNL_ARG_WEIGHTS, rt_parameter_values(kernel->parameters, kernel->node->weight));
    if (kernel->node->bias >= 0)
        rt_primitive_point(&l->forward, DNNL_ARG_BIAS, rt_parameter_values(kernel->parameters, kernel->node->bias));
    rt_primitive_point(&l->forward, DNNL_ARG_DST, io->dst);
    return rt_primitive_run(kernel, &l->forward, io->scratch, err);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct linear *l = kernel->state;
    if (io->diff_src[0]) {
        rt_primitive_point(&l->backward_data, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
        rt_primitive_point(&l->backward_data, DNNL_ARG_WEIGHTS,
                           rt_parameter_values(kernel->parameters, kernel->node->weight));
        rt_primitive_point(&l->backward_data, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
        RT_TRY(rt_primitive_run(kernel, &l->backward_data, io->scratch, err));
    }
    rt_primitive_point(&l->backward_weights, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&l->backward_weights, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
    rt_primitive_point(&l->backward_weights, DNNL_ARG_DIFF_WEIGHTS,
                       rt_parameter_gradients(kernel->parameters, kernel->node->weight));
    if (kernel->node->bias >= 0)
        rt_primitive_point(&l->backward_weights, DNNL_ARG_DIFF_BIAS,
                           rt_parameter_gradients(kernel->parameters, kernel->node->bias));
    return rt_primitive_run(kernel, &l->backward_weights, io->scratch, err);
}

static void done(rt_kernel *kernel)
{
    struct linear *l = kernel->state;
    if (!l)
        return;
    rt_primitive_done(&l->forward);
    rt_primitive_done(&l->backward_data);
    rt_primitive_done(&l->backward_weights);
    dnnl_memory_desc_t *layouts[] = {&l->src, &l->dst, &l->weights, &l->bias};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i)
        rt_onednn_layout_done(layouts[i]);
    free(l);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_linear = {
    .name = "oneDNN",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
