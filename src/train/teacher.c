#include "train/teacher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/place_probe.h"
#include "train/teacher_plan.h"
#include "train/teacher_state.h"

/* "/a/b/x.memo" -> makes /a/b. */
static rt_status make_folder_of(const char *path, rt_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash && slash != path ? strndup(path, (size_t)(slash - path)) : NULL;
    rt_status status = folder ? rt_folder_make(folder, err) : RT_OK;
    free(folder);
    return status;
}

/* A memo that nobody asked for by name must not stand in the way. */
static rt_status open_memo(rt_teacher *teacher, const rt_memo_key *key, const rt_memo_choice *choice, rt_error *err)
{
    rt_error trouble = {0};
    if (!choice->path) {
        snprintf(teacher->words, sizeof teacher->words, "no memo: %s", choice->reason);
        return RT_OK;
    }
    rt_status status = choice->given ? RT_OK : make_folder_of(choice->path, &trouble);
    if (status == RT_OK)
        status = rt_memo_open(choice->path, key, &teacher->memo, &trouble);
    if (status != RT_OK && choice->given)
        return rt_fail(err, status, "%s", trouble.message);
    if (status != RT_OK)
        snprintf(teacher->words, sizeof teacher->words, "no memo: %.480s", trouble.message);
    else
        snprintf(teacher->words, sizeof teacher->words, "memo '%.400s', up to %.1f MB", choice->path,
                 (double)choice->bytes / 1e6);
    return RT_OK;
}

static rt_status choose_memo(const rt_network *network, rt_inference *inference, const rt_run_data *data,
                             const rt_network_recipe *recipe, rt_memo_key *key, rt_memo_choice *choice, rt_error *err)
{
    if (strcmp(recipe->memo, "off") == 0 || recipe->features_for) { /* saves the trouble of a key */
        *key = (rt_memo_key){0};
        RT_TRY(rt_memo_choose("off", key, true, choice, err));
        if (strcmp(recipe->memo, "off") != 0)
            snprintf(choice->reason, sizeof choice->reason,
                     "loss '%s' reads the teacher's features, which a memo does not hold", recipe->features_for);
        return RT_OK;
    }
    RT_TRY(rt_memo_key_make(network, inference, data, (rt_memo_precision)recipe->memo_precision, key, err));
    RT_TRY(rt_memo_choose(recipe->memo, key, true, choice, err));
    /* A file that is there was made when images had been tried at other places, which takes several passes. */
    if (!choice->path || rt_path_exists(choice->path))
        return RT_OK;
    rt_place_probe probe;
    RT_TRY(rt_place_probe_run(inference, RT_PLACES_SOME, &probe, err));
    if (probe.independent)
        return RT_OK;
    rt_memo_choice_free(choice);
    return rt_memo_choose(recipe->memo, key, false, choice, err);
}

static rt_status open_all(rt_teacher *teacher, rt_engine *engine, const rt_network *network, const rt_run_data *data,
                          const rt_network_recipe *recipe, rt_error *err)
{
    teacher->computes = recipe ? (rt_precision)recipe->precision : RT_PRECISION_FP32;
    teacher->engine = engine;
    teacher->network = network;
    teacher->data = data;
    RT_TRY(rt_teacher_plan(engine, network, data, teacher->computes, &teacher->inference, err));
    teacher->classes = network->input.classes;
    teacher->missing = calloc(rt_inference_images(teacher->inference), sizeof *teacher->missing);
    if (!teacher->missing)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a teacher");
    snprintf(teacher->words, sizeof teacher->words, "no memo: none is wanted");
    if (!recipe)
        return RT_OK;
    rt_memo_key *key = calloc(1, sizeof *key);
    rt_memo_choice choice = {0};
    if (!key)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a memo");
    rt_status status = choose_memo(network, teacher->inference, data, recipe, key, &choice, err);
    if (status == RT_OK)
        status = open_memo(teacher, key, &choice, err);
    /* The recipe's precision counts even if auto finds no memo: the bits of a run must not depend on a disk. */
    if (strcmp(recipe->memo, "off") != 0)
        teacher->precision = (rt_memo_precision)recipe->memo_precision;
    rt_memo_choice_free(&choice);
    free(key);
    return status;
}

