/* The checks, a function each; rt_checks[] in check.c has the question that each answers. */
#ifndef RETORT_CHECK_CHECKS_H
#define RETORT_CHECK_CHECKS_H

#include "check/check.h"

#define RT_CHECK(name)                                                                                                 \
    rt_status rt_check_##name(const rt_check_subject *subject, rt_check_result *result, rt_error *err)

RT_CHECK(shapes);           /* shapes.c */
RT_CHECK(differences);      /* differences.c */
RT_CHECK(finite);           /* extremes.c */
RT_CHECK(not_finite);       /* extremes.c */
RT_CHECK(added);            /* contract.c */
RT_CHECK(weighted);         /* contract.c */
RT_CHECK(unchanged_inputs); /* contract.c */
RT_CHECK(memory);           /* memory.c */
RT_CHECK(repeatable);       /* memory.c */
RT_CHECK(threads);          /* memory.c */
RT_CHECK(non_negative);     /* properties.c */
RT_CHECK(zero_at_equality); /* properties.c */
RT_CHECK(shift_invariant);  /* properties.c */
RT_CHECK(speed);            /* speed.c */

#endif
