/* Counter-based randomness: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * There is no generator state. A draw is a pure function of (seed, stream, epoch, index, draw), so that augmentation of
 * sample i in epoch e is the same whatever thread computes it, and a resumed run needs nothing saved. */
#ifndef RETORT_RANDOM_H
#define RETORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "retort/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the numbers are for. Streams never share draws while epochs are below 2^24. */
typedef enum rt_stream {
    RT_STREAM_INIT = 1,  /* parameter initialisation; index = parameter number */
    RT_STREAM_SHUFFLE,   /* permutation of an epoch */
    RT_STREAM_AUGMENT,   /* index = sample; draws 0 to 2 are row, column and flip */
    RT_STREAM_DROPOUT,   /* epoch = layer, index = step, draw = element */
    RT_STREAM_SPLIT,     /* train/validation split */
    RT_STREAM_SYNTHETIC, /* made-up data; epoch = what is made, index = sample or class */
    RT_STREAM_LOSS,      /* draws of a loss: index = step, epoch = what for, at the loss's will below 2^16 */
    RT_STREAM_LOSS_INIT, /* a loss's own arrays: epoch = the term, index = the array's number */
    RT_STREAM_PICTURE,   /* what augmentations beside crop and flip draw: index = sample */
    RT_STREAM_MIX        /* how a batch's images are mixed: index = batch of the epoch */
} rt_stream;

/* Names one sequence. Fields that a stream has no use for are 0. */
typedef struct rt_key {
    uint64_t seed;
    uint32_t stream; /* an rt_stream */
    uint32_t epoch;  /* from 0 */
    uint64_t index;
} rt_key;

/* Four independent uniform 32-bit words: block number `block` of the sequence that belongs to `key`. */
RT_API void rt_random_block(const rt_key *key, uint32_t block, uint32_t words[4]);

/* A 32-bit word: element `draw` of the sequence, word draw % 4 of block draw / 4. draw < 2^34. */
RT_API uint32_t rt_random_word(const rt_key *key, uint64_t draw);

/* The next two functions use up block `draw` whole: draw d shares its bits with words 4 d to 4 d + 3. Under one key,
 * keep to one function or to different blocks.
 *
 * Uniform in [0, bound), bound > 0, from 64 random bits: no value's chance is off by more than 2^-32 of itself. */
RT_API uint32_t rt_random_below(const rt_key *key, uint32_t draw, uint32_t bound);

/* Uniform in [0, 1), 53 bits. */
RT_API double rt_random_uniform(const rt_key *key, uint32_t draw);

/* Standard normal variates 0..count-1 of the sequence (Box-Muller), two from each block. */
RT_API void rt_random_normal(const rt_key *key, double *values, size_t count);

/* Variates first..first+count-1 of the same sequence, `first` even, by the calling thread alone. */
RT_API void rt_random_normal_from(const rt_key *key, size_t first, double *values, size_t count);

/* A variate of Beta(a, b), a and b above 0 and finite: in [0, 1], with density proportional to x^(a-1) (1-x)^(b-1).
 *
 * It is X / (X + Y) of X from Gamma(a) and Y from Gamma(b), by the rejection of Marsaglia and Tsang (2000, "A simple
 * method for generating gamma variables"), which is exact; X and Y are kept as logarithms, so that none of them
 * vanishes where a or b is small. What it computes with is rt_log(), rt_exp() and square roots: bits are the same on
 * any machine.
 *
 * Takes as many blocks as it needs, from *draw on, and leaves *draw behind them: some 3 for each of the two on average.
 */
RT_API double rt_random_beta(const rt_key *key, uint32_t *draw, double a, double b);

/* A permutation of 0..count-1 (Fisher-Yates, from the end). count < 2^32. */
RT_API void rt_random_permutation(const rt_key *key, uint32_t *order, size_t count);

#ifdef __cplusplus
}
#endif
#endif
