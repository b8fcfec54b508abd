/* The loops of batch norm over all samples. Memory is seen as rows of `lanes` floats, several pixels' channels side by
 * side where channels are few, so that loops are wide for any number of channels.
 *
 * Sums are taken in fixed chunks and blocks of chunks, and blocks are added in order: the bits do not depend on the
 * number of threads, nor on the vector instructions of the CPU. */
#ifndef RETORT_ENGINE_BATCH_NORM_SUMS_H
#define RETORT_ENGINE_BATCH_NORM_SUMS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rt_norm_rows {
    size_t count, channels; /* samples of each channel: batch x height x width */
    size_t lanes;           /* a multiple of channels */
    size_t chunks, blocks;
} rt_norm_rows;

/* [lanes] each: the channels over and over. */
typedef struct rt_norm_lanes {
    const float *mean, *scale, *shift; /* y = (x - mean) scale + shift */
    const float *common, *slope;       /* diff_src = scale (g - common - slope (x - mean)) */
} rt_norm_lanes;

rt_norm_rows rt_norm_rows_of(size_t count, size_t channels);

/* What the two functions that sum need as `scratch`. */
size_t rt_norm_scratch_bytes(const rt_norm_rows *rows);

/* Mean and biased variance of each channel of x [count, channels]. */
void rt_norm_moments(const rt_norm_rows *rows, const float *x, double *mean, double *variance, void *scratch);

/* sum g and sum g (x - mean) for each channel; where `rectified`, g counts only where y > 0. */
void rt_norm_products(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectified, const float *x,
                      const float *g, double *sum, double *dot, void *scratch);

/* The pieces of those functions, for a pass that does more with the same values. A chunk is small enough for the first
 * cache, and is one part or, at the end of a tensor, two. Blocks of chunks are what threads share out. */
typedef struct rt_norm_part {
    size_t start, steps, width; /* floats from the start of the tensor; rows; floats a row, at most `lanes` */
} rt_norm_part;

size_t rt_norm_parts(const rt_norm_rows *rows, size_t chunk, rt_norm_part parts[2]);
size_t rt_norm_first_chunk(const rt_norm_rows *rows, size_t block); /* block may be rows->blocks: the end */

/* As above, for one part; pointers are to the part's first float. */
void rt_norm_apply_part(const rt_norm_part *part, const rt_norm_lanes *lanes, bool rectify, const float *x, float *y);

/* A block's sums of products: begin, add parts, and when all blocks are complete, join them. */
void rt_norm_begin_products(const rt_norm_rows *rows, size_t block, void *scratch);
void rt_norm_add_products(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectified,
                          const rt_norm_part *part, const float *x, const float *g, size_t block, void *scratch);
void rt_norm_join_products(const rt_norm_rows *rows, double *sum, double *dot, const void *scratch);

void rt_norm_apply(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectify, const float *x, float *y);
void rt_norm_apply_backward(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectified, const float *x,
                            const float *g, float *diff_x);

#endif
