/* Weights of Winograd convolutions to the frequency domain. Compiled for each form and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

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
    rt_vector half[PLANE_SIDE][3];
    for (size_t j = 0; j < 3; ++j) {
        const rt_vector column[3] = {rt_load(taps + j * RT_LANES), rt_load(taps + (3 + j) * RT_LANES),
                                     rt_load(taps + (6 + j) * RT_LANES)};
        transform_kernel(&half[0][j], 3, column);
    }
    for (size_t i = 0; i < PLANE_SIDE; ++i) {
        rt_vector out[PLANE_SIDE];
        transform_kernel(out, 1, half[i]);
        for (size_t j = 0; j < PLANE_SIDE; ++j)
            rt_store(transformed + (i * PLANE_SIDE + j) * plane, out[j]);
    }
}

/* Of one vector of outputs, from `output` on: input c's values go to `to` + c * width, `plane` floats apart. */
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

void RT_OF_FORM(rt_winograd_transform_panel_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                              size_t first, size_t vectors, float *panel, size_t plane)
{
    for (size_t v = 0; v < vectors; ++v)
        transform_vector(inputs, outputs, weights, turned, first + v * RT_LANES, panel + v * RT_LANES,
                         vectors * RT_LANES, plane);
}

void RT_OF_FORM(rt_winograd_transform_weights_)(size_t inputs, size_t outputs, const float *weights, bool turned,
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
