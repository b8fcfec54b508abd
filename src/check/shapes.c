/* Which shapes a loss takes. It may refuse some: a batch of one where samples are compared, features of different
 * sizes. What it takes is all that the other checks see, so there must be something to see. */
#include <math.h>
#include <stdio.h>

#include "check/checks.h"
#include "check/verdict.h"

rt_status rt_check_shapes(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    rt_error refusal = {0};
    size_t refused = 0;
    for (size_t i = 0; i < rt_small_size_count; ++i) {
        rt_specimen *specimen;
        rt_error why = {0};
        rt_status status = rt_specimen_new(subject, &rt_small_sizes[i], subject->seed, &specimen, &why);
        rt_specimen_free(specimen);
        ++result->cases;
        if (status == RT_OK)
            continue;
        if (status != RT_ERROR_SHAPE && status != RT_ERROR_USAGE)
            return rt_fail(err, status, "%s", why.message);
        refusal = why;
        ++refused;
    }
    if (refused > 0)
        snprintf(result->note, sizeof result->note, "%zu of %zu refused", refused, result->cases);
    if (2 * refused > result->cases)
        rt_check_fail(result, NULL, NULL, NAN, NAN, "%zu of %zu shapes are refused, the last with: %.400s", refused,
                      result->cases, refusal.message);
    return RT_OK;
}
