/* 3 x 3 convolutions of stride 1 by Winograd's algorithm (winograd.h): all three passes.
 *
 * Weights go to the frequency domain once after every update (once in all for a frozen network, with its batch norm
 * folded in). Threads share out tiles in order, so that a thread meets the images that it wrote in the layer before. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "engine/folding.h"
#include "engine/onednn.h"
#include "engine/winograd.h"

struct winograd_convolution {
    const rt_winograd_code *code;
    rt_winograd forward, backward, correlation; /* backward has inputs and outputs exchanged */
    size_t tiles, threads;
    float *weights, *turned_weights; /* in the frequency domain */
    float *folded_bias;              /* of a frozen convolution with a batch norm */
    bool splits_outputs;             /* the weight gradient: threads take outputs, not tiles */
    size_t thread_floats, product_floats;
    double *sums; /* [threads, 2, outputs] */
};

/* Fewer channels than this leave vectors and matrix products half empty. */
enum { FEWEST_CHANNELS = 8 };

static bool fits(const rt_kernel *kernel)
{
    const rt_window *w = &kernel->node->window;
    return !kernel->engine->direct_convolutions && w->kernel == 3 && w->stride == 1 && w->padding == 1 &&
           w->dilation == 1 && w->groups == 1 && rt_kernel_source(kernel, 0).channels >= FEWEST_CHANNELS &&
           kernel->node->shape.channels >= FEWEST_CHANNELS;
}

/* Tiles of a block. Few channels: as many as keep the block in the second cache. Many: the weights outgrow it, and
 * each block reads them all again. */
static size_t block_of(size_t inputs, size_t outputs)
{
    const size_t weights = inputs * outputs;
    return weights <= 16 * 16     ? 48
           : weights <= 64 * 64   ? 24
           : weights <= 128 * 128 ? 32
           : weights <= 256 * 256 ? 96
                                  : 64;
}

/* Tiles that one thread takes: all, if threads share out outputs instead. */
static size_t share_of(const struct winograd_convolution *c, bool all)
{
    return all ? c->tiles : (c->tiles + c->threads - 1) / c->threads;
}

static size_t at_most(size_t value, size_t limit)
{
    return value < limit ? value : limit;
}

static rt_status plan_backward(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state;
    const size_t inputs = c->forward.inputs, outputs = c->forward.outputs;
    c->backward = c->forward;
    c->backward.inputs = outputs;
    c->backward.outputs = inputs;
    c->correlation = c->forward;
    c->splits_outputs = inputs * outputs > 128 * 128 && outputs >= c->threads * c->code->lanes;
    c->correlation.block = at_most(inputs * outputs <= 128 * 128 ? 48 : 128, share_of(c, c->splits_outputs));
    if (kernel->wants_diff_src) {
        c->turned_weights = rt_aligned_zeros(c->code->weights_floats(outputs, inputs) * sizeof(float));
        if (!c->turned_weights)
            return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for weights", kernel->node->name);
        ++kernel->weight_packs;
        kernel->implementation[1] = c->code->name;
    }
    ++kernel->weight_packs; /* of the gradient, back */
    kernel->implementation[2] = c->code->name;
    c->product_floats = c->code->product_floats(inputs, outputs);
    size_t backward_floats = c->code->convolve_floats(&c->backward);
    size_t correlate_floats = c->code->correlate_floats(&c->correlation);
    c->thread_floats = backward_floats > c->thread_floats ? backward_floats : c->thread_floats;
    c->thread_floats = correlate_floats > c->thread_floats ? correlate_floats : c->thread_floats;
    return RT_OK;
}

static size_t lines_of(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* oneDNN's limit on instruction sets (ONEDNN_MAX_CPU_ISA) holds for our own code too. */
static size_t lanes_limit(void)
{
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return isa >= dnnl_cpu_isa_avx512_core ? 16 : isa >= dnnl_cpu_isa_avx2 ? 8 : 4;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state = calloc(1, sizeof *c);
    if (!c)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory", kernel->node->name);
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    c->code = rt_winograd_code_for(lanes_limit());
    c->threads = (size_t)rt_threads_count();
    c->forward = (rt_winograd){in.height, in.width, in.channels, out.channels, block_of(in.channels, out.channels)};
    c->tiles = kernel->batch * rt_winograd_tiles(&c->forward);
    c->forward.block = at_most(c->forward.block, share_of(c, false));
    c->weights = rt_aligned_zeros(c->code->weights_floats(in.channels, out.channels) * sizeof(float));
    c->sums =
        rt_aligned_zeros(c->threads * 2 * (in.channels > out.channels ? in.channels : out.channels) * sizeof(double));
    if (!c->weights || !c->sums)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for weights", kernel->node->name);
    ++kernel->weight_packs;
    kernel->implementation[0] = c->code->name;
    kernel->reads_norms = 1u << 0;
    kernel->gives_products = kernel->gives_moments = true;
    if (rt_folds_norm(kernel)) {
        c->folded_bias = rt_aligned_zeros(out.channels * sizeof(float));
        if (!c->folded_bias)
            return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for a folded bias", kernel->node->name);
    }
    c->thread_floats = c->code->convolve_floats(&c->forward);
    if (kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = true;
        RT_TRY(plan_backward(kernel, err));
    }
    c->thread_floats = lines_of(c->thread_floats);
    size_t floats = c->threads * c->thread_floats;
    if (kernel->mode != RT_MODE_FROZEN)
        floats += (c->splits_outputs ? 1 : c->threads) * c->product_floats;
    kernel->scratch_bytes = floats * sizeof(float);
    return RT_OK;
}

static void transform_weights(const struct winograd_convolution *c, const float *weights, bool turned, float *to)
{
    const rt_winograd *shape = turned ? &c->backward : &c->forward;
    const size_t lanes = c->code->lanes;
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < shape->outputs; first += lanes) {
        const size_t last = first + lanes < shape->outputs ? first + lanes : shape->outputs;
        c->code->transform_weights(shape->inputs, shape->outputs, weights, turned, first, last, to);
    }
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    struct winograd_convolution *c = kernel->state;
    const float *weights = rt_parameter_values(kernel->parameters, kernel->node->weight);
    float *folded = NULL; /* not kept: a frozen network prepares once */
    if (c->folded_bias) {
        folded = rt_aligned_zeros(c->forward.inputs * c->forward.outputs * 9 * sizeof(float));
        if (!folded)
            return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for folded weights", kernel->node->name);
        rt_fold_norm(kernel, folded, c->folded_bias);
        weights = folded;
    }
    transform_weights(c, weights, false, c->weights);
    if (c->turned_weights)
        transform_weights(c, weights, true, c->turned_weights);
    free(folded);
    return RT_OK;
}

