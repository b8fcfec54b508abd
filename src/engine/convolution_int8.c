/* Convolution of int8 factors with int32 sums, of frozen networks, by oneDNN's direct kernels, channels last.
 *
 *     y = source_step weight_step[o] (sum of integers) + bias[o],  then the residual and the activation, in fp32
 *
 * Weights, with a batch norm folded in, are steps of 1/127 of each output channel's largest; the source is steps of
 * 1/255 of a range from 0 on, as a ReLU leaves it, or of 1/127 of the largest absolute value. Values beyond the range
 * that was calibrated become its ends. Outputs are fp32, so that whatever stands around is as ever.
 *
 * The network's first convolution stays fp32: it reads images, has few multiplications, and errs for all others. */
#include <math.h>
#include <stdlib.h>

#include "engine/convolution_parts.h"
#include "engine/folding.h"
#include "engine/narrow.h"

enum { SIGNED_STEPS = 127, UNSIGNED_STEPS = 255 };

struct convolution {
    dnnl_memory_desc_t src, dst, plain, weights, bias, one, each; /* layouts; `plain` is the parameters' order */
    rt_primitive forward, pack;
    void *packed;
    int8_t *steps;                    /* weights in the parameters' order */
    rt_convolution_folded folded;     /* of a convolution with a batch norm */
    float source_step, *weight_steps; /* [outputs] */
    bool is_signed, has_bias;
    rt_norm_rows rows;
    size_t narrow_at; /* bytes of scratch before the source's steps */
};

static bool can(const rt_kernel *kernel)
{
    return kernel->precision == RT_PRECISION_INT8 && kernel->mode == RT_MODE_FROZEN && kernel->source_range &&
           kernel->node->window.groups == 1 && kernel->graph->nodes[kernel->node->sources[0]].kind != RT_NODE_INPUT;
}

static void choose_step(struct convolution *c, const rt_range *range)
{
    const float largest = fmaxf(-range->lowest, range->highest);
    c->is_signed = range->lowest < 0.0f;
    c->source_step = largest > 0.0f ? largest / (c->is_signed ? SIGNED_STEPS : UNSIGNED_STEPS) : 1.0f;
}

static rt_status plan_layouts(rt_kernel *kernel, const rt_convolution_sizes *sizes, rt_error *err)
{
    struct convolution *c = kernel->state;
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    const dnnl_dim_t outputs[1] = {(dnnl_dim_t)out.channels}, one[1] = {1};
    RT_TRY(rt_onednn_activation_of(kernel, c->is_signed ? dnnl_s8 : dnnl_u8, in, &c->src, err));
    RT_TRY(rt_onednn_activation(kernel, out, &c->dst, err));
    RT_TRY(rt_onednn_layout_of(kernel, dnnl_s8, sizes->count, sizes->weights, dnnl_oihw, &c->plain, err));
    RT_TRY(rt_onednn_layout_of(kernel, dnnl_s8, sizes->count, sizes->weights, dnnl_format_tag_any, &c->weights, err));
    RT_TRY(rt_onednn_layout(kernel, 1, one, dnnl_a, &c->one, err));
    RT_TRY(rt_onednn_layout(kernel, 1, outputs, dnnl_a, &c->each, err));
    return rt_onednn_layout(kernel, 1, outputs, dnnl_a, &c->bias, err);
}

static rt_status plan_steps(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    const int by_output = 1 << 0;
    RT_TRY(rt_onednn_check(kernel, dnnl_primitive_attr_set_scales_mask(attributes, DNNL_ARG_SRC, 0),
                           "take a step of its source", err));
    return rt_onednn_check(kernel, dnnl_primitive_attr_set_scales_mask(attributes, DNNL_ARG_WEIGHTS, by_output),
                           "take steps of its weights", err);
}

