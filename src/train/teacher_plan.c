#include "train/teacher_plan.h"

#include <stdlib.h>

#include "train/metrics.h"

/* At most `most` of the samples, evenly spaced, allocated. */
static uint32_t *some_of(const uint32_t *samples, size_t count, size_t most, size_t *found)
{
    *found = count < most ? count : most;
    uint32_t *some = malloc((*found + 1) * sizeof *some);
    for (size_t i = 0; some && i < *found; ++i)
        some[i] = samples[i * count / *found];
    return some;
}

/* All images of the samples at once, as they are. */
static rt_status open_batch(const rt_images *images, const uint32_t *samples, size_t count,
                            const rt_normalization *normalization, rt_loader **loader, const rt_batch **batch,
                            rt_error *err)
{
    RT_TRY(rt_loader_open(&(rt_loader_options){.images = images,
                                               .samples = samples,
                                               .sample_count = count,
                                               .normalization = *normalization,
                                               .batch = count,
                                               .workers = 0,
                                               .prefetch = 1},
                          loader, err));
    rt_loader_seek(*loader, 0, 0);
    *batch = rt_loader_next(*loader);
    return rt_loader_failure(*loader, err);
}

rt_status rt_inference_calibrated(rt_engine *engine, const rt_network *network, rt_precision precision,
                                  const rt_images *images, const uint32_t *samples, size_t sample_count,
                                  const rt_normalization *normalization, size_t micro_batch, rt_inference **inference,
                                  rt_error *err)
{
    rt_calibration calibration = {0};
    rt_arithmetic arithmetic = {.precision = precision};
    rt_loader *loader = NULL;
    const rt_batch *batch = NULL;
    uint32_t *some = NULL;
    size_t count;
    rt_status status = RT_OK;
    if (precision == RT_PRECISION_INT8) {
        some = some_of(samples, sample_count, RT_CALIBRATION_IMAGES, &count);
        status = some ? open_batch(images, some, count, normalization, &loader, &batch, err)
                      : rt_fail(err, RT_ERROR_MEMORY, "no memory to calibrate a network");
        if (status == RT_OK)
            status = rt_calibrate(engine, network->graph, network->parameters, batch->images, count, &calibration, err);
        arithmetic.calibration = &calibration;
    }
    if (status == RT_OK)
        status =
            rt_inference_new_in(&arithmetic, engine, network->graph, network->parameters, micro_batch, inference, err);
    rt_calibration_free(&calibration);
    rt_loader_close(loader);
    free(some);
    return status;
}

rt_status rt_teacher_plan(rt_engine *engine, const rt_network *network, const rt_run_data *data, rt_precision precision,
                          rt_inference **inference, rt_error *err)
{
    return rt_inference_calibrated(engine, network, precision, &data->train, data->train_samples, data->train_count,
                                   &data->normalization, 0, inference, err);
}

static rt_status compare(rt_inference *exact, rt_inference *inference, const rt_batch *batch, size_t classes,
                         double *percent, rt_error *err)
{
    rt_metrics metrics = {0};
    float *logits = malloc(2 * batch->count * classes * sizeof *logits + 1), *others = logits + batch->count * classes;
    rt_status status = logits ? rt_inference_run(exact, batch->images, batch->count, logits, err)
                              : rt_fail(err, RT_ERROR_MEMORY, "no memory to compare %zu images", batch->count);
    if (status == RT_OK)
        status = rt_inference_run(inference, batch->images, batch->count, others, err);
    if (status == RT_OK) {
        rt_metrics_add_teacher(&metrics, others, logits, batch->count, classes);
        *percent = rt_metrics_agreement(&metrics);
    }
    free(logits);
    return status;
}

rt_status rt_teacher_agreement(rt_engine *engine, const rt_network *network, rt_inference *inference,
                               const rt_run_data *data, double *percent, size_t *images, rt_error *err)
{
    const bool held_out = data->validation_count > 0;
    rt_inference *exact = NULL;
    rt_loader *loader = NULL;
    const rt_batch *batch = NULL;
    uint32_t *some = some_of(held_out ? data->validation_samples : data->test_samples,
                             held_out ? data->validation_count : data->test_count, RT_AGREEMENT_IMAGES, images);
    rt_status status = some ? rt_inference_new(engine, network->graph, network->parameters, 0, &exact, err)
                            : rt_fail(err, RT_ERROR_MEMORY, "no memory to compare teachers");
    if (status == RT_OK)
        status = open_batch(held_out ? &data->train : &data->test, some, *images, &data->normalization, &loader, &batch,
                            err);
    if (status == RT_OK)
        status = compare(exact, inference, batch, network->input.classes, percent, err);
    rt_loader_close(loader);
    rt_inference_free(exact);
    free(some);
    return status;
}
