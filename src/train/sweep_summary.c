#include "train/sweep_summary.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "formats/json.h"

static bool differ_in_seed_alone(const rt_sweep_runs *runs, const rt_sweep_run *one, const rt_sweep_run *other)
{
    for (size_t k = 0; k < runs->key_count; ++k)
        if (rt_sweep_compares(runs, k) && strcmp(one->values[k], other->values[k]) != 0)
            return false;
    return true;
}

static rt_spread spread_of(const double *values, size_t count)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; ++i)
        sum += values[i];
    const double mean = count > 0 ? sum / (double)count : NAN;
    for (size_t i = 0; i < count; ++i)
        squares += (values[i] - mean) * (values[i] - mean);
    return (rt_spread){mean, count > 1 ? sqrt(squares / (double)(count - 1)) : NAN};
}

static rt_sweep_row row_of(const rt_sweep_runs *runs, size_t first)
{
    rt_sweep_row row = {.first = &runs->runs[first]};
    double best[RT_SWEEP_MAX_RUNS], last[RT_SWEEP_MAX_RUNS];
    for (size_t i = first; i < runs->count; ++i) {
        const rt_sweep_run *run = &runs->runs[i];
        if (!differ_in_seed_alone(runs, row.first, run))
            continue;
        if (run->outcome.failure[0]) {
            ++row.failed;
            continue;
        }
        best[row.finished] = run->outcome.training.best_top1;
        last[row.finished++] = run->outcome.training.last_top1;
    }
    row.best = spread_of(best, row.finished);
    row.last = spread_of(last, row.finished);
    return row;
}

size_t rt_sweep_summarise(const rt_sweep_runs *runs, rt_sweep_row *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < runs->count; ++i) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; ++j)
            seen = differ_in_seed_alone(runs, &runs->runs[j], &runs->runs[i]);
        if (!seen)
            rows[count++] = row_of(runs, i);
    }
    return count;
}

static void write_csv(const rt_sweep_runs *runs, FILE *file)
{
    fputs("run", file);
    for (size_t k = 0; k < runs->key_count; ++k)
        fprintf(file, ",%s", runs->keys[k]);
    fputs(",best_epoch,best_top1,last_top1,last_cross_entropy,images_per_s,seconds\n", file);
    for (size_t i = 0; i < runs->count; ++i) {
        const rt_sweep_run *run = &runs->runs[i];
        const rt_training_result *t = &run->outcome.training;
        fprintf(file, "\"%s\"", run->name);
        for (size_t k = 0; k < runs->key_count; ++k)
            fprintf(file, ",%s", run->values[k]);
        if (run->outcome.failure[0])
            fputs(",,,,,,\n", file);
        else
            fprintf(file, ",%lld,%.4f,%.4f,%.6f,%.1f,%.2f\n", (long long)t->best_epoch, t->best_top1, t->last_top1,
                    t->last_cross_entropy, t->images_per_s, t->seconds);
    }
}

static json_t *describe_row(const rt_sweep_runs *runs, const rt_sweep_row *row)
{
    json_t *values = json_object(), *members = json_array();
    for (size_t k = 0; k < runs->key_count; ++k)
        if (rt_sweep_compares(runs, k))
            json_object_set_new(values, runs->keys[k], json_string(row->first->values[k]));
    for (size_t i = 0; i < runs->count; ++i)
        if (differ_in_seed_alone(runs, row->first, &runs->runs[i]))
            json_array_append_new(members, json_string(runs->runs[i].name));
    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "values", values, "runs", members, "finished",
                     (json_int_t)row->finished, "failed", (json_int_t)row->failed, "best_top1_mean",
                     rt_json_number(row->best.mean), "best_top1_deviation", rt_json_number(row->best.deviation),
                     "last_top1_mean", rt_json_number(row->last.mean), "last_top1_deviation",
                     rt_json_number(row->last.deviation));
}

static rt_status write_text(const char *folder, const char *name, const char *text, rt_error *err)
{
    char *path = text ? rt_path_join(folder, name) : NULL;
    rt_status status = path ? rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, err)
                            : rt_fail(err, RT_ERROR_MEMORY, "no memory for the summary of a sweep");
    free(path);
    return status;
}

rt_status rt_sweep_summary_write(const rt_sweep_runs *runs, const rt_sweep_row *rows, size_t count, rt_error *err)
{
    char *csv = NULL;
    size_t size;
    FILE *file = open_memstream(&csv, &size);
    if (file)
        write_csv(runs, file);
    const bool whole = file && !ferror(file) && fclose(file) == 0;
    rt_status status = write_text(runs->folder, "summary.csv", whole ? csv : NULL, err);
    free(csv);
    if (status != RT_OK)
        return status;
    json_t *list = json_array();
    for (size_t i = 0; i < count; ++i)
        json_array_append_new(list, describe_row(runs, &rows[i]));
    char *text = json_dumps(list, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(list);
    status = write_text(runs->folder, "summary.json", text, err);
    free(text);
    return status;
}