static rt_status plan_forward(rt_kernel *kernel, const rt_convolution_sizes *s, dnnl_primitive_attr_t attributes,
                              rt_error *err)
{
    struct convolution *c = kernel->state;
    RT_TRY(plan_steps(kernel, attributes, err));
    RT_TRY(rt_convolution_post_operations(kernel, attributes, err));
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_forward_primitive_desc_create(
                               &c->forward.descriptor, kernel->engine->engine, dnnl_forward_inference,
                               dnnl_convolution_direct, c->src, c->weights, c->has_bias ? c->bias : NULL, c->dst,
                               s->strides, s->dilations, s->before, s->after, attributes),
                           "convolve int8", err));
    RT_TRY(rt_primitive_create(kernel, &c->forward, err));
    const_dnnl_memory_desc_t weights = dnnl_primitive_desc_query_md(c->forward.descriptor, dnnl_query_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_SRC, c->src, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_WEIGHTS, weights, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_DST, c->dst, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, c->one, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, c->each, err));
    if (c->has_bias)
        RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_BIAS, c->bias, err));
    kernel->implementation[0] = c->forward.implementation;
    return rt_convolution_pack(kernel, c->plain, &c->forward, &c->pack, &c->packed, err);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state = calloc(1, sizeof *c);
    if (!c)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory", kernel->node->name);
    const rt_parameter *weight = &kernel->graph->parameters[kernel->node->weight];
    const rt_convolution_sizes sizes = rt_convolution_sizes_of(kernel);
    const rt_extent in = rt_kernel_source(kernel, 0);
    choose_step(c, kernel->source_range);
    c->has_bias = kernel->node->bias >= 0 || rt_folds_norm(kernel);
    c->steps = rt_aligned_zeros(weight->count);
    c->weight_steps = rt_aligned_zeros(weight->shape.dims[0] * sizeof(float));
    if (!c->steps || !c->weight_steps)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for weights", kernel->node->name);
    if (rt_folds_norm(kernel))
        RT_TRY(rt_convolution_folding(kernel, &c->folded, err));
    RT_TRY(plan_layouts(kernel, &sizes, err));
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_forward(kernel, &sizes, attributes, err);
    dnnl_primitive_attr_destroy(attributes);
    RT_TRY(status);
    c->rows = rt_norm_rows_of(kernel->batch * in.height * in.width, in.channels);
    c->narrow_at = (kernel->scratch_bytes + 63) / 64 * 64;
    kernel->scratch_bytes = c->narrow_at + dnnl_memory_desc_get_size(c->src);
    kernel->reads_norms = rt_narrow_reads_norms(&c->rows) ? 1u << 0 : 0;
    kernel->multiplies_in = RT_PRECISION_INT8;
    return RT_OK;
}

/* Each output channel's weights to steps of its own. */
static rt_status round_weights(const rt_kernel *kernel, const float *weights, rt_error *err)
{
    struct convolution *c = kernel->state;
    const rt_parameter *about = &kernel->graph->parameters[kernel->node->weight];
    const size_t outputs = about->shape.dims[0], each = about->count / outputs;
    for (size_t o = 0; o < outputs; ++o) {
        const float *from = weights + o * each;
        float largest = 0.0f;
        for (size_t i = 0; i < each; ++i) {
            if (!isfinite(from[i]))
                return rt_fail(err, RT_ERROR_NUMERIC, "'%s' holds values that are NaN or infinite: int8 has none",
                               about->name);
            largest = fmaxf(largest, fabsf(from[i]));
        }
        c->weight_steps[o] = largest > 0.0f ? largest / SIGNED_STEPS : 1.0f;
        for (size_t i = 0; i < each; ++i)
            c->steps[o * each + i] = (int8_t)rintf(from[i] / c->weight_steps[o]);
    }
    return RT_OK;
}

/* Sums that signed sources need go with the packed weights, and want scratch memory of their own. */
static rt_status pack_weights(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state;
    void *scratch = rt_aligned_zeros(c->pack.scratch_bytes);
    if (!scratch)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory to pack weights", kernel->node->name);
    rt_primitive_point(&c->pack, DNNL_ARG_FROM, c->steps);
    rt_primitive_point(&c->pack, DNNL_ARG_TO, c->packed);
    rt_status status = rt_primitive_run(kernel, &c->pack, scratch, err);
    free(scratch);
    return status;
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state;
    const float *bias, *weights = rt_convolution_weights(kernel, &c->folded, &bias);
    RT_TRY(round_weights(kernel, weights, err));
    if (c->packed)
        RT_TRY(pack_weights(kernel, err));
    rt_primitive_point(&c->forward, DNNL_ARG_WEIGHTS, c->packed ? c->packed : (void *)c->steps);
    rt_primitive_point(&c->forward, DNNL_ARG_BIAS, bias);
    rt_primitive_point(&c->forward, DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, &c->source_step);
    rt_primitive_point(&c->forward, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, c->weight_steps);
    return RT_OK;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct convolution *c = kernel->state;
    void *steps = (char *)io->scratch + c->narrow_at;
    rt_narrow_int8(&c->rows, kernel->source_norms[0], io->src[0], c->source_step, c->is_signed, steps);
    rt_convolution_place_residual(kernel, io);
    rt_primitive_point(&c->forward, DNNL_ARG_SRC, steps);
    rt_primitive_point(&c->forward, DNNL_ARG_DST, io->dst);
    return rt_primitive_run(kernel, &c->forward, io->scratch, err);
}

static void done(rt_kernel *kernel)
{
    struct convolution *c = kernel->state;
    if (!c)
        return;
    rt_primitive_done(&c->forward);
    rt_primitive_done(&c->pack);
    dnnl_memory_desc_t *layouts[] = {&c->src, &c->dst, &c->plain, &c->weights, &c->bias, &c->one, &c->each};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i)
        rt_onednn_layout_done(layouts[i]);
    free(c->packed);
    free(c->steps);
    free(c->weight_steps);
    rt_convolution_folded_free(&c->folded);
    free(c);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_convolution_int8 = {
    .name = "oneDNN int8",
    .fits = can,
    .plan = plan,
    .prepare = prepare,
    .forward = forward,
    .done = done,
};
