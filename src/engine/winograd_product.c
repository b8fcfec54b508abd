/* Products of Winograd's weight gradient back from the frequency domain. Compiled for each form that has one and
 * instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

/* So many inputs at a time are brought to the order of weights. */
enum { KERNEL = 9, INPUT_BLOCK = 16 };

/* G^T u G of one input and a vector of outputs, u being the sum of the products. */
static void transform_back_vector(const float *product, size_t count, size_t stride, size_t plane, rt_vector out[3][3])
{
    rt_vector half[3][PLANE_SIDE];
    for (size_t j = 0; j < PLANE_SIDE; ++j) {
        rt_vector u[PLANE_SIDE];
        for (size_t i = 0; i < PLANE_SIDE; ++i) {
            u[i] = rt_load(product + (i * PLANE_SIDE + j) * plane);
            for (size_t p = 1; p < count; ++p)
                u[i] += rt_load(product + p * stride + (i * PLANE_SIDE + j) * plane);
        }
        transform_back(&half[0][j], PLANE_SIDE, u);
    }
    for (size_t i = 0; i < 3; ++i)
        transform_back(out[i], 1, half[i]);
}

/* diff_weights [outputs, inputs, 9] for `count` inputs, at most INPUT_BLOCK, from `first` on. `product` is at the first
 * of them. */
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

/* The same for the inputs [first, last). */
static void transform_range_back(size_t inputs, size_t outputs, const float *product, size_t products, size_t stride,
                                 size_t plane, size_t first, size_t last, float *diff_weights)
{
    const size_t wide = vectors_of(outputs) * RT_LANES;
    for (; first < last; first += INPUT_BLOCK, product += INPUT_BLOCK * wide)
        transform_inputs_back(inputs, outputs, product, products, stride, plane, first,
                              last - first < INPUT_BLOCK ? last - first : INPUT_BLOCK, diff_weights);
}

void RT_OF_FORM(rt_winograd_transform_product_)(size_t inputs, size_t outputs, const float *product, size_t count,
                                                size_t stride, size_t first, size_t last, float *diff_weights)
{
    const size_t wide = vectors_of(outputs) * RT_LANES;
    transform_range_back(inputs, outputs, product + first * wide, count, stride, inputs * wide, first, last,
                         diff_weights);
}

void RT_OF_FORM(rt_winograd_transform_chunk_back_)(size_t inputs, size_t outputs, const float *product, size_t first,
                                                   size_t count, float *diff_weights)
{
    transform_range_back(inputs, outputs, product, 1, 0, count * vectors_of(outputs) * RT_LANES, first, first + count,
                         diff_weights);
}
