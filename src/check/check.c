#include "check/check.h"

#include <string.h>

#include "base/threads.h"
#include "check/checks.h"

const rt_check rt_checks[] = {
    {"shapes", "does it take most of the shapes that its ports allow?", rt_check_shapes},
    {"differences", "are gradients those of the value?", rt_check_differences},
    {"finite", "are value and gradients finite, whatever finite numbers come in?", rt_check_finite},
    {"not_finite", "does NaN or infinity in an input show in the value?", rt_check_not_finite},
    {"added", "are gradients added to what is there?", rt_check_added},
    {"weighted", "does the weight multiply gradients, and not the value?", rt_check_weighted},
    {"inputs", "are inputs left as they are?", rt_check_unchanged_inputs},
    {"memory", "does it write only where it may, and book what it needs?", rt_check_memory},
    {"repeatable", "is every run a function of its inputs alone, after a larger batch as well?", rt_check_repeatable},
    {"threads", "are the bits the same with 1, 2 and 3 threads?", rt_check_threads},
    {"non_negative", "is the value never negative, as declared?", rt_check_non_negative},
    {"zero_at_equality", "are value and gradients 0 where student and teacher are equal, as declared?",
     rt_check_zero_at_equality},
    {"shift_invariant", "does a number added to a sample's logits change nothing, as declared?",
     rt_check_shift_invariant},
    {"speed", "how long does it take?", rt_check_speed},
};
const size_t rt_check_count = sizeof rt_checks / sizeof *rt_checks;

const rt_check *rt_check_find(const char *name)
{
    for (size_t i = 0; i < rt_check_count; ++i)
        if (strcmp(rt_checks[i].name, name) == 0)
            return &rt_checks[i];
    return NULL;
}

rt_status rt_check_run(const rt_check *check, const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    int threads = rt_threads_count();
    *result = (rt_check_result){0};
    rt_status status = check->run(subject, result, err);
    if (rt_threads_count() != threads)
        rt_threads_start(threads);
    return status;
}
