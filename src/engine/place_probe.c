#include "engine/place_probe.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "retort/random.h"

/* Images of the probe and their logits in the order that counts, and the same in the order under trial. */
struct trial {
    rt_inference *inference;
    size_t count, floats, classes;
    float *images, *moved_images, *logits, *moved_logits;
    uint32_t *places; /* image i stands at places[i] */
};

static rt_status allocate(struct trial *trial, rt_error *err)
{
    size_t count = trial->count;
    trial->images = malloc(count * trial->floats * sizeof(float));
    trial->moved_images = malloc(count * trial->floats * sizeof(float));
    trial->logits = malloc(count * trial->classes * sizeof(float));
    trial->moved_logits = malloc(count * trial->classes * sizeof(float));
    trial->places = malloc(count * sizeof *trial->places);
    double *noise = malloc(trial->floats * sizeof *noise);
    bool good = trial->images && trial->moved_images && trial->logits && trial->moved_logits && trial->places && noise;
    for (size_t i = 0; good && i < count; ++i) {
        rt_random_normal(&(rt_key){.stream = RT_STREAM_SYNTHETIC, .epoch = UINT32_MAX, .index = i}, noise,
                         trial->floats);
        for (size_t f = 0; f < trial->floats; ++f)
            trial->images[i * trial->floats + f] = (float)noise[f];
    }
    free(noise);
    return good ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to probe a network with %zu images", count);
}

static void release(struct trial *trial)
{
    free(trial->images);
    free(trial->moved_images);
    free(trial->logits);
    free(trial->moved_logits);
    free(trial->places);
}

/* Whether the images have the same logits at their new places. */
static rt_status compare_moved(struct trial *trial, bool *same, rt_error *err)
{
    for (size_t i = 0; i < trial->count; ++i)
        memcpy(trial->moved_images + trial->places[i] * trial->floats, trial->images + i * trial->floats,
               trial->floats * sizeof(float));
    RT_TRY(rt_inference_run(trial->inference, trial->moved_images, trial->count, trial->moved_logits, err));
    for (size_t i = 0; i < trial->count; ++i)
        *same = *same && memcmp(trial->moved_logits + trial->places[i] * trial->classes,
                                trial->logits + i * trial->classes, trial->classes * sizeof(float)) == 0;
    return RT_OK;
}

static rt_status compare_all(struct trial *trial, rt_places places, bool *same, rt_error *err)
{
    size_t count = trial->count, step = places == RT_PLACES_ALL || count < 4 ? 1 : count / 2;
    for (size_t shift = 1; shift < count; shift += step) {
        for (size_t i = 0; i < count; ++i)
            trial->places[i] = (uint32_t)((i + shift) % count);
        RT_TRY(compare_moved(trial, same, err));
    }
    for (size_t i = 0; i < count; ++i)
        trial->places[i] = (uint32_t)(count - 1 - i);
    RT_TRY(compare_moved(trial, same, err));

    /* Every second image, close together, with nothing behind them. */
    size_t some = count / 2;
    for (size_t i = 0; i < some; ++i)
        trial->places[i] = (uint32_t)(2 * i + 1);
    memcpy(trial->moved_logits, trial->logits, count * trial->classes * sizeof(float));
    RT_TRY(rt_inference_run_some(trial->inference, trial->images, trial->places, some, trial->moved_logits, err));
    *same = *same && memcmp(trial->moved_logits, trial->logits, count * trial->classes * sizeof(float)) == 0;
    return RT_OK;
}

rt_status rt_place_probe_run(rt_inference *inference, rt_places places, rt_place_probe *probe, rt_error *err)
{
    const rt_graph *graph = rt_inference_graph(inference);
    struct trial trial = {.inference = inference,
                          .count = rt_inference_images(inference),
                          .floats = rt_extent_floats(graph->nodes[0].shape),
                          .classes = graph->nodes[graph->output].shape.channels};
    *probe = (rt_place_probe){.independent = true}; /* until a trial shows that it is not */
    rt_status status = allocate(&trial, err);
    if (status == RT_OK)
        status = rt_inference_run(inference, trial.images, trial.count, trial.logits, err);
    if (status == RT_OK) {
        probe->fingerprint = XXH3_64bits(trial.logits, trial.count * trial.classes * sizeof(float));
        if (places != RT_PLACES_NONE)
            status = compare_all(&trial, places, &probe->independent, err);
    }
    release(&trial);
    return status;
}
