#include "train/log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "formats/json.h"

static json_t *begin(const char *event)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return json_pack("{s:f, s:s}", "time", (double)now.tv_sec + 1e-9 * (double)now.tv_nsec, "event", event);
}

/* A run that was killed, or whose disk was full, may have left half a line: it stays, and ends there. */
static bool is_torn(const char *path)
{
    FILE *file = fopen(path, "re");
    bool torn = file && fseek(file, -1, SEEK_END) == 0 && fgetc(file) != '\n';
    if (file)
        fclose(file);
    return torn;
}

/* Appends the line. Takes the object over. */
static rt_status append(const char *path, json_t *line, rt_error *err)
{
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(line);
    if (!text)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a line of '%s'", path);
    const char *before = is_torn(path) ? "\n" : "";
    FILE *file = fopen(path, "ae");
    bool written = file && fprintf(file, "%s%s\n", before, text) > 0;
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
                            json_pack("{s:o, s:o, s:o}", "top1", rt_json_number(rt_metrics_top1(metrics)), "top5",
                                      rt_json_number(rt_metrics_top5(metrics)), "cross_entropy",
                                      rt_json_number(rt_metrics_cross_entropy(metrics))));
}

rt_status rt_log_epoch(const char *path, const rt_epoch_row *row, const rt_loss_recipe *terms, size_t term_count,
                       rt_error *err)
{
    json_t *line = begin("epoch"), *list = json_array();
    char name[RT_TERM_NAME];
    for (size_t i = 0; i < term_count; ++i) {
        rt_term_name(terms, i, name);
        json_array_append_new(list, json_pack("{s:s, s:f, s:o}", "name", name, "weight", row->weights[i], "value",
                                              rt_json_number(row->losses[i])));
    }
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

rt_status rt_log_gradients(const char *path, const rt_monitor *monitor, rt_error *err)
{
    json_t *line = begin("gradients"), *list = json_array();
    char name[RT_TERM_NAME];
    for (size_t i = 0; i < monitor->term_count; ++i) {
        const rt_term_gradient *gradient = &monitor->terms[i];
        rt_term_name(monitor->losses, i, name);
        json_t *term = json_pack("{s:s}", "name", name);
        if (monitor->recipe->monitored[RT_MONITOR_NORM]) {
            json_object_set_new(term, "norm", rt_json_number(gradient->norm));
            json_object_set_new(term, "feature_norm", rt_json_number(gradient->feature_norm));
        }
        if (monitor->recipe->monitored[RT_MONITOR_COSINE])
            json_object_set_new(term, "cosine", rt_json_number(gradient->cosine));
        json_array_append_new(list, term);
    }
    json_object_set_new(line, "step", json_integer(monitor->step));
    json_object_set_new(line, "terms", list);
    return append(path, line, err);
}

rt_status rt_log_event(const char *path, const char *event, const char *detail, rt_error *err)
{
    json_t *line = begin(event);
    if (detail)
        json_object_set_new(line, "detail", json_string(detail));
    return append(path, line, err);
}
