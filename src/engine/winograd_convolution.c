/* 3 x 3 convolutions of stride 1 or 2 by Winograd's algorithm (winograd.h): all three passes.
 *
 * A frozen network's weights are transformed once, with a batch norm folded in. In training they change with every step
 * and are transformed into scratch memory right before they are used, large ones panel by panel
 * (winograd_convolve_once.c). */
#include <math.h>
#include <stdlib.h>

#include "base/threads.h"
#include "engine/folding.h"
#include "engine/onednn.h"
#include "engine/winograd_team.h"

struct winograd_convolution {
    rt_winograd_team forward, backward, correlation; /* backward has inputs and outputs exchanged */
    float *weights;                                  /* of a frozen network, in the frequency domain */
    float *folded_bias;                              /* of a frozen convolution with a batch norm */
};

/* Fewer channels than this leave vectors and matrix products half empty. */
enum { FEWEST_CHANNELS = 8 };

static bool fits(const rt_kernel *kernel)
{
    const rt_window *w = &kernel->node->window;
    return w->kernel == 3 && w->stride <= 2 && w->padding == 1 && w->dilation == 1 && w->groups == 1 &&
           rt_kernel_source(kernel, 0).channels >= FEWEST_CHANNELS && kernel->node->shape.channels >= FEWEST_CHANNELS &&
           !kernel->engine->direct_convolutions;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static rt_status plan_frozen(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state;
    c->weights = rt_aligned_zeros(c->forward.weights_floats * sizeof(float));
    if (rt_folds_norm(kernel))
        c->folded_bias = rt_aligned_zeros(c->forward.shape.outputs * sizeof(float));
    if (!c->weights || (rt_folds_norm(kernel) && !c->folded_bias))
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for weights", kernel->node->name);
    kernel->scratch_bytes = c->forward.scratch_floats * sizeof(float);
    return RT_OK;
}

static rt_status plan_trained(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state;
    const rt_winograd_code *code = c->forward.code;
    const rt_winograd *shape = &c->forward.shape;
    const rt_winograd turned = {
        shape->dst_height, shape->dst_width, shape->src_height, shape->src_width, shape->outputs, shape->inputs, 0};
    const rt_winograd_form form = code->form == RT_WINOGRAD_STRIDED ? RT_WINOGRAD_TRANSPOSED : RT_WINOGRAD_UNIT;
    RT_TRY(rt_winograd_team_plan(&c->backward, rt_winograd_code_for(form, rt_engine_lanes()), turned, kernel->batch,
                                 RT_TEAM_BACKWARD, err));
    RT_TRY(rt_winograd_team_plan(&c->correlation, code, *shape, kernel->batch, RT_TEAM_CORRELATES, err));
    kernel->keeps_src = true;
    kernel->gives_products = kernel->gives_moments = true;
    if (kernel->wants_diff_src) {
        ++kernel->weight_packs;
        kernel->implementation[1] = code->name;
    }
    ++kernel->weight_packs; /* of the gradient, back */
    kernel->implementation[2] = code->name;
    const size_t floats = larger(c->forward.scratch_floats, c->backward.scratch_floats);
    kernel->scratch_bytes = larger(floats, c->correlation.scratch_floats) * sizeof(float);
    return RT_OK;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state = calloc(1, sizeof *c);
    if (!c)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory", kernel->node->name);
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    const rt_winograd_form form = kernel->node->window.stride == 2 ? RT_WINOGRAD_STRIDED : RT_WINOGRAD_UNIT;
    const rt_winograd_code *code = rt_winograd_code_for(form, rt_engine_lanes());
    const rt_winograd shape = {in.height, in.width, out.height, out.width, in.channels, out.channels, 0};
    RT_TRY(rt_winograd_team_plan(&c->forward, code, shape, kernel->batch,
                                 kernel->mode == RT_MODE_FROZEN ? RT_TEAM_FROZEN : RT_TEAM_FORWARD, err));
    ++kernel->weight_packs;
    kernel->implementation[0] = code->name;
    kernel->reads_norms = 1u << 0;
    return kernel->mode == RT_MODE_FROZEN ? plan_frozen(kernel, err) : plan_trained(kernel, err);
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state;
    if (kernel->mode != RT_MODE_FROZEN)
        return RT_OK;
    const rt_winograd *shape = &c->forward.shape;
    const float *weights = rt_parameter_values(kernel->parameters, kernel->node->weight);
    float *folded = NULL; /* not kept: a frozen network prepares once */
    if (c->folded_bias) {
        folded = rt_aligned_zeros(shape->inputs * shape->outputs * 9 * sizeof(float));
        if (!folded)
            return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for folded weights", kernel->node->name);
        rt_fold_norm(kernel, folded, c->folded_bias);
        weights = folded;
    }
    rt_winograd_team_transform(&c->forward, weights, c->weights);
    free(folded);
    return RT_OK;
}

/* The convolution's source, through its batch norm if that is left to us. */
static rt_winograd_source source_of(const rt_kernel *kernel, const rt_kernel_io *io)
{
    const rt_norm_link *norm = kernel->source_norms[0];
    rt_winograd_source src = {.reading = RT_READ_PLAIN, .values = io->src[0]};
    if (norm) {
        src.reading = norm->relu ? RT_READ_NORM_RELU : RT_READ_NORM;
        src.norm = norm->lanes;
    }
    return src;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    struct winograd_convolution *c = kernel->state;
    const rt_node *node = kernel->node;
    const rt_winograd_source src = source_of(kernel, io);
    const rt_norm_link *reader = kernel->reader_norm;
    const rt_winograd_target dst = {
        .writing = reader ? RT_WRITE_MOMENTS : RT_WRITE_PLAIN,
        .values = io->dst,
        .bias = c->folded_bias    ? c->folded_bias
                : node->bias >= 0 ? rt_parameter_values(kernel->parameters, node->bias)
                                  : NULL,
        .residual = node->source_count == 2 ? io->src[1] : NULL,
        .ceiling = node->activation == RT_ACTIVATION_RELU    ? INFINITY
                   : node->activation == RT_ACTIVATION_RELU6 ? 6.0f
                                                             : 0.0f,
    };
    const float *weights = c->weights ? c->weights : rt_parameter_values(kernel->parameters, node->weight);
    rt_winograd_team_convolve(&c->forward, &src, weights, &dst, io->scratch, reader ? reader->first_moment : NULL,
                              reader ? reader->second_moment : NULL);
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    struct winograd_convolution *c = kernel->state;
    const rt_node *node = kernel->node;
    const rt_winograd_source src = source_of(kernel, io);
    const rt_winograd_source diff_dst = {.reading = RT_READ_PLAIN, .values = io->diff_dst[0]};
    if (io->diff_src[0]) {
        const rt_norm_link *norm = kernel->source_norms[0];
        rt_winograd_target diff_src = {.writing = RT_WRITE_PLAIN, .values = io->diff_src[0]};
        if (norm && norm->products_by_reader) {
            diff_src.writing = RT_WRITE_PRODUCTS;
            diff_src.norm_source = io->src[0];
            diff_src.norm = norm->lanes;
            diff_src.norm_relu = norm->relu;
        }
        rt_winograd_team_convolve(&c->backward, &diff_dst, rt_parameter_values(kernel->parameters, node->weight),
                                  &diff_src, io->scratch, norm ? norm->sum : NULL, norm ? norm->dot : NULL);
    }
    rt_winograd_team_correlate(&c->correlation, &src, &diff_dst, io->scratch,
                               rt_parameter_gradients(kernel->parameters, node->weight),
                               node->bias >= 0 ? rt_parameter_gradients(kernel->parameters, node->bias) : NULL);
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct winograd_convolution *c = kernel->state;
    if (!c)
        return;
    rt_winograd_team_done(&c->forward);
    rt_winograd_team_done(&c->backward);
    rt_winograd_team_done(&c->correlation);
    free(c->weights);
    free(c->folded_bias);
    free(c);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_winograd = {
    .name = "winograd",
    .fits = fits,
    .plan = plan,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .done = done,
};
