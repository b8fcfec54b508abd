#include "train/rehearsal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/median.h"
#include "datasets/readers.h"
#include "recipe/layers.h"
#include "train/precisions.h"
#include "train/pretrained.h"

/* Data without files: the synthetic reader, with the recipe's own settings where it names that reader. */
static rt_status make_up_data(const rt_recipe *recipe, rt_run_data *data, rt_error *err)
{
    const rt_reader *reader = NULL;
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, "synthetic") == 0)
            reader = rt_readers[i];
    if (!reader)
        return rt_fail(err, RT_ERROR_USAGE, "this build has no reader 'synthetic'");
    if (recipe->data.reader == reader)
        return rt_run_data_open(recipe, data, err);
    void *settings = calloc(1, reader->settings_size);
    if (!settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for synthetic data");
    rt_param_defaults(reader->params, settings);
    const rt_param *classes = rt_param_find(reader->params, "classes");
    const rt_param *samples = rt_param_find(reader->params, "samples");
    *(int64_t *)(void *)((char *)settings + classes->offset) = (int64_t)rt_recipe_classes(recipe, 100);
    *(int64_t *)(void *)((char *)settings + samples->offset) = 4 * recipe->train.batch;
    /* No choices of augmentations in it: data would point at those of this copy. */
    rt_recipe changed = *recipe;
    changed.data.reader = reader;
    changed.data.settings = settings;
    changed.data.root = NULL;
    changed.data.limit = 0;
    changed.data.validation = 0.0;
    changed.data.mean.count = changed.data.std.count = 0;
    changed.data.size = changed.data.resize = 0;
    changed.data.corrupt = RT_CORRUPT_STOP;
    changed.data.augment = (rt_augment_recipe){.crop_pad = 4, .flip = true};
    rt_status status = rt_run_data_open(&changed, data, err);
    data->augment.choices = NULL;
    free(settings);
    return status;
}

static rt_status open_teacher(rt_rehearsal *r, rt_engine *engine, const rt_network_recipe *teacher, size_t number,
                              bool synthetic, rt_error *err)
{
    const rt_model_input input = rt_run_data_input(&r->data);
    rt_network **network = &r->networks[number];
    if (!synthetic && teacher->weights) {
        RT_TRY(rt_network_open(teacher, &input, &r->gaps[number], network, err));
    } else {
        RT_TRY(rt_network_new(teacher->model, teacher->settings, &input, false, network, err));
        rt_parameters_make_up((*network)->parameters, 1 + number);
    }
    rt_network_recipe without_memo = *teacher;
    without_memo.memo = "off";
    return rt_teacher_open(engine, *network, &r->data, &without_memo, &r->members[number], err);
}

static rt_status open_teachers(rt_rehearsal *r, rt_engine *engine, const rt_recipe *recipe, bool synthetic,
                               rt_error *err)
{
    const size_t count = rt_recipe_teachers(recipe);
    double weights[RT_MAX_TEACHERS];
    for (size_t i = 0; i < count; ++i) {
        RT_TRY(open_teacher(r, engine, rt_recipe_teacher(recipe, i), i, synthetic, err));
        weights[i] = rt_recipe_teacher(recipe, i)->weight;
    }
    if (count > 1)
        RT_TRY(rt_teacher_join(r->members, weights, count, recipe->agreement, (size_t)recipe->train.batch, &r->joint,
                               err));
    r->teacher = r->networks[0];
    r->taught_by = r->joint ? r->joint : r->members[0];
    return RT_OK;
}

static rt_status open_all(rt_rehearsal *r, rt_engine *engine, const rt_recipe *recipe, bool synthetic, rt_error *err)
{
    RT_TRY(synthetic ? make_up_data(recipe, &r->data, err) : rt_run_data_open(recipe, &r->data, err));
    const rt_model_input images = rt_run_data_input(&r->data);
    RT_TRY(rt_recipe_refuse_layers(recipe, &images, err));
    RT_TRY(open_teachers(r, engine, recipe, synthetic, err));
    const rt_model_input input = rt_run_data_input(&r->data);
    RT_TRY(rt_network_new(recipe->student.model, recipe->student.settings, &input, true, &r->student, err));
    rt_parameters_initialize(r->student->parameters, (uint64_t)recipe->seed);
    if (!synthetic && recipe->student.weights)
        RT_TRY(rt_network_begin(r->student, &recipe->student, &r->student_gaps, err));
    RT_TRY(rt_step_open(&r->step,
                        &(rt_step_options){.engine = engine,
                                           .graph = r->student->graph,
                                           .parameters = r->student->parameters,
                                           .teacher = r->taught_by,
                                           .losses = recipe->loss,
                                           .loss_count = recipe->loss_count,
                                           .train = &recipe->train,
                                           .samples = r->data.train_count,
                                           .file_samples = r->data.train.count,
                                           .seed = (uint64_t)recipe->seed,
                                           .mixed = rt_run_data_mixes(&r->data)},
                        err));
    if (r->taught_by)
        r->teacher_inference = rt_teacher_inference(r->taught_by); /* the losses have said by now what it keeps */
    RT_TRY(rt_run_data_train_loader(&r->data, r->step.batch, &r->loader, err));
    rt_loader_seek(r->loader, 0, 0);
    return RT_OK;
}

