/* What a loss promises, put to the test: the checks behind `retort gradcheck` and behind the tests of built-in losses.
 *
 *     rt_check_subject subject = {.loss = loss, .settings = settings, .seed = 0};
 *     for (size_t i = 0; i < rt_check_count; ++i) {
 *         rt_check_result result;
 *         RT_TRY(rt_check_run(&rt_checks[i], &subject, &result, err));
 *         if (result.verdict == RT_CHECK_FAILED)
 *             puts(result.failure.words);
 *     }
 *
 * Everything follows from the descriptor: each letter of the ports' shapes gets several sizes, arrays are made up, and
 * the loss runs as it would in a training, its own arrays included. A verdict is a result, not an error: errors are
 * want of memory, or a loss that refuses its own settings. */
#ifndef RETORT_CHECK_CHECK_H
#define RETORT_CHECK_CHECK_H

#include "retort/loss.h"

typedef struct rt_check_subject {
    const rt_loss *loss;
    const void *settings;   /* loss->state_size bytes with the parameters written in; borrowed */
    uint64_t seed;          /* of what is made up */
    const rt_loss *measure; /* whose speed the loss's is compared with; NULL for none */
    const void *measure_settings;
} rt_check_subject;

typedef enum rt_check_verdict {
    RT_CHECK_PASSED,
    RT_CHECK_FAILED,
    RT_CHECK_DOES_NOT_APPLY /* the loss does not declare the property, or has nothing that could be checked */
} rt_check_verdict;

/* The first case that failed. */
typedef struct rt_check_failure {
    char words[1024]; /* one sentence with all of the following in it */
    char shapes[256]; /* "student.logits [5, 10], labels [5]" */
    char element[96]; /* "'student.logits' [2, 7]", empty where no single one is to blame */
    uint64_t seed;
    double expected, got; /* NAN where there are no two numbers to compare */
} rt_check_failure;

typedef struct rt_check_result {
    rt_check_verdict verdict;
    size_t cases;    /* times that arrays were made up */
    size_t compared; /* numbers that were compared */
    size_t kinks;    /* of these, points where the loss is not smooth: there only the sides bound the gradient */
    double worst;    /* the largest error, as a share of what was allowed */
    double seconds;  /* speed: of a run on a batch of 64 */
    double ratio;    /* speed: to the measure; 0 where there is none */
    char note[128];  /* figures in words; may be empty */
    rt_check_failure failure;
} rt_check_result;

typedef struct rt_check {
    const char *name;
    const char *question; /* that a passed check answers with yes */
    rt_status (*run)(const rt_check_subject *subject, rt_check_result *result, rt_error *err);
} rt_check;

extern const rt_check rt_checks[];
extern const size_t rt_check_count;

/* Runs one check; overwrites *result. The number of compute threads is what it was, afterwards. */
rt_status rt_check_run(const rt_check *check, const rt_check_subject *subject, rt_check_result *result, rt_error *err);

/* The check of that name, or NULL. */
const rt_check *rt_check_find(const char *name);

#endif
