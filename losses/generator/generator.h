/* The generator of an f-divergence: a convex function f of u > 0 with f(1) = 0, given as a text.
 *
 *     rt_generator *generator;
 *     RT_TRY(rt_generator_new("u*log(u)", &generator, err));
 *     rt_generator_run(generator, u, log_u, classes, f, phi);
 *     rt_generator_free(generator);
 *
 * phi(u) = u f'(u) - f(u) is what gradients need. f is checked before it is used: finite, zero at 1, convex and not a
 * straight line, on a grid of 2561 points from u = e^-20 to e^20. */
#ifndef LOSSES_GENERATOR_GENERATOR_H
#define LOSSES_GENERATOR_GENERATOR_H

#include <stddef.h>

#include "program.h"

typedef struct rt_generator {
    rt_program program;
    double at_one;              /* f(1), which is 0 but for rounding */
    double log_least, log_most; /* of the range of u where f and phi are finite, at most e^-700 to e^700 */
} rt_generator;

/* Errors repeat the text and say what is wrong with it, and where. */
rt_status rt_generator_new(const char *text, rt_generator **generator, rt_error *err);

/* f and phi [count] are overwritten with f(u) - f(1) and phi(u) + f(1); u [count] and its logarithm must be within the
 * generator's range. No array may overlap another. */
void rt_generator_run(const rt_generator *generator, const double *u, const double *log_u, size_t count, double *f,
                      double *phi);

void rt_generator_free(rt_generator *generator); /* accepts NULL */

#endif
