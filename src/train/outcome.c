#include "train/outcome.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/median.h"
#include "base/threads.h"
#include "base/version.h"
#include "formats/json.h"

enum { LATENCY_RUNS = 51, EVALUATION_BATCH = 256 };

/* JSON has no bytes that are not UTF-8, which a file's name may hold. */
static json_t *file_name(const char *name)
{
    json_t *string = json_string(name);
    return string ? string : json_null();
}

/* Null for who had no teacher. */
static json_t *describe_teaching(const rt_training_result *t)
{
    const rt_teacher_counts *counts = &t->taught;
    if (counts->hits + counts->misses == 0)
        return json_null();
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I}", "precision", t->teacher_precision, "agreement",
                     rt_json_number(t->teacher_agreement), "from_memo", (json_int_t)counts->hits, "computed",
                     (json_int_t)counts->misses, "damaged", (json_int_t)counts->damaged, "kept",
                     (json_int_t)counts->kept);
}

static json_t *describe_training(const rt_training_result *t)
{
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:s, s:f, s:f, s:o}", "precision", t->precision,
                     "epochs", (json_int_t)t->epochs, "best_epoch", (json_int_t)t->best_epoch, "best_top1",
                     t->best_top1, "best_top5", t->best_top5, "last_top1", t->last_top1, "last_top5", t->last_top5,
                     "last_cross_entropy", rt_json_number(t->last_cross_entropy), "best_picked_on",
                     t->picked_on_validation ? "validation" : "test", "train_images_per_s", t->images_per_s,
                     "train_seconds", t->seconds, "teacher_logits", describe_teaching(t));
}

static json_t *describe_machine(void)
{
    char cpu[128];
    rt_cpu_model(cpu, sizeof cpu);
    return json_pack("{s:s, s:s, s:i}", "cpu", cpu, "isa", rt_engine_isa(), "threads", rt_threads_count());
}

rt_status rt_outcome_write(const char *path, const rt_outcome *outcome, const rt_recipe *recipe, rt_error *err)
{
    json_t *result =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:I, s:o, s:{s:I, s:I}, s:o, s:o}", "role",
                  outcome->role, "model", outcome->model, "parameters", (json_int_t)outcome->parameters, "macs",
                  (json_int_t)outcome->macs, "file_bytes", (json_int_t)outcome->file_bytes, "latency_ms",
                  outcome->latency_ms, "top1", outcome->top1, "top5", outcome->top5, "recipe", file_name(recipe->path),
                  "seed", (json_int_t)recipe->seed, "training", describe_training(&outcome->training),
                  "unreadable_images", "train", (json_int_t)outcome->unreadable[RT_SPLIT_TRAIN], "test",
                  (json_int_t)outcome->unreadable[RT_SPLIT_TEST], "machine", describe_machine(), "versions",
                  json_pack("{s:s, s:s}", "retort", RT_VERSION, "engine", rt_engine_version()));
    char *text = result ? json_dumps(result, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(result);
    if (!text)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for '%s'", path);
    const rt_piece pieces[] = {{text, strlen(text)}, {"\n", 1}};
    rt_status status = rt_file_write(path, pieces, 2, err);
    free(text);
    return status;
}

rt_status rt_outcome_read(const char *path, rt_training_result *result, rt_error *err)
{
    json_error_t problem;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
    if (!root)
        return rt_fail(err, RT_ERROR_FORMAT, "%s:%d:%d: %s", path, problem.line, problem.column, problem.text);
    json_int_t epochs, best_epoch;
    const char *picked;
    json_t *cross_entropy;
    *result = (rt_training_result){0};
    int failed = json_unpack_ex(root, &problem, 0, "{s:{s:I, s:I, s:F, s:F, s:F, s:F, s:o, s:s, s:F, s:F}}", "training",
                                "epochs", &epochs, "best_epoch", &best_epoch, "best_top1", &result->best_top1,
                                "best_top5", &result->best_top5, "last_top1", &result->last_top1, "last_top5",
                                &result->last_top5, "last_cross_entropy", &cross_entropy, "best_picked_on", &picked,
                                "train_images_per_s", &result->images_per_s, "train_seconds", &result->seconds);
    if (!failed) {
        result->epochs = epochs;
        result->best_epoch = best_epoch;
        result->last_cross_entropy = json_is_number(cross_entropy) ? json_number_value(cross_entropy) : NAN;
        result->picked_on_validation = strcmp(picked, "validation") == 0;
    }
    json_decref(root);
    return failed ? rt_fail(err, RT_ERROR_FORMAT, "'%s' is not a result of a training: %s", path, problem.text) : RT_OK;
}

static rt_status measure_latency(rt_engine *engine, rt_network *network, double *milliseconds, rt_error *err)
{
    const rt_graph *graph = network->graph;
    float *image = rt_aligned_zeros(rt_extent_floats(graph->nodes[0].shape) * sizeof(float));
    if (!image)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for an image");
    rt_plan *plan = NULL;
    double times[LATENCY_RUNS];
    rt_status status = rt_plan_new(engine, graph, network->parameters, 1, RT_MODE_FROZEN, &plan, err);
    for (int i = 0; status == RT_OK && i < LATENCY_RUNS; ++i) {
        double started = rt_seconds();
        status = rt_plan_forward(plan, image, 0, 0, err);
        times[i] = 1e3 * (rt_seconds() - started);
    }
    if (status == RT_OK)
        *milliseconds = rt_median(times, LATENCY_RUNS);
    rt_plan_free(plan);
    free(image);
    return status;
}

rt_status rt_outcome_measure(rt_engine *engine, const rt_run_data *data, rt_network *network, rt_outcome *outcome,
                             rt_error *err)
{
    outcome->present = true;
    for (size_t split = 0; split < 2; ++split)
        outcome->unreadable[split] = data->unreadable_count[split];
    outcome->parameters = rt_graph_trained_count(network->graph);
    outcome->macs = rt_graph_macs(network->graph);
    rt_inference *inference = NULL;
    rt_loader *loader = NULL;
    rt_metrics metrics;
    rt_status status = rt_inference_new(engine, network->graph, network->parameters, 0, &inference, err);
    if (status == RT_OK)
        status = rt_run_data_plain_loader(data, &data->test, data->test_samples, data->test_count, EVALUATION_BATCH,
                                          &loader, err);
    if (status == RT_OK)
        status = rt_evaluate(inference, loader, rt_run_data_input(data).classes, &metrics, err);
    if (status == RT_OK) {
        outcome->top1 = rt_metrics_top1(&metrics);
        outcome->top5 = rt_metrics_top5(&metrics);
        status = measure_latency(engine, network, &outcome->latency_ms, err);
    }
    rt_loader_close(loader);
    rt_inference_free(inference);
    return status;
}
