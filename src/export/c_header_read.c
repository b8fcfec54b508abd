#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/c_header.h"

/* A place in the text. */
typedef struct scanner {
    const char *at;
    bool wrong;
} scanner;

/* Goes behind "NAME_WHAT[...] = {", or behind "NAME = {" where `what` is "". */
static void go_to(scanner *s, const rt_c_name *name, const char *what)
{
    char begin[128];
    snprintf(begin, sizeof begin, *what ? " %s_%s[" : " %s%s = {", name->small, what);
    const char *found = s->wrong ? NULL : strstr(s->at, begin);
    const char *brace = found ? strchr(found, '{') : NULL;
    s->wrong = !brace;
    s->at = brace ? brace + 1 : "";
}

static void next_line(scanner *s)
{
    const char *end = strchr(s->at, '\n');
    s->wrong = s->wrong || !end;
    s->at = end ? end + 1 : "";
}

static const char *next_number(scanner *s)
{
    s->at += strspn(s->at, " \n{},f");
    s->wrong = s->wrong || !strchr("-0123456789", *s->at) || !*s->at;
    return s->wrong ? "0" : s->at;
}

static long next_integer(scanner *s)
{
    char *end;
    long value = strtol(next_number(s), &end, 10);
    s->at = s->wrong ? s->at : end;
    return value;
}

static float next_float(scanner *s)
{
    char *end;
    float value = strtof(next_number(s), &end);
    s->at = s->wrong ? s->at : end;
    return value;
}

static void read_tensor(scanner *s, retort_tensor *tensor)
{
    for (int d = 0; d < RETORT_DIMS; ++d)
        tensor->dims[d] = next_integer(s);
    tensor->constant = (int)next_integer(s);
    tensor->offset = (size_t)next_integer(s);
}

static void read_operator(scanner *s, retort_operator *op)
{
    op->kind = (int)next_integer(s);
    op->output = (int)next_integer(s);
    op->input_count = (int)next_integer(s);
    for (int k = 0; k < RETORT_INPUTS; ++k)
        op->inputs[k] = (int)next_integer(s);
    for (int k = 0; k < RETORT_NUMBERS; ++k)
        op->numbers[k] = next_integer(s);
    for (int k = 0; k < 2; ++k)
        op->reals[k] = next_float(s);
}

static bool same_tensor(const retort_tensor *a, const retort_tensor *b)
{
    return memcmp(a->dims, b->dims, sizeof a->dims) == 0 && a->constant == b->constant && a->offset == b->offset;
}

static bool same_operator(const retort_operator *a, const retort_operator *b)
{
    return a->kind == b->kind && a->output == b->output && a->input_count == b->input_count &&
           a->reals[0] == b->reals[0] && a->reals[1] == b->reals[1] &&
           memcmp(a->inputs, b->inputs, sizeof a->inputs) == 0 &&
           memcmp(a->numbers, b->numbers, sizeof a->numbers) == 0;
}

/* The file's numbers in the order of its text; false where a table is not the expected one. */
static bool read_all(scanner *s, const rt_c_name *name, const retort_network *expected, rt_lowered *to)
{
    bool same = true;
    go_to(s, name, "weights");
    for (size_t i = 0; i < expected->weight_count; ++i)
        to->weights[i] = next_float(s);
    if (expected->step_count > 0)
        go_to(s, name, "steps");
    for (size_t i = 0; i < expected->step_count; ++i)
        to->steps[i] = (signed char)next_integer(s);
    go_to(s, name, "tensors");
    for (int i = 0; i < expected->tensor_count; ++i) {
        read_tensor(s, &to->tensors[i]);
        same = same && same_tensor(&to->tensors[i], &expected->tensors[i]);
    }
    go_to(s, name, "operators");
    for (int i = 0; i < expected->operator_count; ++i) {
        read_operator(s, &to->operators[i]);
        same = same && same_operator(&to->operators[i], &expected->operators[i]);
    }
    go_to(s, name, "");
    next_line(s);
    next_line(s); /* the first has the tables' names */
    const long last[] = {expected->tensor_count,     expected->operator_count,     expected->input,
                         expected->output,           (long)expected->weight_count, (long)expected->step_count,
                         (long)expected->arena_count};
    for (size_t i = 0; i < sizeof last / sizeof *last; ++i)
        same = next_integer(s) == last[i] && same;
    return same;
}

rt_status rt_c_header_read(const char *path, const rt_c_name *name, const rt_lowered *expected, rt_lowered *lowered,
                           rt_error *err)
{
    const retort_network *n = &expected->network;
    rt_bytes file;
    *lowered = *expected;
    RT_TRY(rt_file_read(path, SIZE_MAX / 2, &file, err));
    lowered->tensors = calloc((size_t)n->tensor_count + 1, sizeof *lowered->tensors);
    lowered->operators = calloc((size_t)n->operator_count + 1, sizeof *lowered->operators);
    lowered->weights = calloc(n->weight_count + 1, sizeof *lowered->weights);
    lowered->steps = calloc(n->step_count + 1, sizeof *lowered->steps);
    rt_status status = RT_OK;
    if (!lowered->tensors || !lowered->operators || !lowered->weights || !lowered->steps)
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu weights", n->weight_count);
    scanner s = {.at = (const char *)file.data};
    if (status == RT_OK && (!read_all(&s, name, n, lowered) || s.wrong))
        status = rt_fail(err, RT_ERROR_FORMAT, "'%s' does not hold the tables that were written", path);
    lowered->network.tensors = lowered->tensors;
    lowered->network.operators = lowered->operators;
    lowered->network.weights = lowered->weights;
    lowered->network.steps = lowered->steps;
    rt_bytes_free(&file);
    if (status != RT_OK)
        rt_lowered_free(lowered);
    return status;
}
