/* The data of a run: both splits, who trains and who is held out, and the normalisation. */
#ifndef RETORT_TRAIN_DATA_H
#define RETORT_TRAIN_DATA_H

#include "datasets/loader.h"
#include "datasets/survey.h"
#include "models/models.h"
#include "recipe/recipe.h"

typedef struct rt_run_data {
    const rt_reader *reader;
    rt_images train, test;
    uint32_t *train_samples, *validation_samples, *test_samples; /* indices into the images, in file order */
    size_t train_count, validation_count, test_count;
    rt_normalization normalization;
    rt_augment augment;           /* its choices are the recipe's, which outlives this */
    rt_unreadable *unreadable[2]; /* by split: images that were left out */
    size_t unreadable_count[2];
    size_t workers, prefetch;
    uint64_t seed;
} rt_run_data;

/* Opens what the recipe's data section names: `limit` takes the first N training images, `validation` holds out a share
 * of those (a permutation of RT_STREAM_SPLIT decides which), `size` has images resized, `corrupt: skip` leaves out
 * those that cannot be read, mean and std are measured on the rest unless given. Checks that both splits agree in shape
 * and classes. */
rt_status rt_run_data_open(const rt_recipe *recipe, rt_run_data *data, rt_error *err);
void rt_run_data_close(rt_run_data *data); /* accepts a zeroed struct */

rt_model_input rt_run_data_input(const rt_run_data *data);

/* Whether images are mixed in training, and have two labels. */
bool rt_run_data_mixes(const rt_run_data *data);

/* A loader over the training samples, shuffled and augmented; or over others, in order and as they are. */
rt_status rt_run_data_train_loader(const rt_run_data *data, size_t batch, rt_loader **loader, rt_error *err);
rt_status rt_run_data_plain_loader(const rt_run_data *data, const rt_images *images, const uint32_t *samples,
                                   size_t count, size_t batch, rt_loader **loader, rt_error *err);

#endif
