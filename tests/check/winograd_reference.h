/* What the Winograd kernels are held to: convolutions in float64 straight from their definition, and memory that ends
 * at a page which must not be touched.
 *
 * Errors are counted in units of 2^-24 times a magnitude. For an output of a tile with the weights w of its kernel,
 *
 *     magnitude = sum over inputs of (largest |x| of the pixels that the tile sees) (sum over taps of |w|),
 *
 * which is at least sum |x| |w|: an algorithm that mixes the tile's pixels cannot do better than its largest one. In
 * one dimension, rounding is amplified by at most
 *
 *     largest row of |A^T| times (sum of the row of |B^T|) (largest of the row of |G|)
 *         = 10/6 + 10/6 + 8 (6/6) + 8 (6/6) + 10 = 29.3,
 *
 * in the unit form (less in the others: 4/2 6/2 + 8/6 + 2 4/2 ... = 14.3), in two by its square, 860, and each value is
 * rounded about 24 times on its way through the transforms and once for each input: no more than 860 (24 + inputs)
 * units, if all errors were the largest and of one sign. They are not, and the tests allow about three times what is
 * seen. For a weight gradient the sum is over tiles, of the tile's largest |x| times its sum of |diff_dst|; the
 * transforms are the transposed ones, and their amplification is the same. */
#ifndef RETORT_CHECK_WINOGRAD_REFERENCE_H
#define RETORT_CHECK_WINOGRAD_REFERENCE_H

#include "engine/winograd.h"

/* A convolution with `height` x `width` outputs in the transposed form, inputs in the others. */
rt_winograd winograd_shape(rt_winograd_form form, size_t height, size_t width, size_t inputs, size_t outputs);

/* Memory that is poisoned with NaNs and ends at a forbidden page. All of it is released together. */
float *guarded_floats(size_t count);
double *guarded_doubles(size_t count);
void guarded_poison(float *values, size_t count);
void guarded_release(void);

/* Random float32 of the width around the middle, guarded. */
float *guarded_random(const char *name, size_t count, float middle, float width);

/* Something that a pass reads: for the kernels, and in float64. Released with what is guarded. */
struct operand {
    rt_winograd_source source;
    double *values;     /* [pixels, channels], what the reading makes of it */
    double *magnitudes; /* what its rounding errors are relative to */
};

/* Random values. `name` sets the numbers apart from another operand's. */
struct operand operand_of(const char *name, rt_winograd_reading reading, size_t pixels, size_t channels);

/* The two arrays again after the source's floats were changed. */
void operand_read(struct operand *operand, size_t pixels, size_t channels);

/* The weight of output k, input c and tap, of kernels [outputs, inputs, 9], or `turned` as transform_weights() says. */
float kernel_tap(const rt_winograd *shape, const float *weights, bool turned, size_t k, size_t c, size_t tap);

/* The pixel of the source that a tap sees at an output, or -1 where there is none. Both are counted over the batch. */
ptrdiff_t seen_pixel(rt_winograd_form form, const rt_winograd *shape, size_t output, size_t tap);

/* Whether a pixel is among those that an output's tile sees. */
bool tile_sees(rt_winograd_form form, const rt_winograd *shape, size_t output, size_t pixel);

/* out, magnitude [batch, dst_height, dst_width, outputs]. */
void reference_convolve(rt_winograd_form form, const rt_winograd *shape, size_t batch, const struct operand *src,
                        const float *weights, bool turned, double *out, double *magnitude);

/* diff_weights, magnitude [outputs, inputs, 9]. */
void reference_correlate(rt_winograd_form form, const rt_winograd *shape, size_t batch, const struct operand *src,
                         const struct operand *diff_dst, double *diff_weights, double *magnitude);

/* The largest error seen of a quantity, in the units above. */
struct worst {
    double units;
};

/* A NaN, or an error where there is nothing to err about, is infinitely far. */
void worst_note(struct worst *worst, double found, double expected, double magnitude);

/* Codes of all forms that this CPU can run, narrowest first; returns how many. */
enum { MOST_CODES = 3 * RT_WINOGRAD_FORMS };
size_t winograd_codes(const rt_winograd_code *codes[MOST_CODES]);

/* "strided winograd:avx2" */
const char *winograd_code_name(const rt_winograd_code *code);

/* Weights in the frequency domain, guarded, made in several calls, the last outputs first. */
float *transformed_weights(const rt_winograd_code *code, const rt_winograd *shape, const float *weights, bool turned);

#endif
