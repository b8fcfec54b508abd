/* Convolutions of 3 x 3 with padding 1 by Winograd's minimal filtering (Lavin and Gray 2016, arXiv:1509.09308):
 *
 *     dst       = A^T [ (G g G^T) * (B^T d B) ] A        one tile d of the source, * multiplies by frequency
 *     diff_src    the same with each kernel turned by 180 degrees and inputs and outputs exchanged
 *     diff_g    = G^T [ sum over tiles (B^T d B) * (A diff_dst A^T) ] G
 *
 * In three forms, each a set of transforms A, B and G:
 *
 *     unit        stride 1, F(4 x 4, 3 x 3): 36 multiplications instead of 144 for a tile of 4 x 4 outputs;
 *     strided     stride 2: what a kernel's middle tap sees, every other pixel, and what its outer taps see, the pixels
 *                 between, are two convolutions of stride 1. The outer taps are F(4, 2), 5 multiplications for 8, the
 *                 middle tap needs its 4: in two dimensions 81 instead of 144 for 4 x 4 outputs;
 *     transposed  the data gradient of stride 2, likewise: 81 instead of 144 for 8 x 8 pixels.
 *
 * For many channels the products of each of the 36 or 81 frequencies are one matrix multiplication. A thread takes a
 * block of tiles, small enough for its cache, through all three stages. Around the transforms, what a batch norm, a
 * ReLU or a residual needs of the same values is done while they are in registers.
 *
 * Activations are [batch, height, width, channels]. Sources are compiled for several instruction sets; the functions
 * are reached through rt_winograd_code. They allocate nothing, never fail, and each call is one thread's. */
#ifndef RETORT_ENGINE_WINOGRAD_H
#define RETORT_ENGINE_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/batch_norm_sums.h"

typedef enum rt_winograd_form {
    RT_WINOGRAD_UNIT,
    RT_WINOGRAD_STRIDED,
    RT_WINOGRAD_TRANSPOSED,
    RT_WINOGRAD_FORMS
} rt_winograd_form;

/* How the values that a convolution reads are made from those in memory. */
typedef enum rt_winograd_reading {
    RT_READ_PLAIN,
    RT_READ_NORM,          /* (x - mean) scale + shift */
    RT_READ_NORM_RELU,     /* max(0, (x - mean) scale + shift) */
    RT_READ_NORM_BACKWARD, /* scale (g - common - slope (x - mean)) */
    RT_READINGS
} rt_winograd_reading;

typedef struct rt_winograd_source {
    rt_winograd_reading reading;
    const float *values;      /* x, or g of a norm's backward */
    const float *norm_source; /* x of a norm's backward, of the same shape */
    rt_norm_lanes norm;       /* unless plain */
} rt_winograd_source;

/* What happens to outputs on their way to memory. */
typedef enum rt_winograd_writing {
    RT_WRITE_PLAIN,    /* y + bias + residual, rectified on demand */
    RT_WRITE_MOMENTS,  /* plain, and sums over pixels of y and y^2 */
    RT_WRITE_PRODUCTS, /* y is the gradient g behind a norm and its ReLU: writes g where the norm's output is positive,
                          and sums g and g (x - mean) */
    RT_WRITINGS
} rt_winograd_writing;

typedef struct rt_winograd_target {
    rt_winograd_writing writing;
    float *values;
    const float *bias;     /* [outputs] or NULL */
    const float *residual; /* of the shape of values, may be values itself, or NULL */
    float ceiling;         /* of an activation: infinity for ReLU, 6 for ReLU6; 0 for none */
    const float *norm_source;
    rt_norm_lanes norm;
    bool norm_relu; /* for products */
} rt_winograd_target;

/* A convolution; in the transposed form `src` is what the forward pass calls dst. */
typedef struct rt_winograd {
    size_t src_height, src_width, dst_height, dst_width;
    size_t inputs, outputs;
    size_t block; /* tiles that are taken through the stages together */
} rt_winograd;

