#include "datasets/survey.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/pixel_sums.h"
#include "datasets/view.h"

enum { MOST_WORKERS = 256 };

/* What all workers share. */
typedef struct round {
    const rt_survey *survey;
    const uint32_t *samples;
    size_t count;
    char **words;       /* [count]: NULL for an image that was read */
    atomic_size_t next; /* the sample that is looked at next */
    atomic_bool failed;
} round_state;

typedef struct worker {
    round_state *round;
    pthread_t thread;
    rt_workspace workspace;
    rt_pixel_sums sums;
    size_t failed_at; /* the position of the error */
    rt_error err;
} worker;

static bool is_the_images_fault(rt_status status)
{
    return status == RT_ERROR_FORMAT || status == RT_ERROR_FILE;
}

/* Samples are taken in order, so that all before one that fails have been taken by somebody, who ends them: the first
 * error does not depend on the number of workers. */
static void *look(void *argument)
{
    worker *self = argument;
    round_state *round = self->round;
    const rt_images *images = round->survey->images;
    const size_t bytes = images->height * images->width * images->channels;
    while (!atomic_load(&round->failed)) {
        const size_t at = atomic_fetch_add(&round->next, 1);
        const uint8_t *pixels;
        if (at >= round->count)
            break;
        rt_status status = rt_view_bytes(images, round->samples[at], &self->workspace, &pixels, &self->err);
        if (status == RT_OK) {
            rt_pixel_sums_add(&self->sums, pixels, bytes);
            continue;
        }
        if (round->survey->skip && is_the_images_fault(status) && (round->words[at] = strdup(self->err.message)))
            continue;
        self->failed_at = at;
        atomic_store(&round->failed, true);
        return NULL;
    }
    self->err.status = RT_OK;
    return NULL;
}

/* Threads beside the caller's, which is the first worker. Fewer than wished do as well. */
static void look_together(worker *workers, size_t count)
{
    sigset_t blocked, before;
    size_t started = 1;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    while (started < count && pthread_create(&workers[started].thread, NULL, look, &workers[started]) == 0)
        ++started;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    look(&workers[0]);
    for (size_t i = 1; i < started; ++i)
        pthread_join(workers[i].thread, NULL);
}

static rt_status first_error(const worker *workers, size_t count, rt_error *err)
{
    const worker *first = NULL;
    for (size_t i = 0; i < count; ++i)
        if (workers[i].err.status != RT_OK && (!first || workers[i].failed_at < first->failed_at))
            first = &workers[i];
    return first ? rt_fail(err, first->err.status, "%s", first->err.message) : RT_OK;
}

static rt_status take_out(uint32_t *samples, size_t *count, char **words, rt_unreadable **unreadable,
                          size_t *unreadable_count, rt_error *err)
{
    size_t kept = 0, left_out = 0;
    for (size_t i = 0; i < *count; ++i)
        left_out += words[i] != NULL;
    *unreadable = left_out ? calloc(left_out, sizeof **unreadable) : NULL;
    if (left_out && !*unreadable)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of %zu images that cannot be read", left_out);
    left_out = 0;
    for (size_t i = 0; i < *count; ++i) {
        if (!words[i]) {
            samples[kept++] = samples[i];
            continue;
        }
        rt_unreadable *one = &(*unreadable)[left_out++];
        one->sample = samples[i];
        snprintf(one->words, sizeof one->words, "%.255s", words[i]);
    }
    *count = kept;
    *unreadable_count = left_out;
    return RT_OK;
}

rt_status rt_survey_run(const rt_survey *survey, uint32_t *samples, size_t *count, rt_unreadable **unreadable,
                        size_t *unreadable_count, rt_normalization *normalization, rt_error *err)
{
    const size_t worker_count = survey->workers < 1              ? 1
                                : survey->workers > MOST_WORKERS ? MOST_WORKERS
                                                                 : survey->workers;
    round_state round = {.survey = survey, .samples = samples, .count = *count};
    worker *workers = calloc(worker_count, sizeof *workers);
    round.words = calloc(*count + 1, sizeof *round.words);
    *unreadable = NULL;
    *unreadable_count = 0;
    rt_status status = RT_OK;
    if (!workers || !round.words) {
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory to look at %zu images", *count);
        goto done;
    }
    for (size_t i = 0; i < worker_count; ++i) {
        workers[i].round = &round;
        rt_pixel_sums_begin(&workers[i].sums, survey->images->channels);
    }
    look_together(workers, worker_count);
    status = first_error(workers, worker_count, err);
    if (status == RT_OK) {
        size_t looked_at = *count;
        status = take_out(samples, count, round.words, unreadable, unreadable_count, err);
        for (size_t i = 1; i < worker_count; ++i)
            rt_pixel_sums_join(&workers[0].sums, &workers[i].sums);
        if (normalization)
            rt_pixel_sums_end(&workers[0].sums,
                              (uint64_t)(looked_at - *unreadable_count) * survey->images->height *
                                  survey->images->width,
                              normalization);
    }
done:
    for (size_t i = 0; workers && i < worker_count; ++i)
        rt_workspace_free(&workers[i].workspace);
    for (size_t i = 0; round.words && i < round.count; ++i)
        free(round.words[i]);
    free(workers);
    free(round.words);
    return status;
}