/* `sums` [2, outputs]: what the writing sums. */
static void convolve(const struct winograd_convolution *c, const rt_winograd *shape, const rt_winograd_source *src,
                     const float *weights, const rt_winograd_target *dst, float *scratch, double *sums[2])
{
    const size_t outputs = shape->outputs;
    memset(c->sums, 0, c->threads * 2 * outputs * sizeof *c->sums);
#pragma omp parallel for schedule(static, 1)
    for (size_t part = 0; part < c->threads; ++part)
        c->code->convolve(shape, src, weights, dst, c->tiles * part / c->threads, c->tiles * (part + 1) / c->threads,
                          scratch + part * c->thread_floats, c->sums + part * 2 * outputs);
    for (size_t s = 0; s < 2 && dst->writing != RT_WRITE_PLAIN; ++s)
        for (size_t k = 0; k < outputs; ++k) {
            sums[s][k] = 0.0;
            for (size_t part = 0; part < c->threads; ++part)
                sums[s][k] += c->sums[(part * 2 + s) * outputs + k];
        }
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
    convolve(c, &c->forward, &src, c->weights, &dst, io->scratch,
             (double *[2]){reader ? reader->first_moment : NULL, reader ? reader->second_moment : NULL});
    return RT_OK;
}

/* The weight gradient. Threads share out tiles and their products are added up; where products would be large, each
 * takes some of the outputs instead. */
static void correlate(rt_kernel *kernel, const rt_winograd_source *src, const rt_winograd_source *diff_dst,
                      float *scratch)
{
    struct winograd_convolution *c = kernel->state;
    const size_t inputs = c->forward.inputs, outputs = c->forward.outputs, lanes = c->code->lanes;
    float *products = scratch + c->threads * c->thread_floats;
    float *gradient = rt_parameter_gradients(kernel->parameters, kernel->node->weight);
    const bool has_bias = kernel->node->bias >= 0;
    for (size_t i = 0; i < c->threads * outputs; ++i)
        c->sums[i] = 0.0;
#pragma omp parallel for schedule(static, 1)
    for (size_t t = 0; t < c->threads; ++t) {
        rt_winograd_part part = {c->tiles * t / c->threads, c->tiles * (t + 1) / c->threads, 0, outputs};
        if (c->splits_outputs)
            part = (rt_winograd_part){0, c->tiles, outputs / lanes * t / c->threads * lanes,
                                      t + 1 == c->threads ? outputs : outputs / lanes * (t + 1) / c->threads * lanes};
        float *product = products + t * c->product_floats;
        if (c->splits_outputs)
            product = products + c->code->product_floats(inputs, part.first_output);
        c->code->correlate(&c->correlation, src, diff_dst, part, scratch + t * c->thread_floats, product,
                           has_bias ? c->sums + t * outputs : NULL);
        if (c->splits_outputs)
            c->code->transform_product(inputs, part.last_output - part.first_output, product, 1, 0, 0, inputs,
                                       gradient + part.first_output * inputs * 9);
    }
    if (!c->splits_outputs) {
#pragma omp parallel for schedule(static)
        for (size_t first = 0; first < inputs; first += 4)
            c->code->transform_product(inputs, outputs, products, c->threads, c->product_floats, first,
                                       first + 4 < inputs ? first + 4 : inputs, gradient);
    }
    for (size_t k = 0; has_bias && k < outputs; ++k) {
        double sum = 0.0;
        for (size_t t = 0; t < c->threads; ++t)
            sum += c->sums[t * outputs + k];
        rt_parameter_gradients(kernel->parameters, kernel->node->bias)[k] = (float)sum;
    }
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    struct winograd_convolution *c = kernel->state;
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
        convolve(c, &c->backward, &diff_dst, c->turned_weights, &diff_src, io->scratch,
                 (double *[2]){norm ? norm->sum : NULL, norm ? norm->dot : NULL});
    }
    correlate(kernel, &src, &diff_dst, io->scratch);
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct winograd_convolution *c = kernel->state;
    if (!c)
        return;
    free(c->weights);
    free(c->turned_weights);
    free(c->folded_bias);
    free(c->sums);
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