rt_status rt_teacher_open(rt_engine *engine, const rt_network *network, const rt_run_data *data,
                          const rt_network_recipe *recipe, rt_teacher **teacher, rt_error *err)
{
    rt_teacher *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a teacher");
    rt_status status = open_all(made, engine, network, data, recipe, err);
    if (status != RT_OK) {
        rt_teacher_close(made);
        return status;
    }
    *teacher = made;
    return RT_OK;
}

void rt_teacher_close(rt_teacher *teacher)
{
    if (!teacher)
        return;
    rt_memo_close(teacher->memo);
    rt_inference_free(teacher->inference);
    rt_features_free(&teacher->features);
    free(teacher->missing);
    free(teacher->all);
    free(teacher);
}

rt_status rt_teacher_keep(rt_teacher *teacher, const char *layer, size_t batch, rt_error *err)
{
    bool news = false;
    RT_TRY(rt_features_keep(&teacher->features, teacher->network->graph, layer, batch, &news, err));
    if (!news)
        return RT_OK;
    if (teacher->memo)
        snprintf(teacher->words, sizeof teacher->words, "no memo: a loss reads features, which it does not hold");
    rt_memo_close(teacher->memo);
    teacher->memo = NULL;
    teacher->unsettled = true;
    return RT_OK;
}

rt_status rt_teacher_settle(rt_teacher *teacher, rt_error *err)
{
    rt_inference *inference = NULL;
    for (size_t m = 0; m < teacher->member_count; ++m)
        RT_TRY(rt_teacher_settle(teacher->members[m], err));
    if (!teacher->unsettled)
        return RT_OK;
    rt_network tapped = *teacher->network;
    tapped.graph = teacher->features.graph;
    RT_TRY(rt_teacher_plan(teacher->engine, &tapped, teacher->data, teacher->computes, &inference, err));
    rt_inference_free(teacher->inference);
    teacher->inference = inference;
    rt_features_attach(&teacher->features, inference);
    teacher->unsettled = false;
    return RT_OK;
}

const float *rt_teacher_features(const rt_teacher *teacher, const char *layer, rt_extent *extent)
{
    return rt_features_of(&teacher->features, layer, extent);
}

/* Computes, rounds and keeps the logits of `count` images that the memo does not have: at most a micro-batch. */
static rt_status compute(rt_teacher *teacher, const rt_batch *batch, size_t count, float *logits, rt_error *err)
{
    RT_TRY(rt_inference_run_some(teacher->inference, batch->images, teacher->missing, count, logits, err));
    for (size_t i = 0; i < count; ++i) {
        size_t place = teacher->missing[i];
        float *row = logits + place * teacher->classes;
        if (rt_memo_round(teacher->precision, row, teacher->classes) && teacher->memo)
            teacher->counts.kept +=
                rt_memo_write(teacher->memo, (uint64_t)batch->samples[place], batch->variants[place], row);
    }
    teacher->counts.misses += count;
    return RT_OK;
}

rt_status rt_teacher_logits(rt_teacher *teacher, const rt_batch *batch, float *logits, rt_error *err)
{
    if (teacher->member_count > 0)
        return rt_joint_logits(teacher, batch, logits, err);
    size_t full = rt_inference_images(teacher->inference), missing = 0;
    for (size_t i = 0; i < batch->count; ++i) {
        rt_memo_found found = teacher->memo ? rt_memo_read(teacher->memo, (uint64_t)batch->samples[i],
                                                           batch->variants[i], logits + i * teacher->classes)
                                            : RT_MEMO_ABSENT;
        teacher->counts.hits += found == RT_MEMO_PRESENT;
        teacher->counts.damaged += found == RT_MEMO_DAMAGED;
        if (found == RT_MEMO_PRESENT)
            continue;
        teacher->missing[missing++] = (uint32_t)i;
        if (missing == full) {
            RT_TRY(compute(teacher, batch, missing, logits, err));
            missing = 0;
        }
    }
    return missing > 0 ? compute(teacher, batch, missing, logits, err) : RT_OK;
}

rt_teacher_counts rt_teacher_count(const rt_teacher *teacher)
{
    rt_teacher_counts sum = teacher->counts;
    for (size_t m = 0; m < teacher->member_count; ++m) {
        const rt_teacher_counts *counts = &teacher->members[m]->counts;
        sum = (rt_teacher_counts){sum.hits + counts->hits, sum.misses + counts->misses, sum.damaged + counts->damaged,
                                  sum.kept + counts->kept};
    }
    return sum;
}

