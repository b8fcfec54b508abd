/* What `retort check` says of weights: what `strict: false` lets pass, and whether teachers do what is expected of
 * them. */
#ifndef RETORT_CLI_CHECK_WEIGHTS_H
#define RETORT_CLI_CHECK_WEIGHTS_H

#include "train/rehearsal.h"

void rt_check_print_gaps(const rt_rehearsal *rehearsal, const rt_recipe *recipe);

/* Measures each teacher that has `expect`, on 1024 of the test images spread evenly over them, or on `all`, as a
 * training does before it begins. A teacher that is further off than its tolerance, and than chance makes on so few, is
 * an error. */
rt_status rt_check_print_expectations(const rt_rehearsal *rehearsal, rt_engine *engine, const rt_recipe *recipe,
                                      bool all, rt_error *err);

#endif
