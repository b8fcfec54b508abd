/* Convolution by oneDNN's direct kernels, channels last, of float32 or of bfloat16 factors.
 *
 * With bf16, what is rounded is what gets multiplied: the source, the weights, and in backward the gradient of the
 * output, each right before its product. Sums are fp32, and so is everything that others read: outputs, gradients, and
 * the weights where they are updated. Forward keeps the rounded source for backward, and the source itself may go.
 *
 * Parameters keep PyTorch's order; each pass wants its weights packed its own way, so prepare() packs them once after
 * every update, and the weight gradient is unpacked once. A frozen convolution carries a folded batch norm
 * (folding.h), an activation and a residual sum as post-operations. */
#include <stdlib.h>
#include <string.h>

#include "engine/bias_gradient.h"
#include "engine/convolution_parts.h"
#include "engine/folding.h"
#include "engine/narrow.h"

struct convolution {
    dnnl_data_type_t factors;                      /* what is multiplied: dnnl_f32 or dnnl_bf16 */
    dnnl_memory_desc_t src, dst, plain, any, bias; /* layouts of fp32; `plain` is the parameters' own */
    dnnl_memory_desc_t src_factors, dst_factors, weight_factors;
    rt_primitive forward, backward_data, backward_weights;
    rt_primitive pack_forward, pack_backward, unpack_gradient;
    void *forward_weights, *backward_weights_packed;
    float *packed_gradient;
    rt_convolution_folded folded; /* frozen with a batch norm */
    bool has_bias;
    rt_bias_gradient bias_gradient;
    rt_norm_rows src_rows, dst_rows; /* of what is rounded */
    size_t narrow_at;                /* bytes of scratch before what is rounded */
};

static rt_status plan_forward(rt_kernel *kernel, const rt_convolution_sizes *sizes, dnnl_primitive_attr_t attributes,
                              rt_error *err)
{
    struct convolution *c = kernel->state;
    dnnl_prop_kind_t kind = kernel->mode == RT_MODE_FROZEN ? dnnl_forward_inference : dnnl_forward_training;
    RT_TRY(rt_convolution_post_operations(kernel, attributes, err));
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_forward_primitive_desc_create(
                               &c->forward.descriptor, kernel->engine->engine, kind, dnnl_convolution_direct,
                               c->src_factors, c->weight_factors, c->has_bias ? c->bias : NULL, c->dst, sizes->strides,
                               sizes->dilations, sizes->before, sizes->after, attributes),
                           "convolve", err));
    RT_TRY(rt_primitive_create(kernel, &c->forward, err));
    const_dnnl_memory_desc_t weights = dnnl_primitive_desc_query_md(c->forward.descriptor, dnnl_query_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_SRC, c->src_factors, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_WEIGHTS, weights, err));
    RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_DST, c->dst, err));
    if (c->has_bias)
        RT_TRY(rt_primitive_argument(kernel, &c->forward, DNNL_ARG_BIAS, c->bias, err));
    kernel->implementation[0] = c->forward.implementation;
    return rt_convolution_pack(kernel, c->plain, &c->forward, &c->pack_forward, &c->forward_weights, err);
}

static rt_status plan_backward_data(rt_kernel *kernel, const rt_convolution_sizes *sizes,
                                    dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct convolution *c = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_backward_data_primitive_desc_create(
                               &c->backward_data.descriptor, kernel->engine->engine, dnnl_convolution_direct, c->src,
                               c->weight_factors, c->dst_factors, sizes->strides, sizes->dilations, sizes->before,
                               sizes->after, c->forward.descriptor, attributes),
                           "convolve backward to its source", err));
    RT_TRY(rt_primitive_create(kernel, &c->backward_data, err));
    const_dnnl_memory_desc_t weights =
        dnnl_primitive_desc_query_md(c->backward_data.descriptor, dnnl_query_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->backward_data, DNNL_ARG_DIFF_DST, c->dst_factors, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_data, DNNL_ARG_WEIGHTS, weights, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_data, DNNL_ARG_DIFF_SRC, c->src, err));
    kernel->implementation[1] = c->backward_data.implementation;
    return rt_convolution_pack(kernel, c->plain, &c->backward_data, &c->pack_backward, &c->backward_weights_packed,
                               err);
}

