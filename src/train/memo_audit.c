#include "train/memo_audit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "datasets/view.h"
#include "train/pretrained.h"
#include "train/teacher_plan.h"

rt_status rt_memo_audit_recipe(const char *path, const char *const *overrides, size_t override_count,
                               rt_recipe **recipe, char **weights, rt_error *err)
{
    struct stat about;
    bool folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    char *file = folder ? rt_path_join(path, "recipe.yaml") : strdup(path);
    *recipe = NULL;
    *weights = NULL;
    rt_status status = file ? rt_recipe_load_networks(file, overrides, override_count, recipe, err)
                            : rt_fail(err, RT_ERROR_MEMORY, "no memory for a file name");
    free(file);
    if (status != RT_OK)
        return status;
    const rt_network_recipe *teacher = &(*recipe)->teacher;
    if (!teacher->present)
        return rt_fail(err, RT_ERROR_USAGE, "recipe '%s' has no teacher", path);
    if (teacher->train_present && !folder)
        return rt_fail(err, RT_ERROR_USAGE, "recipe '%s' trains its teacher; name the folder of the run that did",
                       path);
    *weights = teacher->train_present ? rt_path_join(path, "teacher/last.safetensors") : strdup(teacher->weights);
    return *weights ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for a file name");
}

/* What an audit needs beside the memo. */
struct audit {
    const rt_memo *memo;
    const rt_memo_key *key;
    rt_run_data data;
    rt_network *teacher;
    rt_inference *inference;
    rt_rendering rendering;
    rt_workspace workspace;
    float *image, *kept, *computed;
};

static rt_status open_audit(struct audit *a, rt_engine *engine, const rt_recipe *recipe, const char *weights,
                            rt_error *err)
{
    const rt_network_recipe *teacher = &recipe->teacher;
    rt_network_recipe of_weights = *teacher;
    of_weights.weights = weights;
    const rt_precision precision = (rt_precision)teacher->precision;
    rt_memo_key *key = calloc(1, sizeof *key);
    rt_status status = key ? rt_run_data_open(recipe, &a->data, err) : rt_fail(err, RT_ERROR_MEMORY, "no memory");
    const rt_model_input input = rt_run_data_input(&a->data);
    if (status == RT_OK)
        status = rt_network_open(&of_weights, &input, NULL, &a->teacher, err);
    if (status == RT_OK)
        status = rt_precision_check(precision, "teacher.precision", err);
    if (status == RT_OK)
        status = rt_teacher_plan(engine, a->teacher, &a->data, precision, &a->inference, err);
    if (status == RT_OK) /* the file says in which precision */
        status = rt_memo_key_make(a->teacher, a->inference, &a->data, a->key->precision, key, err);
    if (status == RT_OK)
        status = rt_memo_key_compare(a->key, key, rt_memo_file_of(a->memo)->path, err);
    if (status == RT_OK)
        status = rt_rendering_make(&a->rendering, &a->data.train, &a->data.augment, &a->data.normalization, err);
    free(key);
    size_t floats = input.height * input.width * input.channels;
    a->image = malloc((floats + 1) * sizeof(float));
    a->kept = malloc((size_t)a->key->classes * sizeof(float));
    a->computed = malloc((size_t)a->key->classes * sizeof(float));
    if (status == RT_OK && (!a->image || !a->kept || !a->computed))
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory for an image and its logits");
    return status;
}

static void close_audit(struct audit *a)
{
    rt_rendering_free(&a->rendering);
    rt_workspace_free(&a->workspace);
    rt_inference_free(a->inference);
    rt_network_free(a->teacher);
    rt_run_data_close(&a->data);
    free(a->image);
    free(a->kept);
    free(a->computed);
}

/* Alone in its micro-batch, which is as far as can be from how it was computed when it was kept. */
static rt_status compare_entry(struct audit *a, uint64_t sample, uint64_t variant, rt_memo_audit *audit, rt_error *err)
{
    const rt_view view = {.variant = (uint32_t)variant};
    RT_TRY(rt_view_render(&a->rendering, &a->data.train, sample, &view, &a->workspace, a->image, err));
    RT_TRY(rt_inference_run(a->inference, a->image, 1, a->computed, err));
    rt_memo_round(a->key->precision, a->computed, (size_t)a->key->classes);
    if (memcmp(a->kept, a->computed, (size_t)a->key->classes * sizeof(float)) == 0)
        ++audit->equal;
    else
        ++audit->different;
    return RT_OK;
}

static rt_status compare_some(struct audit *a, uint64_t sample, rt_memo_audit *audit, rt_error *err)
{
    rt_memo_count count;
    RT_TRY(rt_memo_count_entries(a->memo, &count, err));
    uint64_t stride = count.present > sample ? count.present / sample : 1, seen = 0;
    for (rt_memo_walk walk = {0}; audit->equal + audit->different < sample && rt_memo_next(a->memo, &walk);
         ++walk.entry) {
        uint64_t image = walk.entry / a->key->variants, variant = walk.entry % a->key->variants;
        if (rt_memo_read(a->memo, image, variant, a->kept) == RT_MEMO_PRESENT && seen++ % stride == 0)
            RT_TRY(compare_entry(a, image, variant, audit, err));
    }
    return RT_OK;
}

rt_status rt_memo_audit_run(const rt_memo *memo, rt_engine *engine, const rt_recipe *recipe, const char *weights,
                            uint64_t sample, rt_memo_audit *audit, rt_error *err)
{
    struct audit a = {.memo = memo, .key = &rt_memo_file_of(memo)->key};
    *audit = (rt_memo_audit){0};
    rt_status status = open_audit(&a, engine, recipe, weights, err);
    if (status == RT_OK)
        status = compare_some(&a, sample, audit, err);
    close_audit(&a);
    return status;
}
