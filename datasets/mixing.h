/* Mixes the images of a batch, each with the one before it in the batch and the first with the last, so that each has
 * two labels: torchvision's MixUp and CutMix, which roll a batch by one. Since each epoch is another permutation, that
 * is a random partner. (timm pairs the first with the last, the second with the last but one, and so on.)
 *
 * One blend is drawn for a batch. Where a recipe names several augmentations that mix, one of them is drawn, all as
 * likely; then it happens with its own probability. With two of the same probability that is timm's Mixup with its
 * switch_prob of one half. */
#ifndef RETORT_DATASETS_MIXING_H
#define RETORT_DATASETS_MIXING_H

#include "datasets/loader.h"

/* How batch `number` of an epoch is mixed; all zero, which is not at all, where nothing in `augment` mixes. */
rt_blend rt_mixing_draw(const rt_augment *augment, uint64_t seed, uint32_t epoch, size_t number, size_t height,
                        size_t width);

/* Mixes images [batch->count, height, width, channels] and writes mixed_labels and mixed_shares; labels become those
 * with the larger share. `spare` is an image's memory; NULL will do where blend->share is 0. */
void rt_mix(const rt_blend *blend, size_t height, size_t width, size_t channels, float *spare, rt_batch *batch);

#endif
