/* Weights of Winograd convolutions to the frequency domain, and products of gradients back. Compiled for several
 * instruction sets. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

/* G g: three values to six. */
RT_INLINE void transform_kernel(rt_vector *out, size_t stride, const rt_vector *g)
{
    const rt_vector sixth = rt_broadcast(1.0f / 6.0f), outer = g[0] + g[2];
    const rt_vector far = rt_multiply_add(rt_broadcast(4.0f), g[2], g[0]);
    const rt_vector twenty_fourth = rt_broadcast(1.0f / 24.0f), twice = g[1] + g[1];
    out[0 * stride] = rt_broadcast(0.25f) * g[0];
    out[1 * stride] = -sixth * (outer + g[1]);
    out[2 * stride] = -sixth * (outer - g[1]);
    out[3 * stride] = twenty_fourth * (far + twice);
    out[4 * stride] = twenty_fourth * (far - twice);
    out[5 * stride] = g[2];
}

/* G^T u: six values to three. */
RT_INLINE void transform_back(rt_vector *out, size_t stride, const rt_vector *u)
{
    const rt_vector sixth = rt_broadcast(1.0f / 6.0f), twelfth = rt_broadcast(1.0f / 12.0f);
    const rt_vector twenty_fourth = rt_broadcast(1.0f / 24.0f);
    const rt_vector near = sixth * (u[1] + u[2]), far = u[3] + u[4];
    out[0 * stride] = rt_broadcast(0.25f) * u[0] - near + twenty_fourth * far;
    out[1 * stride] = sixth * (u[2] - u[1]) + twelfth * (u[3] - u[4]);
    out[2 * stride] = u[5] - near + sixth * far;
}

enum { KERNEL = 9, INPUT_BLOCK = 16 };

/* Kernels [outputs, inputs, 9] of a vector of outputs and some inputs, read in whole runs of memory, as vectors over
 * the outputs: [inputs][9][lanes]. */
static void gather_kernels(size_t inputs, const float *weights, size_t first_input, size_t input_count,
                           size_t first_output, size_t output_count, float *gathered)
{
    for (size_t l = 0; l < output_count; ++l) {
        const float *run = weights + ((first_output + l) * inputs + first_input) * KERNEL;
        for (size_t i = 0; i < input_count * KERNEL; ++i)
            gathered[i * RT_LANES + l] = run[i];
    }
}

/* The same of kernels [inputs, outputs, 9], each turned by 180 degrees. */
static void gather_turned_kernels(size_t outputs, const float *weights, size_t first_input, size_t input_count,
                                  size_t first_output, size_t output_count, float *gathered)
{
    for (size_t c = 0; c < input_count; ++c, gathered += KERNEL * RT_LANES) {
        const float *run = weights + ((first_input + c) * outputs + first_output) * KERNEL;
        for (size_t l = 0; l < output_count; ++l)
            for (size_t tap = 0; tap < KERNEL; ++tap)
                gathered[(KERNEL - 1 - tap) * RT_LANES + l] = run[l * KERNEL + tap];
    }
}

/* G g G^T of one input and a vector of outputs; `taps` [9][lanes]. */
static void transform_kernels(const float *taps, float *transformed, size_t plane)
{
    rt_vector half[6][3];
    for (size_t j = 0; j < 3; ++j) {
        const rt_vector column[3] = {rt_load(taps + j * RT_LANES), rt_load(taps + (3 + j) * RT_LANES),
                                     rt_load(taps + (6 + j) * RT_LANES)};
        transform_kernel(&half[0][j], 3, column);
    }
    for (size_t i = 0; i < 6; ++i) {
        rt_vector out[6];
        transform_kernel(out, 1, half[i]);
        for (size_t j = 0; j < 6; ++j)
            rt_store(transformed + (i * 6 + j) * plane, out[j]);
    }
}

