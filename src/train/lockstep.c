#include "train/lockstep.h"

#include <stdlib.h>

#include "base/cpu.h"

/* The loop under way. */
struct loop {
    const rt_lockstep *lockstep;
    rt_loader *loader;
    float *teacher_logits; /* [batch, classes]; NULL without a teacher */
    rt_progress progress;
    uint64_t images; /* that were left when it began */
    double waited;   /* seconds for data */
    int64_t epoch, batch;
};

static rt_status open_loop(struct loop *loop, rt_error *err)
{
    const rt_lockstep *lockstep = loop->lockstep;
    size_t batch = rt_training_batch(lockstep->trainings[0]), classes = rt_run_data_input(lockstep->data).classes;
    for (size_t i = 0; i < lockstep->count; ++i)
        loop->images += rt_training_images_left(lockstep->trainings[i]);
    if (lockstep->teacher) {
        loop->teacher_logits = rt_aligned_zeros(batch * classes * sizeof(float));
        if (!loop->teacher_logits)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for a teacher's logits of %zu images", batch);
    }
    return rt_run_data_train_loader(lockstep->data, batch, &loop->loader, err);
}

/* The least advanced place where a training stands. Returns false when all are done. */
static bool find_place(struct loop *loop)
{
    bool found = false;
    for (size_t i = 0; i < loop->lockstep->count; ++i) {
        const rt_training *training = loop->lockstep->trainings[i];
        const rt_training_state *at = rt_training_at(training);
        if (rt_training_is_done(training))
            continue;
        if (!found || at->epoch < loop->epoch || (at->epoch == loop->epoch && at->batch < loop->batch)) {
            loop->epoch = at->epoch;
            loop->batch = at->batch;
        }
        found = true;
    }
    return found;
}

static void show_progress(struct loop *loop)
{
    const rt_lockstep *lockstep = loop->lockstep;
    uint64_t left = 0;
    int64_t epochs = 0;
    double loss = 0.0;
    for (size_t i = 0; i < lockstep->count; ++i) {
        const rt_training *training = lockstep->trainings[i];
        left += rt_training_images_left(training);
        epochs = rt_training_epochs(training) > epochs ? rt_training_epochs(training) : epochs;
        loss += rt_training_loss(training) / (double)lockstep->count;
    }
    rt_progress_update(&loop->progress, &(rt_progress_point){.done = loop->images - left,
                                                             .epoch = loop->epoch + 1,
                                                             .epochs = epochs,
                                                             .loss = loss,
                                                             .wait_seconds = loop->waited});
}

/* Every training keeps where it stands, and one of them says so. */
static rt_status stop_all(const rt_lockstep *lockstep, rt_error *err)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < lockstep->count && (status == RT_OK || status == RT_ERROR_INTERRUPTED); ++i)
        if (!rt_training_is_done(lockstep->trainings[i]))
            status = rt_training_stop(lockstep->trainings[i], err);
    return status;
}

/* All steps before an image that cannot be read are kept: a run goes on from here when the image is right again. */
static rt_status end_of_batches(const struct loop *loop, rt_error *err)
{
    rt_error why = {0}, ignored;
    const rt_status status = rt_loader_failure(loop->loader, &why);
    if (status == RT_OK)
        return RT_OK;
    stop_all(loop->lockstep, &ignored);
    return rt_fail(err, status, "%s", why.message);
}

/* What one training's error is to the others. */
static rt_status judge_failure(const struct loop *loop, rt_training *training, rt_status status, rt_error *err)
{
    if (status != RT_ERROR_NUMERIC || !loop->lockstep->tolerant)
        return status;
    rt_training_give_up(training, err);
    return RT_OK;
}

/* The rest of the epoch under way. */
static rt_status run_epoch(struct loop *loop, rt_error *err)
{
    const rt_lockstep *lockstep = loop->lockstep;
    rt_loader_seek(loop->loader, (uint32_t)loop->epoch, (size_t)loop->batch);
    for (;; ++loop->batch) {
        double started = rt_seconds();
        const rt_batch *batch = rt_loader_next(loop->loader);
        if (!batch)
            return end_of_batches(loop, err);
        loop->waited += rt_seconds() - started;
        if (lockstep->teacher)
            RT_TRY(rt_teacher_logits(lockstep->teacher, batch, loop->teacher_logits, err));
        double shared = rt_seconds() - started;
        for (size_t i = 0; i < lockstep->count; ++i) {
            rt_training *training = lockstep->trainings[i];
            const rt_training_state *at = rt_training_at(training);
            if (rt_training_is_done(training) || at->epoch != loop->epoch || at->batch != loop->batch)
                continue;
            rt_status status = rt_training_step(training, batch, loop->teacher_logits, shared, err);
            RT_TRY(judge_failure(loop, training, status, err));
        }
        show_progress(loop);
        if (lockstep->stop && *lockstep->stop)
            return stop_all(lockstep, err);
    }
}

static rt_status end_epoch(const struct loop *loop, rt_error *err)
{
    const rt_lockstep *lockstep = loop->lockstep;
    for (size_t i = 0; i < lockstep->count; ++i) {
        rt_training *training = lockstep->trainings[i];
        if (!rt_training_is_done(training) && rt_training_at(training)->epoch == loop->epoch)
            RT_TRY(judge_failure(loop, training, rt_training_end_epoch(training, err), err));
    }
    return RT_OK;
}

static rt_status run_all(struct loop *loop, rt_error *err)
{
    while (find_place(loop)) {
        RT_TRY(run_epoch(loop, err));
        RT_TRY(end_epoch(loop, err));
    }
    return RT_OK;
}

/* The loop between the words that each training has to say before and after. */
static rt_status run_with_words(struct loop *loop, rt_error *err)
{
    const rt_lockstep *lockstep = loop->lockstep;
    for (size_t i = 0; i < lockstep->count; ++i)
        RT_TRY(rt_training_begin(lockstep->trainings[i], &loop->progress, err));
    if (lockstep->begun)
        *lockstep->begun = true;
    rt_status status = run_all(loop, err);
    for (size_t i = 0; i < lockstep->count; ++i) {
        /* A run that failed has its error to tell. */
        rt_status told = rt_training_tell_taught(lockstep->trainings[i], status == RT_OK ? err : NULL);
        status = status == RT_OK ? told : status;
    }
    return status;
}

rt_status rt_lockstep_run(const rt_lockstep *lockstep, rt_error *err)
{
    struct loop loop = {.lockstep = lockstep};
    rt_status status = open_loop(&loop, err);
    if (status == RT_OK) {
        rt_progress_open(&loop.progress, lockstep->label, "images", loop.images);
        status = run_with_words(&loop, err);
        rt_progress_finish(&loop.progress, "");
    }
    rt_loader_close(loop.loader);
    free(loop.teacher_logits);
    return status;
}