rt_teacher_counts rt_teacher_count_since(const rt_teacher *teacher, const rt_teacher_counts *before)
{
    const rt_teacher_counts now = rt_teacher_count(teacher);
    return (rt_teacher_counts){now.hits - before->hits, now.misses - before->misses, now.damaged - before->damaged,
                               now.kept - before->kept};
}

/* Why the memo takes nothing more; NULL where it does. */
static const char *trouble(const rt_memo *memo)
{
    if (!memo || (rt_memo_file_of(memo)->writable && !rt_memo_failure(memo)))
        return NULL;
    return rt_memo_failure(memo) ? strerror(rt_memo_failure(memo)) : "the file may only be read";
}

void rt_teacher_count_words(const rt_teacher *teacher, const rt_teacher_counts *counts, char words[RT_TEACHER_WORDS])
{
    const char *reason = trouble(teacher->memo);
    for (size_t m = 0; m < teacher->member_count && !reason; ++m)
        reason = trouble(teacher->members[m]->memo);
    char damaged[64] = "";
    if (counts->damaged > 0)
        snprintf(damaged, sizeof damaged, ", %" PRIu64 " of them for entries that were damaged", counts->damaged);
    snprintf(words, RT_TEACHER_WORDS,
             "teacher's logits: %" PRIu64 " from the memo, %" PRIu64 " computed%s, %" PRIu64 " kept%s%s", counts->hits,
             counts->misses, damaged, counts->kept, reason ? "; the memo takes no more: " : "", reason ? reason : "");
}

const char *rt_teacher_memo_words(const rt_teacher *teacher)
{
    return teacher->words;
}

const char *rt_teacher_memo_path(const rt_teacher *teacher)
{
    const rt_memo *memo = rt_teacher_first(teacher)->memo;
    return memo ? rt_memo_file_of(memo)->path : NULL;
}

rt_status rt_teacher_compare(const rt_teacher *teacher, const rt_run_data *data, double *percent, size_t *images,
                             rt_error *err)
{
    const rt_teacher *first = rt_teacher_first(teacher);
    return rt_teacher_agreement(first->engine, first->network, first->inference, data, percent, images, err);
}

rt_inference *rt_teacher_inference(const rt_teacher *teacher)
{
    return rt_teacher_first(teacher)->inference;
}

rt_status rt_teacher_choose_memo(const rt_teacher *teacher, const rt_network *network, const rt_run_data *data,
                                 const rt_network_recipe *recipe, rt_memo_choice *choice, rt_error *err)
{
    rt_memo_key *key = calloc(1, sizeof *key);
    if (!key)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a memo");
    rt_status status = choose_memo(network, teacher->inference, data, recipe, key, choice, err);
    free(key);
    return status;
}

static rt_status compare_existing(const char *path, rt_memo_key *key, bool weights_known, rt_error *err)
{
    rt_memo *memo = NULL;
    if (!rt_path_exists(path))
        return RT_OK;
    RT_TRY(rt_memo_look(path, &memo, err));
    const rt_memo_key *theirs = &rt_memo_file_of(memo)->key;
    if (!weights_known) {
        strcpy(key->values[RT_MEMO_WEIGHTS], theirs->values[RT_MEMO_WEIGHTS]);
        strcpy(key->values[RT_MEMO_BITS], theirs->values[RT_MEMO_BITS]);
    }
    rt_status status = rt_memo_key_compare(theirs, key, path, err);
    rt_memo_close(memo);
    return status;
}

rt_status rt_teacher_check_memo(rt_engine *engine, const rt_network *network, const rt_run_data *data,
                                const rt_network_recipe *recipe, bool weights_known, rt_error *err)
{
    if (strcmp(recipe->memo, "auto") == 0 || strcmp(recipe->memo, "off") == 0)
        return RT_OK;
    rt_inference *inference = NULL;
    rt_memo_choice choice = {0};
    rt_memo_key *key = calloc(1, sizeof *key);
    rt_status status = key ? rt_teacher_plan(engine, network, data, (rt_precision)recipe->precision, &inference, err)
                           : rt_fail(err, RT_ERROR_MEMORY, "no memory for a memo");
    if (status == RT_OK)
        status = choose_memo(network, inference, data, recipe, key, &choice, err);
    if (status == RT_OK && choice.path)
        status = compare_existing(choice.path, key, weights_known, err);
    rt_memo_choice_free(&choice);
    rt_inference_free(inference);
    free(key);
    return status;
}
