#include "train/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/file.h"
#include "train/lockstep.h"
#include "train/log.h"
#include "train/pretrained.h"

static rt_status log_event(const rt_job *job, const char *event, const char *words, rt_error *err)
{
    char *log = rt_path_join(job->folder, "log.jsonl");
    if (!log)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a file name");
    rt_status status = rt_log_event(log, event, words, err);
    free(log);
    return status;
}

/* What an earlier process has finished. */
static rt_status read_finished(rt_job *job, const char *result, rt_error *err)
{
    char *last = rt_path_join(job->folder, "last.safetensors");
    if (!last)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    job->finished = true;
    rt_status status = rt_network_load(job->network, last, err);
    if (status == RT_OK)
        status = rt_outcome_read(result, &job->outcome->training, err);
    free(last);
    return status;
}

static rt_status open_training(const rt_job_setting *setting, rt_job *job, rt_error *err)
{
    RT_TRY(log_event(job, setting->resume ? "resumed" : "started", job->label, err));
    return rt_training_open(&(rt_training_options){.label = job->label,
                                                   .folder = job->folder,
                                                   .engine = setting->engine,
                                                   .network = job->network,
                                                   .teacher = setting->teacher,
                                                   .data = setting->data,
                                                   .recipe = job->train,
                                                   .losses = job->losses,
                                                   .loss_count = job->loss_count,
                                                   .seed = (uint64_t)job->recipe->seed,
                                                   .fingerprint = job->fingerprint,
                                                   .resume = setting->resume},
                            &job->training, err);
}

/* Builds the job's network from its recipe, and its training if that is not finished. */
static rt_status open_job(const rt_job_setting *setting, rt_job *job, rt_error *err)
{
    const rt_model_input input = rt_run_data_input(setting->data);
    char *result = rt_path_join(job->folder, "result.json");
    if (!result)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    job->outcome->role = job->role;
    job->outcome->model = job->model->model;
    rt_status status = rt_folder_make(job->folder, err);
    if (status == RT_OK)
        status = rt_network_new(job->model->model, job->model->settings, &input, true, &job->network, err);
    if (status == RT_OK)
        rt_parameters_initialize(job->network->parameters, (uint64_t)job->recipe->seed);
    if (status == RT_OK && setting->resume && rt_path_exists(result)) {
        status = read_finished(job, result, err);
    } else if (status == RT_OK) {
        if (job->model->weights)
            status = rt_network_begin(job->network, job->model, NULL, err);
        if (status == RT_OK)
            status = open_training(setting, job, err);
    }
    free(result);
    return status;
}

/* Sums up, measures and writes result.json. */
static rt_status finish_job(const rt_job_setting *setting, rt_job *job, rt_error *err)
{
    char *last = rt_path_join(job->folder, "last.safetensors"), *result = rt_path_join(job->folder, "result.json");
    rt_status status = last && result ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    if (status == RT_OK && !job->finished)
        status = rt_training_finish(job->training, &job->outcome->training, err);
    rt_training_close(job->training);
    job->training = NULL;
    job->outcome->trained = true;
    if (status == RT_OK)
        status = rt_outcome_measure(setting->engine, setting->data, job->network, job->outcome, err);
    if (status == RT_OK)
        status = rt_file_size(last, &job->outcome->file_bytes, err);
    if (status == RT_OK && !job->finished)
        status = rt_outcome_write(result, job->outcome, job->recipe, err);
    if (status == RT_OK && !job->finished)
        status = log_event(job, "finished", NULL, err);
    free(last);
    free(result);
    return status;
}

static rt_status sum_up(const rt_job_setting *setting, rt_job *job, rt_error *err)
{
    const char *failure = job->training ? rt_training_failure(job->training) : NULL;
    if (!failure)
        return finish_job(setting, job, err);
    snprintf(job->outcome->failure, sizeof job->outcome->failure, "%s", failure);
    return RT_OK;
}

/* Those that are open, side by side. */
static rt_status train(const rt_job_setting *setting, rt_job *jobs, size_t count, rt_error *err)
{
    size_t open = 0;
    rt_training **trainings = malloc((count + 1) * sizeof *trainings);
    if (!trainings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu trainings", count);
    for (size_t i = 0; i < count; ++i)
        if (jobs[i].training)
            trainings[open++] = jobs[i].training;
    rt_status status = RT_OK;
    if (open > 0)
        status = rt_lockstep_run(&(rt_lockstep){.label = open > 1 ? setting->label : jobs[0].label,
                                                .data = setting->data,
                                                .teacher = setting->teacher,
                                                .trainings = trainings,
                                                .count = open,
                                                .tolerant = setting->tolerant,
                                                .stop = setting->stop,
                                                .begun = setting->begun},
                                 err);
    free(trainings);
    return status;
}

/* How many of them, from the first on, are open at once: all, `together`, or such as fit into the memory there is,
 * guessing that each takes as much as the largest before it. */
static rt_status open_some(const rt_job_setting *setting, rt_job *jobs, size_t count, size_t *opened, rt_error *err)
{
    const size_t available = rt_available_memory();
    size_t taken = 0, largest = 0;
    for (*opened = 0; *opened < count && (setting->together == 0 || *opened < setting->together);) {
        rt_job *job = &jobs[*opened];
        if (setting->together == 0 && *opened > 0 && taken + largest > available)
            return RT_OK;
        ++*opened;
        RT_TRY(open_job(setting, job, err));
        size_t bytes = job->training ? rt_training_bytes(job->training) : 0;
        taken += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return RT_OK;
}

static rt_status run_some(const rt_job_setting *setting, rt_job *jobs, size_t count, size_t *done, rt_error *err)
{
    rt_status status = open_some(setting, jobs, count, done, err);
    if (status == RT_OK)
        status = train(setting, jobs, *done, err);
    for (size_t i = 0; i < *done && status == RT_OK; ++i)
        status = sum_up(setting, &jobs[i], err);
    /* The cause is in `err`, and a log that cannot be written must not replace it. */
    for (size_t i = 0; i < *done; ++i) {
        if (status != RT_OK && jobs[i].training)
            log_event(&jobs[i], rt_status_name(status), err->message, NULL);
        rt_training_close(jobs[i].training);
        jobs[i].training = NULL;
    }
    return status;
}

rt_status rt_jobs_run(const rt_job_setting *setting, rt_job *jobs, size_t count, rt_error *err)
{
    for (size_t first = 0, done; first < count; first += done)
        RT_TRY(run_some(setting, jobs + first, count - first, &done, err));
    return RT_OK;
}
