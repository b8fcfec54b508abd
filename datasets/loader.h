/* The loader: from a reader's bytes to normalised, augmented batches, made ahead of time by worker threads.
 *
 * Sample i of epoch e is a pure function of (seed, e, i): order from RT_STREAM_SHUFFLE, crop and flip from
 * RT_STREAM_AUGMENT, other augmentations from RT_STREAM_PICTURE; how a batch is mixed, of (seed, e, number of the
 * batch), from RT_STREAM_MIX. Nothing depends on the number of workers, and any
 * batch of any epoch can be asked for. Images that are not in memory are read and decoded by the workers, too. */
#ifndef RETORT_DATASETS_LOADER_H
#define RETORT_DATASETS_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datasets/augmentation.h"
#include "retort/dataset.h"

enum { RT_MAX_CHANNELS = 16 };

typedef struct rt_augment {
    size_t crop_pad; /* pad by this many black (pixel 0, before normalisation) pixels, crop back */
    bool flip;       /* mirror left-right with probability one half */
    const rt_augmentation_choice *choices; /* what else is done, before these two; borrowed */
    size_t choice_count;
} rt_augment;

/* value = (pixel / 255 - mean) / std, per channel, as torchvision's ToTensor and Normalize. */
typedef struct rt_normalization {
    size_t channels;
    float mean[RT_MAX_CHANNELS], std[RT_MAX_CHANNELS];
} rt_normalization;

/* Mean and standard deviation of the given samples' pixels, per channel, in 0..1. A constant channel gets std 1. */
void rt_normalization_measure(const rt_images *images, const uint32_t *samples, size_t count,
                              rt_normalization *normalization);

typedef struct rt_batch {
    size_t count;       /* images in this batch; the last of an epoch may be short */
    float *images;      /* [count, height, width, channels] */
    int64_t *labels;    /* [count] */
    int64_t *samples;   /* [count]: index into the reader's images */
    uint32_t *variants; /* [count]: which augmentation: (row * (2 * pad + 1) + column) * 2 + flipped; 0 without */

    /* Where the recipe mixes images (datasets/mixing.h), an image has two labels: `labels` are those with the larger
     * share in it. */
    int64_t *mixed_labels; /* [count]: of the other one; the same where nothing was mixed in */
    float *mixed_shares;   /* [count]: of the other one, 0 to 1/2 */
} rt_batch;

typedef struct rt_loader rt_loader;

typedef struct rt_loader_options {
    const rt_images *images;
    const uint32_t *samples; /* which images, in file order; borrowed for the loader's life */
    size_t sample_count;
    rt_augment augment;
    rt_normalization normalization;
    size_t batch;
    bool shuffle; /* a fresh permutation every epoch; otherwise the order of `samples` */
    uint64_t seed;
    size_t workers;  /* threads; 0 makes each batch when it is asked for */
    size_t prefetch; /* batches made ahead while one is in use; at least 1 */
} rt_loader_options;

/* Ready at batch 0 of epoch 0. The images, and the samples, must outlive the loader. One thread at a time may use it.
 */
rt_status rt_loader_open(const rt_loader_options *options, rt_loader **loader, rt_error *err);
void rt_loader_close(rt_loader *loader); /* accepts NULL; stops and joins the workers */

size_t rt_loader_batches(const rt_loader *loader); /* an epoch: ceil(samples / batch) */

/* Begins epoch `epoch` at batch `first` (0 for a whole epoch). May be called at any time; pending work is dropped. */
void rt_loader_seek(rt_loader *loader, uint32_t epoch, size_t first);

/* The next batch, or NULL at the end of the epoch, and at a batch with an image that cannot be read. It stays valid
 * until the next call on this loader. */
const rt_batch *rt_loader_next(rt_loader *loader);

/* Why rt_loader_next() returned NULL: RT_OK at the end of the epoch. */
rt_status rt_loader_failure(const rt_loader *loader, rt_error *err);

#endif
