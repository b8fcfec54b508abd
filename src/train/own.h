/* The arrays of a loss's own (retort/loss.h): their first values, and a place for them outside of a training. */
#ifndef RETORT_TRAIN_OWN_H
#define RETORT_TRAIN_OWN_H

#include "retort/loss.h"

/* The values that array `number` of term `term` starts with: a function of these and the seed alone. */
void rt_own_fill(const rt_own *own, uint64_t seed, uint32_t term, uint32_t number, float *values);

/* Refuses arrays that no loss can mean: without a name or a size, beyond what memory can hold, two of a name. */
rt_status rt_own_check(const rt_loss *loss, const rt_own *own, size_t count, rt_error *err);

/* Memory for all arrays and for the gradients of trained ones, filled, in one block that the caller frees; `data`
 * points into it. */
rt_status rt_own_new(const rt_loss *loss, const rt_own *own, size_t count, uint64_t seed, uint32_t term,
                     rt_own_data *data, void **block, rt_error *err);

#endif