/* oneDNN's 1x1 kernels write their weight gradients past their workspace where the convolution has a stride and fewer
 * channels than a block of theirs (oneDNN issue 6035): another kernel takes those. */
static rt_status pass_over_narrow_1x1(rt_kernel *kernel, dnnl_primitive_desc_t descriptor, rt_error *err)
{
    enum { WIDEST_BLOCK = 16 };
    const rt_window *window = &kernel->node->window;
    if (window->kernel != 1 || window->stride == 1 ||
        rt_kernel_source(kernel, 0).channels / window->groups >= WIDEST_BLOCK)
        return RT_OK;
    const char *implementation = "";
    while (dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &implementation) == dnnl_success &&
           strncmp(implementation, "jit_1x1", strlen("jit_1x1")) == 0)
        RT_TRY(rt_onednn_check(kernel, dnnl_primitive_desc_next_impl(descriptor),
                               "convolve backward to its weights without jit_1x1", err));
    return RT_OK;
}

static rt_status plan_backward_weights(rt_kernel *kernel, const rt_convolution_sizes *sizes,
                                       dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct convolution *c = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_convolution_backward_weights_primitive_desc_create(
                               &c->backward_weights.descriptor, kernel->engine->engine, dnnl_convolution_direct,
                               c->src_factors, c->any, NULL, c->dst_factors, sizes->strides, sizes->dilations,
                               sizes->before, sizes->after, c->forward.descriptor, attributes),
                           "convolve backward to its weights", err));
    RT_TRY(pass_over_narrow_1x1(kernel, c->backward_weights.descriptor, err));
    RT_TRY(rt_primitive_create(kernel, &c->backward_weights, err));
    const_dnnl_memory_desc_t gradient =
        dnnl_primitive_desc_query_md(c->backward_weights.descriptor, dnnl_query_diff_weights_md, 0);
    RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_SRC, c->src_factors, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_DIFF_DST, c->dst_factors, err));
    RT_TRY(rt_primitive_argument(kernel, &c->backward_weights, DNNL_ARG_DIFF_WEIGHTS, gradient, err));
    kernel->implementation[2] = c->backward_weights.implementation;
    if (dnnl_memory_desc_equal(gradient, c->plain))
        return RT_OK;
    c->packed_gradient = rt_aligned_zeros(dnnl_memory_desc_get_size(gradient));
    if (!c->packed_gradient)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for its gradient", kernel->node->name);
    ++kernel->weight_packs;
    return rt_onednn_reorder(kernel, gradient, c->plain, &c->unpack_gradient, err);
}

static rt_status plan_layouts(rt_kernel *kernel, const rt_convolution_sizes *sizes, rt_error *err)
{
    struct convolution *c = kernel->state;
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    const dnnl_dim_t outputs[1] = {(dnnl_dim_t)out.channels};
    const dnnl_format_tag_t order = sizes->count == 5 ? dnnl_goihw : dnnl_oihw, any = dnnl_format_tag_any;
    RT_TRY(rt_onednn_activation(kernel, in, &c->src, err));
    RT_TRY(rt_onednn_activation(kernel, out, &c->dst, err));
    RT_TRY(rt_onednn_activation_of(kernel, c->factors, in, &c->src_factors, err));
    RT_TRY(rt_onednn_activation_of(kernel, c->factors, out, &c->dst_factors, err));
    RT_TRY(rt_onednn_layout(kernel, sizes->count, sizes->weights, order, &c->plain, err));
    RT_TRY(rt_onednn_layout(kernel, sizes->count, sizes->weights, any, &c->any, err));
    RT_TRY(rt_onednn_layout_of(kernel, c->factors, sizes->count, sizes->weights, any, &c->weight_factors, err));
    return rt_onednn_layout(kernel, 1, outputs, dnnl_a, &c->bias, err);
}

