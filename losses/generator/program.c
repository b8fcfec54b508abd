#include "program.h"

#include <stdbool.h>
#include <string.h>

#include "retort/exponential.h"
#include "retort/logarithm.h"

enum { BLOCK = 64, U = 0, LOG_U = 1, NONE = RT_PROGRAM_REGISTERS, FOREVER = RT_FORMULA_NODES };

static bool is_binary(const rt_formula_node *node)
{
    return node->kind >= RT_FORMULA_ADD && node->kind <= RT_FORMULA_GATE;
}

static bool is_given(const rt_formula *formula, int node)
{
    const rt_formula_node *this = &formula->nodes[node];
    return this->kind == RT_FORMULA_U ||
           (this->kind == RT_FORMULA_LOG && formula->nodes[this->left].kind == RT_FORMULA_U);
}

/* For each node the last that reads it, FOREVER for results; -1 where nobody does. */
static void find_last_readers(const rt_formula *formula, const int roots[2], int *last)
{
    for (int i = 0; i < formula->count; ++i)
        last[i] = -1;
    last[roots[0]] = last[roots[1]] = FOREVER;
    for (int i = formula->count - 1; i > 0; --i) {
        const rt_formula_node *node = &formula->nodes[i];
        if (last[i] < 0 || is_given(formula, i) || node->kind < RT_FORMULA_ADD)
            continue;
        if (last[node->left] < i)
            last[node->left] = i;
        if (is_binary(node) && last[node->right] < i)
            last[node->right] = i;
    }
}

rt_status rt_program_compile(rt_program *program, const rt_formula *formula, const int roots[2], rt_error *err)
{
    int last[RT_FORMULA_NODES], owner[RT_PROGRAM_REGISTERS];
    unsigned char place[RT_FORMULA_NODES] = {0};
    find_last_readers(formula, roots, last);
    for (int r = 0; r < RT_PROGRAM_REGISTERS; ++r)
        owner[r] = -1;
    *program = (rt_program){0};
    for (int i = 0; i < formula->count; ++i) {
        const rt_formula_node *node = &formula->nodes[i];
        place[i] = node->kind == RT_FORMULA_U ? U : LOG_U;
        if (last[i] < 0 || is_given(formula, i))
            continue;
        unsigned char to = LOG_U + 1; /* the first register whose value nobody reads from here on, nor here */
        while (to < NONE && owner[to] >= 0 && last[owner[to]] >= i)
            ++to;
        if (to == NONE)
            return rt_fail(err, RT_ERROR_USAGE, "it needs more than %d numbers at once", NONE - LOG_U - 1);
        owner[to] = i;
        place[i] = to;
        program->operations[program->count++] =
            (rt_operation){node->kind, to, place[node->left], place[node->right], node->number};
    }
    program->results[0] = place[roots[0]], program->results[1] = place[roots[1]];
    return RT_OK;
}

/* One operation on a block. */
RT_WIDE_INLINE void operate(const rt_operation *operation, const double *restrict x, const double *restrict y,
                            double *restrict to, size_t count)
{
#define EACH(result)                                                                                                   \
    for (size_t k = 0; k < count; ++k)                                                                                 \
        to[k] = result;                                                                                                \
    break
    switch (operation->kind) {
    case RT_FORMULA_NUMBER:
        EACH(operation->number);
    case RT_FORMULA_ADD:
        EACH(x[k] + y[k]);
    case RT_FORMULA_SUBTRACT:
        EACH(x[k] - y[k]);
    case RT_FORMULA_MULTIPLY:
        EACH(x[k] * y[k]);
    case RT_FORMULA_DIVIDE:
        EACH(x[k] / y[k]);
    case RT_FORMULA_MIN:
        EACH(x[k] < y[k] ? x[k] : y[k]);
    case RT_FORMULA_MAX:
        EACH(x[k] > y[k] ? x[k] : y[k]);
    case RT_FORMULA_GATE:
        EACH(x[k] == 0.0 ? 0.0 : x[k] * y[k]);
    case RT_FORMULA_NEGATE:
        EACH(-x[k]);
    case RT_FORMULA_LOG:
        EACH(rt_log(x[k]));
    case RT_FORMULA_EXP:
        EACH(rt_exp(x[k]));
    case RT_FORMULA_SQRT:
        EACH(sqrt(x[k]));
    case RT_FORMULA_ABS:
        EACH(fabs(x[k]));
    case RT_FORMULA_SIGN:
        EACH((x[k] > 0.0 ? 1.0 : 0.0) - (x[k] < 0.0 ? 1.0 : 0.0));
    case RT_FORMULA_U:
        break;
    }
#undef EACH
}

RT_WIDE void rt_program_run(const rt_program *program, const double *u, const double *log_u, size_t count,
                            double *first, double *second)
{
    double registers[RT_PROGRAM_REGISTERS][BLOCK]; /* but for 0 and 1 */
    const double *values[RT_PROGRAM_REGISTERS];
    double *places[RT_PROGRAM_REGISTERS];
    unsigned char one = program->results[0], other = program->results[1];
    for (size_t r = 0; r < RT_PROGRAM_REGISTERS; ++r)
        values[r] = places[r] = registers[r];
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t length = count - start < BLOCK ? count - start : BLOCK;
        values[U] = u + start, values[LOG_U] = log_u + start;
        if (one > LOG_U) /* results are computed where they are wanted */
            values[one] = places[one] = first + start;
        if (other > LOG_U && other != one)
            values[other] = places[other] = second + start;
        for (int i = 0; i < program->count; ++i) {
            const rt_operation *operation = &program->operations[i];
            operate(operation, values[operation->left], values[operation->right], places[operation->to], length);
        }
        if (one <= LOG_U)
            memcpy(first + start, values[one], length * sizeof *first);
        if (other <= LOG_U || other == one)
            memcpy(second + start, values[other], length * sizeof *second);
    }
}
