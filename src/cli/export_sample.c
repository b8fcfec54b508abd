#include "cli/export_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/metrics.h"
#include "train/pretrained.h"

static const double tolerance = 1e-3;

/* All images of the sample in one batch, by the loader, so that they are those of training and evaluation. */
static rt_status load(const rt_images *images, const uint32_t *samples, size_t count,
                      const rt_normalization *normalization, float *to, rt_error *err)
{
    rt_loader *loader;
    RT_TRY(rt_loader_open(&(rt_loader_options){.images = images,
                                               .samples = samples,
                                               .sample_count = count,
                                               .normalization = *normalization,
                                               .batch = count,
                                               .prefetch = 1},
                          &loader, err));
    const rt_batch *batch = rt_loader_next(loader);
    if (batch)
        memcpy(to, batch->images, count * images->height * images->width * images->channels * sizeof(float));
    rt_status status = batch ? RT_OK : rt_loader_failure(loader, err);
    rt_loader_close(loader);
    return status;
}

/* [height, width, channels] becomes [channels, height, width]. */
static void part_channels(const float *from, const rt_images *images, size_t count, float *to)
{
    size_t pixels = images->height * images->width, channels = images->channels;
    for (size_t n = 0; n < count; ++n)
        for (size_t i = 0; i < pixels; ++i)
            for (size_t c = 0; c < channels; ++c)
                to[(n * channels + c) * pixels + i] = from[(n * pixels + i) * channels + c];
}

static rt_status run(const rt_export_sample *sample, const rt_network *network, float *logits, rt_error *err)
{
    rt_inference *inference;
    RT_TRY(rt_inference_new(sample->engine, network->graph, network->parameters, 0, &inference, err));
    rt_status status = rt_inference_run(inference, sample->images, sample->count, logits, err);
    rt_inference_free(inference);
    return status;
}

static rt_status fill(const rt_inputs *inputs, const uint32_t *samples, rt_export_sample *sample, rt_error *err)
{
    const rt_images *images = &inputs->images;
    for (size_t i = 0; i < sample->count; ++i)
        sample->labels[i] = images->labels[samples[i]];
    rt_normalization none = {.channels = images->channels};
    for (size_t c = 0; c < images->channels; ++c)
        none.std[c] = 1.0f;
    RT_TRY(load(images, samples, sample->count, &none, sample->images, err));
    part_channels(sample->images, images, sample->count, sample->pixels);
    RT_TRY(load(images, samples, sample->count, &inputs->normalization, sample->images, err));
    part_channels(sample->images, images, sample->count, sample->planes);
    RT_TRY(rt_engine_new(&sample->engine, err));
    return run(sample, inputs->network, sample->logits, err);
}

rt_status rt_export_sample_make(const rt_inputs *inputs, size_t wanted, rt_export_sample *sample, rt_error *err)
{
    const rt_images *images = &inputs->images;
    size_t count = wanted < images->count ? wanted : images->count;
    size_t floats = count * images->height * images->width * images->channels;
    *sample = (rt_export_sample){.count = count, .classes = inputs->network->input.classes};
    uint32_t *samples = calloc(count + 1, sizeof *samples);
    sample->images = calloc(floats + 1, sizeof(float));
    sample->planes = calloc(floats + 1, sizeof(float));
    sample->pixels = calloc(floats + 1, sizeof(float));
    sample->labels = calloc(count + 1, sizeof *sample->labels);
    sample->logits = calloc(count * sample->classes + 1, sizeof(float));
    for (size_t i = 0; samples && i < count; ++i)
        samples[i] = (uint32_t)(i * images->count / count);
    rt_status status = samples && sample->images && sample->planes && sample->pixels && sample->logits && sample->labels
                           ? fill(inputs, samples, sample, err)
                           : rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu images", count);
    free(samples);
    if (status != RT_OK)
        rt_export_sample_free(sample);
    return status;
}

void rt_export_sample_free(rt_export_sample *sample)
{
    rt_engine_free(sample->engine);
    free(sample->images);
    free(sample->planes);
    free(sample->pixels);
    free(sample->logits);
    free(sample->labels);
    *sample = (rt_export_sample){0};
}