/* Behind the primitives' scratch memory lies what is rounded for them; a source that backward reads is kept. */
static void plan_rounding(rt_kernel *kernel)
{
    struct convolution *c = kernel->state;
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    const bool frozen = kernel->mode == RT_MODE_FROZEN;
    c->src_rows = rt_norm_rows_of(kernel->batch * in.height * in.width, in.channels);
    c->dst_rows = rt_norm_rows_of(kernel->batch * out.height * out.width, out.channels);
    c->narrow_at = (kernel->scratch_bytes + 63) / 64 * 64;
    kernel->scratch_bytes = c->narrow_at + dnnl_memory_desc_get_size(frozen ? c->src_factors : c->dst_factors);
    kernel->workspace_bytes = frozen ? 0 : dnnl_memory_desc_get_size(c->src_factors);
    kernel->reads_norms = rt_narrow_reads_norms(&c->src_rows) ? 1u << 0 : 0;
    kernel->multiplies_in = RT_PRECISION_BF16;
}

static rt_status plan_factors(rt_kernel *kernel, dnnl_data_type_t factors, rt_error *err)
{
    struct convolution *c = kernel->state = calloc(1, sizeof *c);
    if (!c)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory", kernel->node->name);
    c->factors = factors;
    bool folds = rt_folds_norm(kernel);
    c->has_bias = kernel->node->bias >= 0 || folds;
    if (folds)
        RT_TRY(rt_convolution_folding(kernel, &c->folded, err));
    const rt_convolution_sizes sizes = rt_convolution_sizes_of(kernel);
    RT_TRY(plan_layouts(kernel, &sizes, err));
    dnnl_primitive_attr_t attributes = NULL, plain_attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = rt_onednn_attributes(kernel, &plain_attributes, err);
    if (status == RT_OK)
        status = plan_forward(kernel, &sizes, attributes, err);
    if (status == RT_OK && kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = factors == dnnl_f32;
        if (kernel->wants_diff_src)
            status = plan_backward_data(kernel, &sizes, plain_attributes, err);
        if (status == RT_OK)
            status = plan_backward_weights(kernel, &sizes, plain_attributes, err);
        if (status == RT_OK)
            status = rt_bias_gradient_plan(kernel, &c->bias_gradient, err);
    }
    dnnl_primitive_attr_destroy(attributes);
    dnnl_primitive_attr_destroy(plain_attributes);
    if (status == RT_OK && factors != dnnl_f32)
        plan_rounding(kernel);
    return status;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    return plan_factors(kernel, dnnl_f32, err);
}