/* A thread's share: some tiles, and some outputs, from a multiple of two vectors on (of one in a weight gradient). */
typedef struct rt_winograd_part {
    size_t first_tile, last_tile, first_output, last_output;
} rt_winograd_part;

typedef struct rt_winograd_code {
    const char *name; /* "winograd:avx512" */
    rt_winograd_form form;
    size_t lanes;
    size_t tile; /* its height and width in outputs */

    /* Floats of the weights in the frequency domain. */
    size_t (*weights_floats)(size_t inputs, size_t outputs);

    /* G g G^T of kernels [outputs, inputs, 3, 3] for the output channels [first, last), first a multiple of lanes. With
     * `turned`, of the kernels of the data gradient: `weights` are then [inputs, outputs, 3, 3]. */
    void (*transform_weights)(size_t inputs, size_t outputs, const float *weights, bool turned, size_t first,
                              size_t last, float *transformed);

    /* Floats of one thread's scratch memory for convolve(). */
    size_t (*convolve_floats)(const rt_winograd *shape);

    /* `sums` [2, outputs] gets the two sums of the writing added; NULL if plain. */
    void (*convolve)(const rt_winograd *shape, const rt_winograd_source *src, const float *transformed,
                     const rt_winograd_target *dst, rt_winograd_part part, float *scratch, double *sums);

    /* The same where all tiles of a part are one block and weights change with each step: kernels [outputs, inputs, 3,
     * 3], or if turned [inputs, outputs, 3, 3], are transformed a panel of outputs at a time, right before the panel's
     * products, so that large weights in the frequency domain never go through memory. */
    size_t (*convolve_once_floats)(const rt_winograd *shape);
    void (*convolve_once)(const rt_winograd *shape, const rt_winograd_source *src, const float *weights, bool turned,
                          const rt_winograd_target *dst, rt_winograd_part part, float *scratch, double *sums);

    /* Floats of one thread's scratch memory for correlate(), and of its `product`. */
    size_t (*correlate_floats)(const rt_winograd *shape);
    size_t (*product_floats)(size_t inputs, size_t outputs);

    /* The sum of a part's tiles in the frequency domain, overwritten: product_floats(inputs, outputs of the part)
     * floats. `sums` [outputs] gets the sums of diff_dst over pixels added, for a bias; NULL for none. */
    void (*correlate)(const rt_winograd *shape, const rt_winograd_source *src, const rt_winograd_source *diff_dst,
                      rt_winograd_part part, float *scratch, float *product, double *sums);

    /* The same and transform_product() where all tiles are one block, a chunk of inputs and outputs at a time. First
     * threads share out the tiles of the source, whose frequencies go to sources_floats() floats that all of them read;
     * then the outputs. diff_weights [outputs, inputs, 3, 3] is overwritten for the part's outputs. Both want
     * correlate_once_floats() of scratch memory, for a part of so many outputs. */
    size_t (*sources_floats)(const rt_winograd *shape);
    size_t (*correlate_once_floats)(const rt_winograd *shape, size_t outputs);
    void (*read_sources)(const rt_winograd *shape, const rt_winograd_source *src, size_t first_tile, size_t last_tile,
                         float *scratch, float *sources);
    void (*correlate_once)(const rt_winograd *shape, const float *sources, const rt_winograd_source *diff_dst,
                           rt_winograd_part part, float *scratch, float *diff_weights, double *sums);

    /* diff_weights [outputs, inputs, 3, 3] for the input channels [first, last), from the sum of `count` products that
     * lie `stride` floats apart. The outputs may be a part's: diff_weights then points at the first of them. */
    void (*transform_product)(size_t inputs, size_t outputs, const float *product, size_t count, size_t stride,
                              size_t first, size_t last, float *diff_weights);
} rt_winograd_code;

/* Tiles of one image. */
size_t rt_winograd_tiles(const rt_winograd_code *code, const rt_winograd *shape);

/* The widest code that this CPU can run, of at most `lanes_limit` lanes; portable code at the least. */
const rt_winograd_code *rt_winograd_code_for(rt_winograd_form form, size_t lanes_limit);

#endif