/* Fails where a number is not finite. */
static rt_status measure(const rt_export_sample *sample, const char *path, const float *logits,
                         rt_export_difference *difference, rt_error *err)
{
    bool finite = true;
    *difference = (rt_export_difference){0};
    for (size_t n = 0; n < sample->count; ++n) {
        const float *own = sample->logits + n * sample->classes, *theirs = logits + n * sample->classes;
        for (size_t k = 0; k < sample->classes; ++k) {
            finite = finite && isfinite(own[k]) && isfinite(theirs[k]);
            difference->largest = fmax(difference->largest, fabs((double)own[k] - (double)theirs[k]));
            difference->scale = fmax(difference->scale, fabs((double)own[k]));
        }
        size_t student = rt_predicted_class(own, sample->classes), other = rt_predicted_class(theirs, sample->classes);
        difference->same_top1 += student == other;
        difference->student_right += (int64_t)student == sample->labels[n];
        difference->right += (int64_t)other == sample->labels[n];
    }
    if (!finite)
        return rt_fail(err, RT_ERROR_NUMERIC, "'%s' gives logits that are not finite, or the student does", path);
    return RT_OK;
}

rt_status rt_export_compare(const rt_export_sample *sample, const char *path, const float *logits,
                            rt_export_difference *difference, rt_error *err)
{
    RT_TRY(measure(sample, path, logits, difference, err));
    if (difference->largest > tolerance * difference->scale)
        return rt_fail(err, RT_ERROR_NUMERIC,
                       "'%s' does not compute what the student does: logits differ by up to %.3g, and the largest is "
                       "%.3g",
                       path, difference->largest, difference->scale);
    return RT_OK;
}

rt_status rt_export_compare_network(const rt_export_sample *sample, const rt_network *network, const char *path,
                                    rt_export_difference *difference, rt_error *err)
{
    float *logits = calloc(sample->count * sample->classes + 1, sizeof *logits);
    rt_status status =
        logits ? run(sample, network, logits, err) : rt_fail(err, RT_ERROR_MEMORY, "no memory for logits");
    if (status == RT_OK)
        status = rt_export_compare(sample, path, logits, difference, err);
    free(logits);
    return status;
}

rt_status rt_export_compare_weights(const rt_export_sample *sample, const rt_network *student, const char *path,
                                    rt_export_difference *difference, rt_error *err)
{
    rt_pretrained file;
    rt_network *network = NULL;
    const rt_model_input *input = &student->input;
    const rt_pretrained_wish wish = {.input = {input->height, input->width, input->channels},
                                     .classes = input->classes};
    RT_TRY(rt_pretrained_open(path, NULL, &file, err));
    rt_status status = rt_pretrained_network(&file, &wish, &network, err);
    if (status == RT_OK)
        status = rt_export_compare_network(sample, network, path, difference, err);
    rt_network_free(network);
    rt_pretrained_close(&file);
    return status;
}

rt_status rt_export_compare_lowered(const rt_export_sample *sample, const rt_lowered *lowered, bool pixels,
                                    const char *path, rt_export_difference *difference, rt_error *err)
{
    float *logits = calloc(sample->count * sample->classes + 1, sizeof *logits);
    rt_status status = logits ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for logits");
    if (status == RT_OK)
        status = rt_lowered_run(lowered, pixels ? sample->pixels : sample->planes, sample->count, logits, err);
    if (status == RT_OK)
        status = rt_export_compare(sample, path, logits, difference, err);
    free(logits);
    return status;
}

rt_status rt_export_compare_quantized(const rt_export_sample *sample, const rt_lowered *written, const rt_lowered *read,
                                      bool pixels, const char *path, rt_export_difference *difference, rt_error *err)
{
    enum { SAME_BITS = 32 }; /* images: loops for every machine take their time */
    const size_t repeated = sample->count < SAME_BITS ? sample->count : SAME_BITS;
    const size_t count = sample->count * sample->classes;
    const float *images = pixels ? sample->pixels : sample->planes;
    float *expected = calloc(count + 1, sizeof *expected), *found = calloc(count + 1, sizeof *found);
    rt_status status = expected && found ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for logits");
    if (status == RT_OK)
        status = rt_lowered_run(written, images, repeated, expected, err);
    if (status == RT_OK)
        status = rt_lowered_run(read, images, sample->count, found, err);
    if (status == RT_OK)
        status = measure(sample, path, found, difference, err);
    if (status == RT_OK && memcmp(expected, found, repeated * sample->classes * sizeof *found) != 0)
        status = rt_fail(err, RT_ERROR_NUMERIC, "'%s' does not compute what was written into it", path);
    free(expected);
    free(found);
    return status;
}