static rt_status plan_bf16(rt_kernel *kernel, rt_error *err)
{
    return plan_factors(kernel, dnnl_bf16, err);
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    struct convolution *c = kernel->state;
    const float *bias, *weights = rt_convolution_weights(kernel, &c->folded, &bias);
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

static uint16_t *narrow_scratch(const rt_kernel *kernel, const rt_kernel_io *io)
{
    const struct convolution *c = kernel->state;
    return (uint16_t *)(void *)((char *)io->scratch + c->narrow_at);
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct convolution *c = kernel->state;
    const void *src = io->src[0];
    if (c->factors != dnnl_f32) {
        uint16_t *rounded = kernel->mode == RT_MODE_FROZEN ? narrow_scratch(kernel, io) : io->workspace;
        rt_narrow_bf16(&c->src_rows, kernel->source_norms[0], io->src[0], rounded);
        src = rounded;
    }
    rt_convolution_place_residual(kernel, io);
    rt_primitive_point(&c->forward, DNNL_ARG_SRC, src);
    rt_primitive_point(&c->forward, DNNL_ARG_DST, io->dst);
    return rt_primitive_run(kernel, &c->forward, io->scratch, err);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct convolution *c = kernel->state;
    const void *src = io->src[0], *diff_dst = io->diff_dst[0];
    if (c->factors != dnnl_f32) {
        src = io->workspace;
        rt_narrow_bf16(&c->dst_rows, NULL, io->diff_dst[0], narrow_scratch(kernel, io));
        diff_dst = narrow_scratch(kernel, io);
    }
    if (io->diff_src[0]) {
        rt_primitive_point(&c->backward_data, DNNL_ARG_DIFF_DST, diff_dst);
        rt_primitive_point(&c->backward_data, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
        RT_TRY(rt_primitive_run(kernel, &c->backward_data, io->scratch, err));
    }
    float *gradient = rt_parameter_gradients(kernel->parameters, kernel->node->weight);
    rt_primitive_point(&c->backward_weights, DNNL_ARG_SRC, src);
    rt_primitive_point(&c->backward_weights, DNNL_ARG_DIFF_DST, diff_dst);
    rt_primitive_point(&c->backward_weights, DNNL_ARG_DIFF_WEIGHTS, c->packed_gradient ? c->packed_gradient : gradient);
    RT_TRY(rt_primitive_run(kernel, &c->backward_weights, io->scratch, err));
    if (c->packed_gradient)
        RT_TRY(rt_onednn_reorder_run(kernel, &c->unpack_gradient, c->packed_gradient, gradient, err));
    rt_bias_gradient_sum(kernel, &c->bias_gradient, io->diff_dst[0], io->scratch);
    return RT_OK;
}

/* bf16: layers with groups are bound by memory, and stay fp32. */
static bool can_bf16(const rt_kernel *kernel)
{
    return (kernel->precision == RT_PRECISION_BF16 || kernel->precision == RT_PRECISION_AUTO) &&
           kernel->node->window.groups == 1;
}

/* Where bf16 is faster than what fp32 would get, as `retort bench --kernels --precision auto` has it on CPUs with
 * AVX512-BF16 and with AMX. A direct convolution must multiply each value that is rounded for it often enough.
 * Winograd's algorithm with stride 1 saves more multiplications than bf16 does, except where its transforms are most of
 * the work: few channels, which in training share norms with it, and weights that are transformed for each step; with
 * stride 2 it saves fewer. (Together they are no choice: the transforms amplify bf16's rounding tenfold.) AMX
 * multiplies so fast that it saves nothing there; but it takes 32 channels at a time, and images have 3. */
static bool bf16_is_faster(const rt_kernel *kernel)
{
    const rt_window *w = &kernel->node->window;
    const size_t channels = rt_kernel_source(kernel, 0).channels, weights = channels * w->channels;
    const bool amx = rt_onednn_has_amx();
    rt_kernel fp32 = *kernel;
    fp32.precision = RT_PRECISION_FP32;
    const rt_kernel_class *otherwise = rt_kernel_choose(&fp32);
    if (otherwise == &rt_kernel_winograd && w->stride == 1 && !amx)
        return kernel->mode == RT_MODE_FROZEN ? weights <= 16 * 16 : weights >= 256 * 512;
    if (amx && channels < 16)
        return false;
    if (amx && w->kernel > 1)
        return true;
    return w->kernel * w->kernel * w->channels >= 32 * w->stride * w->stride;
}

static bool fits_bf16(const rt_kernel *kernel)
{
    return can_bf16(kernel) && (kernel->precision == RT_PRECISION_BF16 || bf16_is_faster(kernel));
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
    dnnl_memory_desc_t *layouts[] = {&c->src,  &c->dst,         &c->plain,       &c->any,
                                     &c->bias, &c->src_factors, &c->dst_factors, &c->weight_factors};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i)
        rt_onednn_layout_done(layouts[i]);
    free(c->forward_weights);
    free(c->backward_weights_packed);
    free(c->packed_gradient);
    rt_bias_gradient_done(&c->bias_gradient);
    rt_convolution_folded_free(&c->folded);
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

const rt_kernel_class rt_kernel_convolution_bf16 = {
    .name = "oneDNN bf16",
    .fits = fits_bf16,
    .can = can_bf16,
    .plan = plan_bf16,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .done = done,
};
