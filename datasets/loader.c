#include "datasets/loader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/mixing.h"
#include "datasets/view.h"
#include "retort/random.h"

enum { ALIGNMENT = 64, WORKER_LIMIT = 256, PREFETCH_LIMIT = 1024 };

/* A place of the ring: batch b of the epoch is made in slot b modulo the number of slots. */
typedef struct slot {
    rt_batch batch;
    void *memory;
    bool ready;
    rt_error err; /* why the batch could not be made */
} slot;

/* A worker, and its own memory. */
typedef struct worker {
    struct rt_loader *loader;
    rt_workspace workspace;
    float *spare; /* of an image, where images are mixed */
    pthread_t thread;
} worker;

struct rt_loader {
    rt_loader_options options;
    rt_rendering rendering;
    size_t batches, image_size;
    slot *slots;
    size_t slot_count;
    worker *workers; /* [thread_count]; the first's memory is the caller's where there is no thread */
    size_t thread_count;
    bool has_lock;
    const rt_error *failure; /* of the batch that could not be handed out; NULL for none */

    pthread_mutex_t lock; /* guards everything below, and each slot's `ready` */
    pthread_cond_t work;  /* workers wait for something to make */
    pthread_cond_t made;  /* the caller waits for a batch, or for the workers to pause */
    bool stopping;
    uint32_t epoch;
    uint32_t *order; /* of the epoch: positions in `samples`; NULL without shuffling. Changes only while busy is 0 */
    size_t held;     /* batches before this one have been given back by the caller */
    size_t handed;   /* the next batch to hand out: held, or held + 1 while the caller has one */
    size_t claimed;  /* the next batch that a worker takes on */
    size_t busy;     /* workers at a batch now */
};

static size_t round_up(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static rt_status slot_allocate(slot *s, size_t count, size_t image_size, rt_error *err)
{
    rt_batch *batch = &s->batch;
    size_t images, total;
    if (__builtin_mul_overflow(count, image_size * sizeof *batch->images, &images) || images > SIZE_MAX / 2 ||
        __builtin_add_overflow(round_up(images), 5 * round_up(count * sizeof *batch->labels), &total))
        return rt_fail(err, RT_ERROR_MEMORY,
                       "loader: a batch of %zu images of %zu values is more than memory can address", count,
                       image_size);
    char *memory = aligned_alloc(ALIGNMENT, total);
    if (!memory)
        return rt_fail(err, RT_ERROR_MEMORY, "loader: no memory for a batch of %zu images (%zu bytes)", count, total);
    s->memory = memory;
    batch->images = (float *)(void *)memory;
    memory += round_up(images);
    batch->labels = (int64_t *)(void *)memory;
    memory += round_up(count * sizeof *batch->labels);
    batch->samples = (int64_t *)(void *)memory;
    memory += round_up(count * sizeof *batch->samples);
    batch->mixed_labels = (int64_t *)(void *)memory;
    memory += round_up(count * sizeof *batch->mixed_labels);
    batch->mixed_shares = (float *)(void *)memory;
    memory += round_up(count * sizeof *batch->labels);
    batch->variants = (uint32_t *)(void *)memory;
    return RT_OK;
}

static rt_status worker_allocate(worker *maker, const rt_loader_options *o, size_t image_size, rt_error *err)
{
    if (!rt_mixing_choice(o->augment.choices, o->augment.choice_count))
        return RT_OK;
    maker->spare = malloc(image_size * sizeof *maker->spare);
    return maker->spare ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "loader: no memory to mix images");
}

/* Makes batch `number` of the loader's epoch. Reads only what stays as it is while a batch is being made. */
static void make_batch(const rt_loader *loader, size_t number, slot *s, worker *maker)
{
    rt_batch *batch = &s->batch;
    const rt_loader_options *o = &loader->options;
    size_t first = number * o->batch, left = o->sample_count - first;
    batch->count = left < o->batch ? left : o->batch;
    s->err = (rt_error){0};
    for (size_t i = 0; i < batch->count && s->err.status == RT_OK; ++i) {
        size_t position = loader->order ? loader->order[first + i] : first + i;
        uint32_t index = o->samples[position];
        batch->samples[i] = index;
        batch->labels[i] = batch->mixed_labels[i] = o->images->labels[index];
        batch->mixed_shares[i] = 0.0f;
        batch->variants[i] = rt_augment_draw(&o->augment, o->seed, loader->epoch, index);
        const rt_view view = {o->seed, loader->epoch, batch->variants[i]};
        rt_view_render(&loader->rendering, o->images, index, &view, &maker->workspace,
                       batch->images + i * loader->image_size, &s->err);
    }
    if (s->err.status != RT_OK)
        return;
    const size_t height = loader->rendering.height, width = loader->rendering.width;
    const rt_blend blend = rt_mixing_draw(&o->augment, o->seed, loader->epoch, number, height, width);
    rt_mix(&blend, height, width, loader->rendering.channels, maker->spare, batch);
}

