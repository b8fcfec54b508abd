/* How a check says what it found. */
#ifndef RETORT_CHECK_VERDICT_H
#define RETORT_CHECK_VERDICT_H

#include "check/specimen.h"

/* The place of element `index` in an array. */
typedef struct rt_place {
    char text[96]; /* "'student.logits' [2, 7]" */
} rt_place;

rt_place rt_place_of(const char *array, const rt_shape *shape, size_t index);

/* The result becomes a failure; only the first one is kept. `place` may be NULL; expected and got are NAN where there
 * are none. The words say what was wrong; where it was is put before them. */
void rt_check_fail(rt_check_result *result, const rt_specimen *specimen, const rt_place *place, double expected,
                   double got, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Whether |got - expected| <= allowed, counted; NaN is never within. Keeps the worst error. */
bool rt_check_within(rt_check_result *result, double expected, double got, double allowed);

/* Calls look() for a specimen of every small size that the loss does not refuse, with two seeds each, until one fails.
 * look() sees all gradients zeroed. */
rt_status rt_check_each(const rt_check_subject *subject, rt_check_result *result,
                        rt_status (*look)(rt_specimen *specimen, rt_check_result *result, rt_error *err),
                        rt_error *err);

/* Whether a loss that fails in a run has failed the check: then the result says so and RT_OK is returned. Want of
 * memory is an error still. */
rt_status rt_check_ran(rt_check_result *result, const rt_specimen *specimen, rt_status status, rt_error *err);

#endif
