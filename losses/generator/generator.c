#include "generator.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The grid on which f must be convex: u = e^(i / PER_UNIT), |i| <= REACH. NARROWEST is how far f must at least be
 * finite to both sides; a generator such as exp(u) overflows early. */
enum { PER_UNIT = 64, REACH = 20 * PER_UNIT, POINTS = 2 * REACH + 1, NARROWEST = 5 * PER_UNIT };

/* What the checks need: f and, of f' or phi, what the program computes beside it. */
struct grid {
    double u[POINTS], log_u[POINTS], f[POINTS], slope[POINTS];
};

static void fill(struct grid *grid, const rt_program *program, double step)
{
    for (int i = 0; i < POINTS; ++i) {
        grid->log_u[i] = (double)(i - REACH) * step;
        grid->u[i] = exp(grid->log_u[i]);
    }
    rt_program_run(program, grid->u, grid->log_u, POINTS, grid->f, grid->slope);
}

/* How many points to one side of u = 1 are finite before the first that is not. */
static int finite_points(const struct grid *grid, int side)
{
    int i = 0;
    while (i < REACH && isfinite(grid->f[REACH + side * (i + 1)]) && isfinite(grid->slope[REACH + side * (i + 1)]))
        ++i;
    return i;
}

static rt_status check_finite(const struct grid *grid, int points, int side, rt_error *err)
{
    if (points == REACH)
        return RT_OK;
    int at = REACH + side * (points + 1);
    bool overflows = points >= NARROWEST && grid->f[at] > 0.0; /* NaN is not */
    bool slope_does = points >= NARROWEST && isfinite(grid->f[at]);
    if (overflows || slope_does)
        return RT_OK;
    return rt_fail(err, RT_ERROR_USAGE, "at u = %.6g its %s is %g; it must be finite", grid->u[at],
                   isfinite(grid->f[at]) ? "slope" : "value", isfinite(grid->f[at]) ? grid->slope[at] : grid->f[at]);
}

/* Its slope must not fall, but for rounding. */
static rt_status check_convex(const struct grid *grid, int first, int last, rt_error *err)
{
    const double *slope = grid->slope;
    for (int i = first; i < last; ++i) {
        double rounding = 1e-9 * (1.0 + fabs(slope[i]) + fabs(slope[i + 1]));
        if (slope[i + 1] >= slope[i] - rounding)
            continue;
        int end = i + 1;
        while (end < last && slope[end + 1] < slope[end])
            ++end;
        return rt_fail(err, RT_ERROR_USAGE,
                       "it is not convex: from u = %.6g to %.6g its slope falls from %.6g to %.6g, by %.6g", grid->u[i],
                       grid->u[end], slope[i], slope[end], slope[i] - slope[end]);
    }
    if (slope[last] - slope[first] <= 1e-9 * (1.0 + fabs(slope[first])))
        return rt_fail(err, RT_ERROR_USAGE, "it is a straight line, for which every student is as good as the teacher");
    return RT_OK;
}

static rt_status check(struct grid *grid, const rt_program *f_and_slope, rt_generator *generator, rt_error *err)
{
    fill(grid, f_and_slope, 1.0 / PER_UNIT);
    generator->at_one = grid->f[REACH];
    if (!(fabs(generator->at_one) <= 1e-9))
        return rt_fail(err, RT_ERROR_USAGE, "at u = 1 it is %.6g; it must be 0", generator->at_one);
    if (!isfinite(grid->slope[REACH]))
        return rt_fail(err, RT_ERROR_USAGE, "at u = 1 its slope is %g; it must be finite", grid->slope[REACH]);
    int below = finite_points(grid, -1), above = finite_points(grid, 1);
    RT_TRY(check_finite(grid, below, -1, err));
    RT_TRY(check_finite(grid, above, 1, err));
    return check_convex(grid, REACH - below, REACH + above, err);
}

/* The widest range about 1 in which f and phi are finite, in steps of REACH'th parts of e^700. */
static void find_range(struct grid *grid, rt_generator *generator)
{
    const double step = 700.0 / REACH;
    fill(grid, &generator->program, step);
    generator->log_least = -step * (double)finite_points(grid, -1);
    generator->log_most = step * (double)finite_points(grid, 1);
}

static rt_status build(const char *text, rt_formula *formula, struct grid *grid, rt_generator *generator, rt_error *err)
{
    int f;
    RT_TRY(rt_formula_parse(formula, text, &f, err));
    int slope = rt_formula_derive(formula, f), u = rt_formula_u(formula);
    int product = rt_formula_binary(formula, RT_FORMULA_MULTIPLY, u, slope);
    int phi = rt_formula_binary(formula, RT_FORMULA_SUBTRACT, product, f);
    if (phi == RT_FORMULA_FULL)
        return rt_fail(err, RT_ERROR_USAGE, "its derivative needs more than %d operations", RT_FORMULA_NODES);
    rt_program f_and_slope;
    RT_TRY(rt_program_compile(&f_and_slope, formula, (int[]){f, slope}, err));
    RT_TRY(rt_program_compile(&generator->program, formula, (int[]){f, phi}, err));
    RT_TRY(check(grid, &f_and_slope, generator, err));
    find_range(grid, generator);
    return RT_OK;
}

/* For messages: what is not a printable character becomes '?', what is too long is cut. */
static void quote(const char *text, char *quoted, size_t size)
{
    size_t length = strlen(text);
    bool cut = length >= size;
    length = cut ? size - 4 : length;
    for (size_t i = 0; i < length; ++i)
        quoted[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7F ? '?' : text[i];
    strcpy(quoted + length, cut ? "..." : "");
}

rt_status rt_generator_new(const char *text, rt_generator **generator, rt_error *err)
{
    rt_error inner = {0};
    rt_formula *formula = calloc(1, sizeof *formula);
    struct grid *grid = malloc(sizeof *grid);
    rt_generator *made = calloc(1, sizeof *made);
    rt_status status = RT_ERROR_MEMORY;
    if (!formula || !grid || !made) {
        rt_fail(err, status, "no memory for generator");
        goto done;
    }
    status = build(text, formula, grid, made, &inner);
    if (status != RT_OK) {
        char quoted[RT_FORMULA_LONGEST + 1];
        quote(text, quoted, sizeof quoted);
        rt_fail(err, status, "generator '%s': %s", quoted, inner.message);
        goto done;
    }
    *generator = made;
    made = NULL;
done:
    free(formula);
    free(grid);
    rt_generator_free(made);
    return status;
}

void rt_generator_run(const rt_generator *generator, const double *u, const double *log_u, size_t count, double *f,
                      double *phi)
{
    rt_program_run(&generator->program, u, log_u, count, f, phi);
    for (size_t k = 0; k < count && generator->at_one != 0.0; ++k) {
        f[k] -= generator->at_one;
        phi[k] += generator->at_one;
    }
}

void rt_generator_free(rt_generator *generator)
{
    free(generator);
}