static bool can_make(const rt_loader *loader)
{
    return loader->claimed < loader->batches && loader->claimed < loader->held + loader->slot_count;
}

static void *work(void *argument)
{
    worker *self = argument;
    rt_loader *loader = self->loader;
    pthread_mutex_lock(&loader->lock);
    for (;;) {
        while (!loader->stopping && !can_make(loader))
            pthread_cond_wait(&loader->work, &loader->lock);
        if (loader->stopping)
            break;
        size_t number = loader->claimed++;
        slot *s = &loader->slots[number % loader->slot_count];
        ++loader->busy;
        pthread_mutex_unlock(&loader->lock);
        make_batch(loader, number, s, self);
        pthread_mutex_lock(&loader->lock);
        --loader->busy;
        s->ready = true;
        pthread_cond_signal(&loader->made);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* Signals that mean "stop" must reach the thread that polls for them, so that workers start with them blocked. */
static rt_status start_workers(rt_loader *loader, rt_error *err)
{
    size_t workers = loader->options.workers;
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int failure = 0;
    while (loader->thread_count < workers && failure == 0) {
        worker *next = &loader->workers[loader->thread_count];
        next->loader = loader;
        failure = pthread_create(&next->thread, NULL, work, next);
        loader->thread_count += failure == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0)
        return rt_fail(err, RT_ERROR_MEMORY, "loader: cannot start worker %zu of %zu: %s", loader->thread_count + 1,
                       workers, strerror(failure));
    return RT_OK;
}

static rt_status check(const rt_loader_options *o, rt_error *err)
{
    if (o->sample_count == 0)
        return rt_fail(err, RT_ERROR_USAGE, "loader: 0 samples; at least 1 is needed");
    if (o->sample_count >= UINT32_MAX)
        return rt_fail(err, RT_ERROR_USAGE, "loader: %zu samples; fewer than %u are allowed", o->sample_count,
                       UINT32_MAX);
    if (o->batch == 0)
        return rt_fail(err, RT_ERROR_USAGE, "loader: batch 0; it must be at least 1");
    if (o->workers > WORKER_LIMIT)
        return rt_fail(err, RT_ERROR_USAGE, "loader: %zu workers; at most %d are allowed", o->workers, WORKER_LIMIT);
    if (o->prefetch == 0 || o->prefetch > PREFETCH_LIMIT)
        return rt_fail(err, RT_ERROR_USAGE, "loader: prefetch %zu; it must be 1 to %d", o->prefetch, PREFETCH_LIMIT);
    for (size_t i = 0; i < o->sample_count; ++i)
        if (o->samples[i] >= o->images->count)
            return rt_fail(err, RT_ERROR_USAGE, "loader: sample %u of %zu images; it must be below their count",
                           o->samples[i], o->images->count);
    return RT_OK;
}

rt_status rt_loader_open(const rt_loader_options *options, rt_loader **opened, rt_error *err)
{
    *opened = NULL;
    RT_TRY(check(options, err));
    rt_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return rt_fail(err, RT_ERROR_MEMORY, "loader: no memory");
    loader->options = *options;
    /* A batch is never larger than an epoch, whatever the recipe says. */
    if (options->batch > options->sample_count)
        loader->options.batch = options->sample_count;
    size_t batch = loader->options.batch;
    loader->batches = options->sample_count / batch + (options->sample_count % batch != 0);
    loader->image_size = options->images->height * options->images->width * options->images->channels;
    rt_status status =
        rt_rendering_make(&loader->rendering, options->images, &options->augment, &options->normalization, err);
    if (status != RT_OK)
        goto done;
    loader->slot_count = options->workers > 0 ? options->prefetch + 1 : 1;
    if (loader->slot_count > loader->batches)
        loader->slot_count = loader->batches;
    loader->slots = calloc(loader->slot_count, sizeof *loader->slots);
    if (options->shuffle)
        loader->order = malloc(options->sample_count * sizeof *loader->order);
    loader->workers = calloc(options->workers + 1, sizeof *loader->workers);
    if (!loader->slots || !loader->workers || (options->shuffle && !loader->order)) {
        status = rt_fail(err, RT_ERROR_MEMORY, "loader: no memory for %zu samples", options->sample_count);
        goto done;
    }
    for (size_t i = 0; i < loader->slot_count && status == RT_OK; ++i)
        status = slot_allocate(&loader->slots[i], batch, loader->image_size, err);
    for (size_t i = 0; i <= options->workers && status == RT_OK; ++i)
        status = worker_allocate(&loader->workers[i], options, loader->image_size, err);
    if (status != RT_OK)
        goto done;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->made, NULL);
    loader->has_lock = true;
    rt_loader_seek(loader, 0, 0);
    if (options->workers > 0)
        status = start_workers(loader, err);
done:
    if (status != RT_OK) {
        rt_loader_close(loader);
        return status;
    }
    *opened = loader;
    return RT_OK;
}

void rt_loader_close(rt_loader *loader)
{
    if (!loader)
        return;
    if (loader->has_lock) {
        pthread_mutex_lock(&loader->lock);
        loader->stopping = true;
        pthread_cond_broadcast(&loader->work);
        pthread_mutex_unlock(&loader->lock);
        for (size_t i = 0; i < loader->thread_count; ++i)
            pthread_join(loader->workers[i].thread, NULL);
        pthread_cond_destroy(&loader->made);
        pthread_cond_destroy(&loader->work);
        pthread_mutex_destroy(&loader->lock);
    }
    for (size_t i = 0; loader->slots && i < loader->slot_count; ++i)
        free(loader->slots[i].memory);
    free(loader->slots);
    for (size_t i = 0; loader->workers && i <= loader->options.workers; ++i) {
        rt_workspace_free(&loader->workers[i].workspace);
        free(loader->workers[i].spare);
    }
    free(loader->workers);
    free(loader->order);
    rt_rendering_free(&loader->rendering);
    free(loader);
}

size_t rt_loader_batches(const rt_loader *loader)
{
    return loader->batches;
}

void rt_loader_seek(rt_loader *loader, uint32_t epoch, size_t first)
{
    if (first > loader->batches)
        first = loader->batches;
    pthread_mutex_lock(&loader->lock);
    /* Nothing new is taken on; a batch in the making takes about a millisecond to finish and is then forgotten. */
    loader->claimed = loader->batches;
    while (loader->busy > 0)
        pthread_cond_wait(&loader->made, &loader->lock);
    loader->epoch = epoch;
    if (loader->order)
        rt_random_permutation(&(rt_key){.seed = loader->options.seed, .stream = RT_STREAM_SHUFFLE, .epoch = epoch},
                              loader->order, loader->options.sample_count);
    for (size_t i = 0; i < loader->slot_count; ++i)
        loader->slots[i].ready = false;
    loader->failure = NULL;
    loader->held = loader->handed = loader->claimed = first;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
}

const rt_batch *rt_loader_next(rt_loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    if (loader->held < loader->handed) {
        loader->slots[loader->held % loader->slot_count].ready = false;
        loader->held = loader->handed;
        pthread_cond_signal(&loader->work);
    }
    slot *s = NULL;
    if (loader->handed < loader->batches) {
        s = &loader->slots[loader->handed % loader->slot_count];
        if (loader->thread_count == 0) {
            make_batch(loader, loader->handed, s, &loader->workers[0]);
            s->ready = true;
        }
        while (!s->ready)
            pthread_cond_wait(&loader->made, &loader->lock);
        ++loader->handed;
    }
    loader->failure = s && s->err.status != RT_OK ? &s->err : NULL;
    pthread_mutex_unlock(&loader->lock);
    return s && !loader->failure ? &s->batch : NULL;
}

rt_status rt_loader_failure(const rt_loader *loader, rt_error *err)
{
    return loader->failure ? rt_fail(err, loader->failure->status, "%s", loader->failure->message) : RT_OK;
}
