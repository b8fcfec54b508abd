#include "train/state.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"

/* The fields in the order of the text. Hexadecimal floats keep every bit. */
enum { COUNTS = 8, NUMBERS = 8 };

static void list_fields(rt_training_state *state, int64_t *counts[COUNTS], double *numbers[NUMBERS])
{
    int64_t *const all_counts[COUNTS] = {
        &state->epoch,
        &state->batch,
        &state->step,
        &state->best_epoch,
        (int64_t *)&state->train.samples,
        (int64_t *)&state->train.top1,
        (int64_t *)&state->train.top5,
        (int64_t *)&state->train.not_finite,
    };
    double *const all_numbers[NUMBERS] = {
        &state->train.cross_entropy_sum,
        &state->loss,
        &state->seconds,
        &state->best_top1,
        &state->best_top5,
        &state->best_test_top1,
        &state->best_test_top5,
        &state->total_seconds,
    };
    memcpy(counts, all_counts, sizeof all_counts);
    memcpy(numbers, all_numbers, sizeof all_numbers);
}

rt_status rt_training_state_write(const rt_training_state *state, size_t terms, char *text, size_t size, rt_error *err)
{
    rt_training_state copy = *state;
    int64_t *counts[COUNTS];
    double *numbers[NUMBERS];
    list_fields(&copy, counts, numbers);
    size_t used = 0;
    for (size_t i = 0; i < COUNTS && used < size; ++i)
        used += (size_t)snprintf(text + used, size - used, "%lld ", (long long)*counts[i]);
    for (size_t i = 0; i < NUMBERS && used < size; ++i)
        used += (size_t)snprintf(text + used, size - used, "%a ", *numbers[i]);
    for (size_t i = 0; i < terms && used < size; ++i)
        used += (size_t)snprintf(text + used, size - used, "%a ", state->losses[i]);
    return used < size ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "the state of the training is too long to save");
}

rt_status rt_training_state_read(const char *text, size_t terms, rt_training_state *state, rt_error *err)
{
    *state = (rt_training_state){0};
    int64_t *counts[COUNTS];
    double *numbers[NUMBERS];
    list_fields(state, counts, numbers);
    char *end = (char *)(uintptr_t)text;
    rt_quote quote;
    bool good = true;
    for (size_t i = 0; i < COUNTS && good; ++i) {
        const char *start = end;
        *counts[i] = strtoll(start, &end, 10);
        good = end != start && *counts[i] >= 0;
    }
    for (size_t i = 0; i < NUMBERS + terms && good; ++i) {
        const char *start = end;
        double value = strtod(start, &end);
        good = end != start && isfinite(value);
        *(i < NUMBERS ? numbers[i] : &state->losses[i - NUMBERS]) = value;
    }
    if (!good || end[strspn(end, " ")] != '\0')
        return rt_fail(err, RT_ERROR_FORMAT, "the saved state of the training cannot be read: '%s'",
                       rt_quote_text(&quote, text, strlen(text)));
    return RT_OK;
}