/* Of one vector of outputs, from `output` on: input c's 36 values go to `to` + c * width, `plane` floats apart. */
static void transform_vector(size_t inputs, size_t outputs, const float *weights, bool turned, size_t output, float *to,
                             size_t width, size_t plane)
{
    const size_t outputs_here = outputs - output < RT_LANES ? outputs - output : RT_LANES;
    float gathered[INPUT_BLOCK * KERNEL * RT_LANES];
    if (outputs_here < RT_LANES)
        memset(gathered, 0, sizeof gathered);
    for (size_t c = 0; c < inputs; c += INPUT_BLOCK) {
        const size_t inputs_here = inputs - c < INPUT_BLOCK ? inputs - c : INPUT_BLOCK;
        if (turned)
            gather_turned_kernels(outputs, weights, c, inputs_here, output, outputs_here, gathered);
        else
            gather_kernels(inputs, weights, c, inputs_here, output, outputs_here, gathered);
        for (size_t i = 0; i < inputs_here; ++i)
            transform_kernels(gathered + i * KERNEL * RT_LANES, to + (c + i) * width, plane);
    }
}

void RT_OF_LANES(rt_winograd_transform_panel_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                               size_t first, size_t vectors, float *panel, size_t plane)
{
    for (size_t v = 0; v < vectors; ++v)
        transform_vector(inputs, outputs, weights, turned, first + v * RT_LANES, panel + v * RT_LANES,
                         vectors * RT_LANES, plane);
}

void RT_OF_LANES(rt_winograd_transform_weights_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                                 size_t first, size_t last, float *transformed)
{
    const size_t whole = vectors_of(outputs) * RT_LANES;
    for (size_t k = first; k < last; k += RT_LANES) {
        /* The panel that holds these outputs, and their vector in it. */
        const size_t panel = k / (2 * RT_LANES) * 2 * RT_LANES;
        const size_t width = whole - panel > RT_LANES ? 2 * RT_LANES : RT_LANES;
        transform_vector(inputs, outputs, weights, turned, k, transformed + panel * inputs + (k - panel), width,
                         inputs * whole);
    }
}

/* G^T u G of one input and a vector of outputs, u being the sum of the products. */
static void transform_back_vector(const float *product, size_t count, size_t stride, size_t plane, rt_vector out[3][3])
{
    rt_vector half[3][6];
    for (size_t j = 0; j < 6; ++j) {
        rt_vector u[6];
        for (size_t i = 0; i < 6; ++i) {
            u[i] = rt_load(product + (i * 6 + j) * plane);
            for (size_t p = 1; p < count; ++p)
                u[i] += rt_load(product + p * stride + (i * 6 + j) * plane);
        }
        transform_back(&half[0][j], 6, u);
    }
    for (size_t i = 0; i < 3; ++i)
        transform_back(out[i], 1, half[i]);
}

/* diff_weights [outputs, inputs, 9] for the `count` inputs from `first` on. `product` is at the first of them. */
static void transform_inputs_back(size_t inputs, size_t outputs, const float *product, size_t products, size_t stride,
                                  size_t plane, size_t first, size_t count, float *diff_weights)
{
    const size_t wide = vectors_of(outputs) * RT_LANES;
    float kernels[RT_LANES * INPUT_BLOCK * KERNEL];
    for (size_t k = 0; k < outputs; k += RT_LANES) {
        const size_t outputs_here = outputs - k < RT_LANES ? outputs - k : RT_LANES;
        for (size_t i = 0; i < count; ++i) {
            rt_vector out[3][3];
            transform_back_vector(product + i * wide + k, products, stride, plane, out);
            for (size_t tap = 0; tap < KERNEL; ++tap)
                for (size_t l = 0; l < outputs_here; ++l)
                    kernels[(l * count + i) * KERNEL + tap] = out[tap / 3][tap % 3][l];
        }
        for (size_t l = 0; l < outputs_here; ++l)
            memcpy(diff_weights + ((k + l) * inputs + first) * KERNEL, kernels + l * count * KERNEL,
                   count * KERNEL * sizeof(float));
    }
}

void RT_OF_LANES(rt_winograd_transform_product_)(size_t inputs, size_t outputs, const float *product, size_t count,
                                                 size_t stride, size_t first, size_t last, float *diff_weights)
{
    const size_t wide = vectors_of(outputs) * RT_LANES;
    for (size_t c = first; c < last; c += INPUT_BLOCK)
        transform_inputs_back(inputs, outputs, product + c * wide, count, stride, inputs * wide, c,
                              last - c < INPUT_BLOCK ? last - c : INPUT_BLOCK, diff_weights);
}

void RT_OF_LANES(rt_winograd_transform_cell_back_)(size_t inputs, size_t outputs, const float *product, size_t plane,
                                                   size_t first, size_t count, float *diff_weights)
{
    transform_inputs_back(inputs, outputs, product, 1, 0, plane, first, count, diff_weights);
}
