#include "train/data.h"

#include <stdlib.h>
#include <string.h>

#include "datasets/view.h"
#include "retort/random.h"

/* About as much as a batch of images takes that nothing but memory asks for a size of. */
enum { MOST_PLAIN_BYTES = 32 << 20 };

static rt_status number_samples(size_t count, uint32_t **samples, rt_error *err)
{
    *samples = malloc((count + 1) * sizeof **samples);
    if (!*samples)
        return rt_fail(err, RT_ERROR_MEMORY, "data: no memory for %zu sample numbers", count);
    for (size_t i = 0; i < count; ++i)
        (*samples)[i] = (uint32_t)i;
    return RT_OK;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Moves a random share of the training samples to the validation set; both stay in file order. */
static rt_status hold_out(rt_run_data *data, double share, rt_error *err)
{
    size_t held = (size_t)(share * (double)data->train_count + 0.5);
    if (held == 0)
        return RT_OK;
    if (held >= data->train_count)
        return rt_fail(err, RT_ERROR_USAGE, "data: validation %g of %zu samples leaves none to train on", share,
                       data->train_count);
    uint32_t *order = malloc(data->train_count * sizeof *order);
    data->validation_samples = malloc(held * sizeof *data->validation_samples);
    if (!order || !data->validation_samples) {
        free(order);
        return rt_fail(err, RT_ERROR_MEMORY, "data: no memory for the validation split");
    }
    rt_random_permutation(&(rt_key){.seed = data->seed, .stream = RT_STREAM_SPLIT}, order, data->train_count);
    memcpy(data->validation_samples, order, held * sizeof *order);
    memcpy(data->train_samples, order + held, (data->train_count - held) * sizeof *order);
    free(order);
    data->validation_count = held;
    data->train_count -= held;
    qsort(data->validation_samples, held, sizeof(uint32_t), ascending);
    qsort(data->train_samples, data->train_count, sizeof(uint32_t), ascending);
    return RT_OK;
}

static rt_status check_splits(const rt_run_data *data, rt_error *err)
{
    const rt_images *a = &data->train, *b = &data->test;
    if (a->count == 0 || b->count == 0)
        return rt_fail(err, RT_ERROR_FORMAT, "data: the %s split is empty", a->count == 0 ? "training" : "test");
    if (a->height != b->height || a->width != b->width || a->channels != b->channels || a->classes != b->classes)
        return rt_fail(err, RT_ERROR_SHAPE,
                       "data: training images are %zu x %zu x %zu of %zu classes, test images %zu x %zu x %zu of %zu; "
                       "they must agree",
                       a->height, a->width, a->channels, a->classes, b->height, b->width, b->channels, b->classes);
    return RT_OK;
}

/* Takes what cannot be read out of a split. */
static rt_status leave_out(rt_run_data *data, rt_split split, rt_error *err)
{
    const bool training = split == RT_SPLIT_TRAIN;
    const rt_survey survey = {training ? &data->train : &data->test, data->workers, true};
    size_t *count = training ? &data->train_count : &data->test_count;
    RT_TRY(rt_survey_run(&survey, training ? data->train_samples : data->test_samples, count, &data->unreadable[split],
                         &data->unreadable_count[split], NULL, err));
    if (*count == 0)
        return rt_fail(err, RT_ERROR_FORMAT, "data: no image of the %s split can be read; the first: %s",
                       training ? "training" : "test", data->unreadable[split][0].words);
    return RT_OK;
}

static rt_status measure(rt_run_data *data, rt_error *err)
{
    const rt_augment none = {0};
    if (rt_view_is_plain(&data->train, &none)) {
        rt_normalization_measure(&data->train, data->train_samples, data->train_count, &data->normalization);
        return RT_OK;
    }
    rt_unreadable *unreadable;
    size_t unreadable_count;
    const rt_survey survey = {&data->train, data->workers, false};
    return rt_survey_run(&survey, data->train_samples, &data->train_count, &unreadable, &unreadable_count,
                         &data->normalization, err);
}

static rt_status normalise(const rt_data_recipe *recipe, rt_run_data *data, rt_error *err)
{
    if (recipe->mean.count == 0)
        return measure(data, err);
    if (recipe->mean.count != data->train.channels)
        return rt_fail(err, RT_ERROR_USAGE, "data: mean and std have %zu values; the images have %zu channels",
                       recipe->mean.count, data->train.channels);
    data->normalization.channels = recipe->mean.count;
    for (size_t c = 0; c < recipe->mean.count; ++c) {
        data->normalization.mean[c] = (float)recipe->mean.values[c];
        data->normalization.std[c] = (float)recipe->std.values[c];
    }
    return RT_OK;
}

static rt_status open_all(const rt_data_recipe *recipe, rt_run_data *data, rt_error *err)
{
    RT_TRY(data->reader->open(recipe->settings, recipe->root, data->seed, RT_SPLIT_TRAIN, &data->train, err));
    RT_TRY(data->reader->open(recipe->settings, recipe->root, data->seed, RT_SPLIT_TEST, &data->test, err));
    RT_TRY(rt_images_fit(&data->train, (size_t)recipe->size, (size_t)recipe->resize, err));
    RT_TRY(rt_images_fit(&data->test, (size_t)recipe->size, (size_t)recipe->resize, err));
    RT_TRY(check_splits(data, err));
    data->train_count = data->train.count;
    if (recipe->limit > 0 && (size_t)recipe->limit < data->train_count)
        data->train_count = (size_t)recipe->limit;
    data->test_count = data->test.count;
    RT_TRY(number_samples(data->train_count, &data->train_samples, err));
    RT_TRY(number_samples(data->test_count, &data->test_samples, err));
    if (recipe->corrupt == RT_CORRUPT_SKIP && !data->train.pixels) {
        RT_TRY(leave_out(data, RT_SPLIT_TRAIN, err));
        RT_TRY(leave_out(data, RT_SPLIT_TEST, err));
    }
    RT_TRY(hold_out(data, recipe->validation, err));
    return normalise(recipe, data, err);
}

rt_status rt_run_data_open(const rt_recipe *recipe, rt_run_data *data, rt_error *err)
{
    *data = (rt_run_data){
        .reader = recipe->data.reader,
        .augment = {.crop_pad = (size_t)recipe->data.augment.crop_pad,
                    .flip = recipe->data.augment.flip,
                    .choices = recipe->data.augment.choices,
                    .choice_count = recipe->data.augment.choice_count},
        .workers = (size_t)recipe->data.workers,
        .prefetch = (size_t)recipe->data.prefetch,
        .seed = (uint64_t)recipe->seed,
    };
    rt_status status = open_all(&recipe->data, data, err);
    if (status != RT_OK)
        rt_run_data_close(data);
    return status;
}

void rt_run_data_close(rt_run_data *data)
{
    if (data->reader) {
        data->reader->close(&data->train);
        data->reader->close(&data->test);
    }
    free(data->train_samples);
    free(data->validation_samples);
    free(data->test_samples);
    free(data->unreadable[RT_SPLIT_TRAIN]);
    free(data->unreadable[RT_SPLIT_TEST]);
    *data = (rt_run_data){0};
}

rt_model_input rt_run_data_input(const rt_run_data *data)
{
    return (rt_model_input){data->train.height, data->train.width, data->train.channels, data->train.classes};
}

bool rt_run_data_mixes(const rt_run_data *data)
{
    return rt_mixing_choice(data->augment.choices, data->augment.choice_count) != NULL;
}

rt_status rt_run_data_train_loader(const rt_run_data *data, size_t batch, rt_loader **loader, rt_error *err)
{
    return rt_loader_open(&(rt_loader_options){.images = &data->train,
                                               .samples = data->train_samples,
                                               .sample_count = data->train_count,
                                               .augment = data->augment,
                                               .normalization = data->normalization,
                                               .batch = batch,
                                               .shuffle = true,
                                               .seed = data->seed,
                                               .workers = data->workers,
                                               .prefetch = data->prefetch},
                          loader, err);
}

rt_status rt_run_data_plain_loader(const rt_run_data *data, const rt_images *images, const uint32_t *samples,
                                   size_t count, size_t batch, rt_loader **loader, rt_error *err)
{
    const size_t image = images->height * images->width * images->channels * sizeof(float);
    if (batch > MOST_PLAIN_BYTES / image)
        batch = MOST_PLAIN_BYTES / image + 1;
    return rt_loader_open(&(rt_loader_options){.images = images,
                                               .samples = samples,
                                               .sample_count = count,
                                               .normalization = data->normalization,
                                               .batch = batch,
                                               .seed = data->seed,
                                               .workers = data->workers,
                                               .prefetch = data->prefetch},
                          loader, err);
}
