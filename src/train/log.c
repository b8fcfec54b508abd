#include "train/log.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static json_t *begin(const char *event)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return json_pack("{s:f, s:s}", "time", (double)now.tv_sec + 1e-9 * (double)now.tv_nsec, "event", event);
}

/* Appends the line in one write, so that lines of a killed run are whole but for the last. Takes the object over. */
static rt_status append(const char *path, json_t *line, rt_error *err)
{
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(line);
    if (!text)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a line of '%s'", path);
    FILE *file = fopen(path, "ae");
    bool written = file && fprintf(file, "%s\n", text) > 0;
    int failure = errno;
    if (file && fclose(file) != 0 && written) {
        written = false;
        failure = errno;
    }
    free(text);
    return written ? RT_OK : rt_fail(err, RT_ERROR_FILE, "cannot append to '%s': %s", path, strerror(failure));
}

static void add_metrics(json_t *line, const char *name, const rt_metrics *metrics)
{
    if (metrics)
        json_object_set_new(line, name,
                            json_pack("{s:f, s:f, s:f}", "top1", rt_metrics_top1(metrics), "top5",
                                      rt_metrics_top5(metrics), "cross_entropy", rt_metrics_cross_entropy(metrics)));
}

rt_status rt_log_epoch(const char *path, const rt_epoch_row *row, const rt_loss_recipe *terms, size_t term_count,
                       rt_error *err)
{
    json_t *line = begin("epoch"), *list = json_array();
    for (size_t i = 0; i < term_count; ++i)
        json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "name", terms[i].loss->name, "weight",
                                              terms[i].weight, "value", row->losses[i]));
    json_object_set_new(line, "epoch", json_integer(row->epoch));
    json_object_set_new(line, "lr", json_real(row->learning_rate));
    json_object_set_new(line, "loss", json_real(row->loss));
    json_object_set_new(line, "terms", list);
    add_metrics(line, "train", row->train);
    add_metrics(line, "validation", row->validation);
    add_metrics(line, "test", row->test);
    json_object_set_new(line, "images_per_s", json_real(row->images_per_s));
    json_object_set_new(line, "seconds", json_real(row->seconds));
    return append(path, line, err);
}

rt_status rt_log_event(const char *path, const char *event, const char *detail, rt_error *err)
{
    json_t *line = begin(event);
    if (detail)
        json_object_set_new(line, "detail", json_string(detail));
    return append(path, line, err);
}
