#include "cli/prediction.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/threads.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "engine/inference.h"
#include "formats/npy.h"
#include "report/progress.h"
#include "train/teacher_plan.h"

/* As many images as make batches of about 8 MB, whole micro-batches each. */
static size_t loader_batch(const rt_images *images, size_t micro_batch)
{
    size_t bytes = micro_batch * images->height * images->width * images->channels * sizeof(float);
    size_t micro_batches = ((size_t)8 << 20) / bytes;
    return micro_batch * (micro_batches ? micro_batches : 1);
}

static rt_status open_loader(const rt_inputs *inputs, size_t batch, const uint32_t *samples, rt_loader **loader,
                             rt_error *err)
{
    return rt_loader_open(&(rt_loader_options){.images = &inputs->images,
                                               .samples = samples,
                                               .sample_count = inputs->images.count,
                                               .normalization = inputs->normalization,
                                               .batch = batch,
                                               .workers = 1,
                                               .prefetch = 2},
                          loader, err);
}

static rt_status run(const rt_command *command, rt_inference *inference, rt_loader *loader, rt_prediction *prediction,
                     rt_error *err)
{
    rt_progress progress;
    rt_status status = RT_OK;
    size_t done = 0;
    rt_progress_open(&progress, command->name, "images", prediction->images.count);
    double start = rt_seconds();
    for (const rt_batch *batch; status == RT_OK && (batch = rt_loader_next(loader));) {
        float *logits = prediction->logits + done * prediction->classes;
        status = rt_inference_run(inference, batch->images, batch->count, logits, err);
        done += batch->count;
        rt_progress_update(&progress, &(rt_progress_point){.done = done, .wait_seconds = -1.0});
    }
    prediction->seconds = rt_seconds() - start;
    rt_progress_finish(&progress, NULL);
    return status == RT_OK ? rt_loader_failure(loader, err) : status;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Single images of the first batch, in turns; the nearest ranks of half and of 99 in a hundred. */
static rt_status measure_latency(rt_inference *inference, rt_loader *loader, rt_prediction *prediction, rt_error *err)
{
    enum { WARM_UP = 10, TIMED = 200 };
    double seconds[TIMED];
    size_t image = rt_extent_floats(rt_inference_graph(inference)->nodes[0].shape), done = 0;
    float *logits = malloc(prediction->classes * sizeof *logits);
    rt_status status = logits ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for logits");
    rt_loader_seek(loader, 0, 0);
    const rt_batch *batch = status == RT_OK ? rt_loader_next(loader) : NULL;
    for (size_t i = 0; batch && status == RT_OK && i < WARM_UP + TIMED; ++i) {
        double start = rt_seconds();
        status = rt_inference_run(inference, batch->images + i % batch->count * image, 1, logits, err);
        if (i >= WARM_UP)
            seconds[done++] = rt_seconds() - start;
    }
    free(logits);
    if (status == RT_OK && !batch)
        return rt_loader_failure(loader, err);
    RT_TRY(status);
    qsort(seconds, done, sizeof *seconds, ascending);
    prediction->latency_p50 = seconds[(done + 1) / 2 - 1];
    prediction->latency_p99 = seconds[(done * 99 + 99) / 100 - 1];
    return RT_OK;
}

/* The same network once more, for one image at a time. */
static rt_status time_single_images(rt_engine *engine, const rt_request *request, rt_inputs *inputs,
                                    const uint32_t *samples, rt_loader *loader, rt_prediction *prediction,
                                    rt_error *err)
{
    rt_inference *single;
    RT_TRY(rt_inference_calibrated(engine, inputs->network, request->precision, &inputs->images, samples,
                                   prediction->images.count, &inputs->normalization, 1, &single, err));
    rt_status status = measure_latency(single, loader, prediction, err);
    rt_inference_free(single);
    return status;
}

static rt_status predict(const rt_command *command, const rt_request *request, rt_inputs *inputs,
                         rt_prediction *prediction, rt_error *err)
{
    rt_engine *engine = NULL;
    rt_inference *inference = NULL;
    rt_loader *loader = NULL;
    size_t count = prediction->images.count, micro_batch = (size_t)request->batch;
    rt_status status = rt_engine_new(&engine, err);
    uint32_t *samples = malloc(count * sizeof *samples);
    if (status == RT_OK && (!prediction->logits || !samples))
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory for the logits of %zu images and %zu classes", count,
                         prediction->classes);
    if (status != RT_OK)
        goto done;
    for (size_t i = 0; i < count; ++i)
        samples[i] = (uint32_t)i;
    if (micro_batch == 0)
        micro_batch = rt_inference_micro_batch(inputs->network->graph);
    micro_batch = micro_batch < count ? micro_batch : count;
    status = rt_inference_calibrated(engine, inputs->network, request->precision, &inputs->images, samples, count,
                                     &inputs->normalization, micro_batch, &inference, err);
    if (status == RT_OK)
        status = open_loader(inputs, loader_batch(&inputs->images, micro_batch), samples, &loader, err);
    if (status == RT_OK)
        status = run(command, inference, loader, prediction, err);
    if (status == RT_OK && request->latency)
        status = time_single_images(engine, request, inputs, samples, loader, prediction, err);
done:
    rt_loader_close(loader);
    rt_inference_free(inference);
    rt_engine_free(engine);
    free(samples);
    return status;
}

rt_status rt_prediction_make(const rt_command *command, const rt_request *request, bool labelled,
                             rt_prediction *prediction, rt_error *err)
{
    *prediction = (rt_prediction){0};
    if (request->logits)
        RT_TRY(rt_output_check(request->logits, request->force, err));
    rt_threads_start((int)request->threads);
    rt_inputs inputs;
    RT_TRY(rt_inputs_open(request, labelled, &inputs, err));
    prediction->reader = inputs.reader;
    prediction->images = inputs.images;
    prediction->classes = inputs.network->input.classes;
    size_t floats;
    if (!__builtin_mul_overflow(inputs.images.count, prediction->classes, &floats))
        prediction->logits = calloc(floats, sizeof *prediction->logits);
    rt_status status = predict(command, request, &inputs, prediction, err);
    inputs.images = (rt_images){0}; /* the prediction's now */
    rt_inputs_close(&inputs);
    if (status != RT_OK)
        rt_prediction_free(prediction);
    return status;
}

void rt_prediction_free(rt_prediction *prediction)
{
    if (prediction->reader)
        prediction->reader->close(&prediction->images);
    free(prediction->logits);
    *prediction = (rt_prediction){0};
}

rt_status rt_prediction_write(const rt_prediction *prediction, const rt_request *request, rt_error *err)
{
    const rt_shape shape = {2, {prediction->images.count, prediction->classes}};
    return rt_npy_write(request->logits, RT_DTYPE_F32, &shape, prediction->logits, err);
}
