#include "train/results.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static rt_status append(rt_results *results, rt_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static rt_status append(rt_results *results, rt_error *err, const char *format, ...)
{
    char piece[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof piece)
        return rt_fail(err, RT_ERROR_USAGE, "'%s': a value of %d characters; at most %zu are possible", results->path,
                       length, sizeof piece - 1);
    if (results->length + (size_t)length + 1 > results->capacity) {
        size_t wanted = 2 * (results->length + sizeof piece);
        char *larger = realloc(results->text, wanted);
        if (!larger)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for '%s'", results->path);
        results->text = larger;
        results->capacity = wanted;
    }
    memcpy(results->text + results->length, piece, (size_t)length + 1);
    results->length += (size_t)length;
    return RT_OK;
}

/* How many terms before this one are of the same kind. */
static size_t earlier(const rt_loss_recipe *terms, size_t i)
{
    size_t count = 0;
    for (size_t j = 0; j < i; ++j)
        count += terms[j].loss == terms[i].loss;
    return count;
}

void rt_term_name(const rt_loss_recipe *terms, size_t term, char name[RT_TERM_NAME])
{
    size_t before = earlier(terms, term);
    if (before == 0)
        snprintf(name, RT_TERM_NAME, "%s", terms[term].loss->name);
    else
        snprintf(name, RT_TERM_NAME, "%.480s_%zu", terms[term].loss->name, before + 1);
}

static rt_status write_header(rt_results *results, const rt_loss_recipe *terms, size_t term_count, bool validation,
                              rt_error *err)
{
    RT_TRY(append(results, err, "epoch,lr,loss"));
    for (size_t i = 0; i < term_count; ++i) {
        char name[RT_TERM_NAME];
        rt_term_name(terms, i, name);
        RT_TRY(append(results, err, ",%s", name));
    }
    RT_TRY(append(results, err, ",train_top1,train_top5"));
    if (validation)
        RT_TRY(append(results, err, ",validation_top1,validation_top5,validation_cross_entropy"));
    return append(results, err, ",test_top1,test_top5,test_cross_entropy,images_per_s,seconds\n");
}

/* The rows of an earlier run up to `epochs`; its header must be the one that this run would write. */
static rt_status take_back(rt_results *results, int64_t epochs, rt_error *err)
{
    rt_bytes bytes = {0};
    RT_TRY(rt_file_read(results->path, (size_t)1 << 26, &bytes, err));
    const char *text = (const char *)bytes.data;
    rt_status status = RT_OK;
    if (strncmp(text, results->text, results->length) != 0)
        status = rt_fail(err, RT_ERROR_FORMAT, "'%s' has other columns than this run", results->path);
    const char *row = text + results->length;
    for (int64_t i = 0; status == RT_OK && i < epochs; ++i) {
        const char *end = strchr(row, '\n');
        if (!end || end - row > 4000)
            status = rt_fail(err, RT_ERROR_FORMAT, "'%s' ends before epoch %lld", results->path, (long long)epochs);
        for (; status == RT_OK && row <= end; row += 200)
            status = append(results, err, "%.*s", (int)(end + 1 - row < 200 ? end + 1 - row : 200), row);
        row = end ? end + 1 : row;
    }
    rt_bytes_free(&bytes);
    return status;
}

rt_status rt_results_open(rt_results *results, const char *path, const rt_loss_recipe *terms, size_t term_count,
                          bool validation, int64_t epochs, rt_error *err)
{
    *results = (rt_results){.path = strdup(path)};
    rt_status status = results->path ? write_header(results, terms, term_count, validation, err)
                                     : rt_fail(err, RT_ERROR_MEMORY, "no memory for '%s'", path);
    if (status == RT_OK && epochs > 0)
        status = take_back(results, epochs, err);
    if (status != RT_OK)
        rt_results_close(results);
    return status;
}

rt_status rt_results_add(rt_results *results, const rt_epoch_row *row, size_t term_count, rt_error *err)
{
    RT_TRY(append(results, err, "%lld,%.9g,%.9g", (long long)row->epoch, row->learning_rate, row->loss));
    for (size_t i = 0; i < term_count; ++i)
        RT_TRY(isnan(row->losses[i]) ? append(results, err, ",") : append(results, err, ",%.9g", row->losses[i]));
    RT_TRY(append(results, err, ",%.4f,%.4f", rt_metrics_top1(row->train), rt_metrics_top5(row->train)));
    const rt_metrics *sets[] = {row->validation, row->test};
    for (size_t i = 0; i < 2; ++i)
        if (sets[i])
            RT_TRY(append(results, err, ",%.4f,%.4f,%.9g", rt_metrics_top1(sets[i]), rt_metrics_top5(sets[i]),
                          rt_metrics_cross_entropy(sets[i])));
    RT_TRY(append(results, err, ",%.1f,%.3f\n", row->images_per_s, row->seconds));
    const rt_piece whole = {results->text, results->length};
    return rt_file_write(results->path, &whole, 1, err);
}

void rt_results_close(rt_results *results)
{
    free(results->path);
    free(results->text);
    *results = (rt_results){0};
}
