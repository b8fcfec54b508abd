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

/* Kernels of some outputs (a vector of them) and up to INPUT_BLOCK inputs, as [outputs][inputs][9]: read and written in
 * whole runs of memory. */
typedef struct kernel_block {
    size_t outputs, inputs;
    float values[RT_LANES * INPUT_BLOCK * KERNEL];
} kernel_block;

void RT_OF_LANES(rt_winograd_transform_weights_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                                 size_t first, size_t last, float *transformed)
{
    const size_t plane = inputs * vectors_of(outputs) * RT_LANES;
    for (size_t k = first; k < last; k += RT_LANES) {
        const size_t count = outputs - k < RT_LANES ? outputs - k : RT_LANES;
        /* The panel that holds these outputs, and their vector in it. */
        const size_t panel = k / (2 * RT_LANES) * 2 * RT_LANES;
        const size_t width = vectors_of(outputs) * RT_LANES - panel > RT_LANES ? 2 * RT_LANES : RT_LANES;
        float *to = transformed + panel * inputs + (k - panel);
        for (size_t c = 0; c < inputs; ++c) {
            rt_vector g[3][3], half[6][3];
            for (size_t tap = 0; tap < KERNEL; ++tap) {
                float lane[RT_LANES] = {0};
                for (size_t l = 0; l < count; ++l)
                    lane[l] = turned ? weights[(c * outputs + k + l) * KERNEL + (KERNEL - 1 - tap)]
                                     : weights[((k + l) * inputs + c) * KERNEL + tap];
                g[tap / 3][tap % 3] = rt_load(lane);
            }
            for (size_t j = 0; j < 3; ++j) {
                const rt_vector column[3] = {g[0][j], g[1][j], g[2][j]};
                transform_kernel(&half[0][j], 3, column);
            }
            for (size_t i = 0; i < 6; ++i) {
                rt_vector out[6];
                transform_kernel(out, 1, half[i]);
                for (size_t j = 0; j < 6; ++j)
                    rt_store(to + (i * 6 + j) * plane + c * width, out[j]);
            }
        }
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

void RT_OF_LANES(rt_winograd_transform_product_)(size_t inputs, size_t outputs, const float *product, size_t count,
                                                 size_t stride, size_t first, size_t last, float *diff_weights)
{
    const size_t wide = vectors_of(outputs) * RT_LANES, plane = inputs * wide;
    kernel_block block;
    for (size_t c = first; c < last; c += block.inputs) {
        block.inputs = last - c < INPUT_BLOCK ? last - c : INPUT_BLOCK;
        for (size_t k = 0; k < outputs; k += RT_LANES) {
            block.outputs = outputs - k < RT_LANES ? outputs - k : RT_LANES;
            for (size_t i = 0; i < block.inputs; ++i) {
                rt_vector out[3][3];
                transform_back_vector(product + (c + i) * wide + k, count, stride, plane, out);
                for (size_t tap = 0; tap < KERNEL; ++tap)
                    for (size_t l = 0; l < block.outputs; ++l)
                        block.values[(l * block.inputs + i) * KERNEL + tap] = out[tap / 3][tap % 3][l];
            }
            for (size_t l = 0; l < block.outputs; ++l)
                memcpy(diff_weights + ((k + l) * inputs + c) * KERNEL, block.values + l * block.inputs * KERNEL,
                       block.inputs * KERNEL * sizeof(float));
        }
    }
}