rt_status rt_rehearsal_open(rt_rehearsal *rehearsal, rt_engine *engine, const rt_recipe *recipe, bool synthetic,
                            rt_error *err)
{
    *rehearsal = (rt_rehearsal){0};
    rt_engine_convolve_directly(engine, recipe->convolution == RT_CONVOLUTION_DIRECT);
    rt_status status = rt_recipe_check_precisions(recipe, err);
    if (status == RT_OK)
        status = open_all(rehearsal, engine, recipe, synthetic, err);
    if (status != RT_OK)
        rt_rehearsal_close(rehearsal);
    return status;
}

void rt_rehearsal_close(rt_rehearsal *rehearsal)
{
    rt_loader_close(rehearsal->loader);
    rt_step_close(&rehearsal->step);
    rt_teacher_close(rehearsal->joint);
    for (size_t i = 0; i < RT_MAX_TEACHERS; ++i) {
        rt_teacher_close(rehearsal->members[i]);
        rt_network_free(rehearsal->networks[i]);
        free(rehearsal->gaps[i]);
    }
    rt_network_free(rehearsal->student);
    free(rehearsal->student_gaps);
    rt_run_data_close(&rehearsal->data);
    *rehearsal = (rt_rehearsal){0};
}

/* Whole batches, epoch after epoch. NULL where an image cannot be read. */
static const rt_batch *next_whole_batch(rt_rehearsal *r, rt_error *err)
{
    for (;;) {
        const rt_batch *batch = rt_loader_next(r->loader);
        if (batch && batch->count == r->step.batch)
            return batch;
        if (!batch && rt_loader_failure(r->loader, err) != RT_OK)
            return NULL;
        if (!batch)
            rt_loader_seek(r->loader, ++r->epoch, 0);
    }
}

rt_status rt_rehearsal_run(rt_rehearsal *rehearsal, size_t warm, size_t count, rt_rehearsal_times *times, rt_error *err)
{
    for (size_t i = 0; i < warm + count; ++i) {
        double started = rt_seconds();
        const rt_batch *batch = next_whole_batch(rehearsal, err);
        if (!batch)
            return rt_loader_failure(rehearsal->loader, err);
        double waited = rt_seconds() - started;
        RT_TRY(rt_step_run(&rehearsal->step, batch, err));
        double total = rt_seconds() - started;
        const rt_step_times *t = &rehearsal->step.times;
        double packs = rt_plan_prepare_seconds(rehearsal->step.plan);
        double phases = waited + t->teacher + t->forward + t->loss + t->backward + t->update;
        if (i >= warm)
            times[i - warm] = (rt_rehearsal_times){.data = 1e3 * waited,
                                                   .teacher = 1e3 * t->teacher,
                                                   .packs = 1e3 * packs,
                                                   .forward = 1e3 * (t->forward - packs),
                                                   .loss = 1e3 * t->loss,
                                                   .backward = 1e3 * t->backward,
                                                   .update = 1e3 * t->update,
                                                   .other = 1e3 * (total - phases),
                                                   .total = 1e3 * total};
    }
    return RT_OK;
}

rt_rehearsal_times rt_rehearsal_median(rt_rehearsal_times *times, size_t count)
{
    enum { PHASES = sizeof(rt_rehearsal_times) / sizeof(double) };
    union {
        double phases[PHASES];
        rt_rehearsal_times times;
    } medians = {0};
    double *column = malloc((count + 1) * sizeof *column);
    for (size_t phase = 0; column && phase < PHASES; ++phase) {
        for (size_t i = 0; i < count; ++i)
            column[i] = ((const double *)(const void *)&times[i])[phase];
        medians.phases[phase] = rt_median(column, count);
    }
    free(column);
    return medians.times;
}

rt_status rt_rehearsal_loader_speed(const rt_rehearsal *rehearsal, double *images_per_s, rt_error *err)
{
    enum { WARM = 2, MOST = 101 };
    const double enough = 0.1; /* seconds: photographs take long to decode */
    double seconds[MOST], sum = 0.0;
    size_t count = 0;
    rt_run_data alone = rehearsal->data;
    rt_loader *loader;
    alone.workers = 0;
    RT_TRY(rt_run_data_train_loader(&alone, rehearsal->step.batch, &loader, err));
    rt_status status = RT_OK;
    for (uint32_t epoch = 0; count < MOST && sum < enough && status == RT_OK; ++epoch) {
        rt_loader_seek(loader, epoch, 0);
        for (size_t i = 0; count < MOST; ++i) {
            const double started = rt_seconds();
            const rt_batch *batch = rt_loader_next(loader);
            if (!batch || batch->count < rehearsal->step.batch)
                break;
            if (epoch > 0 || i >= WARM || rt_loader_batches(loader) <= WARM)
                sum += seconds[count++] = rt_seconds() - started;
        }
        status = rt_loader_failure(loader, err);
    }
    rt_loader_close(loader);
    *images_per_s = status == RT_OK ? (double)rehearsal->step.batch / rt_median(seconds, count) : 0.0;
    return status;
}

double rt_rehearsal_flops(const rt_rehearsal *rehearsal)
{
    double flops = rt_plan_flops(rehearsal->step.plan);
    for (size_t i = 0; i < RT_MAX_TEACHERS && rehearsal->networks[i]; ++i)
        flops += 2.0 * (double)rt_graph_macs(rehearsal->networks[i]->graph) * (double)rehearsal->step.batch;
    return flops;
}
