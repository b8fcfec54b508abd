/* Several teachers as one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/teacher_state.h"

/* "teacher 0: memo ...; teacher 1: no memo: ..." */
static void describe_memos(rt_teacher *joint)
{
    size_t used = 0;
    for (size_t m = 0; m < joint->member_count && used < sizeof joint->words; ++m)
        used += (size_t)snprintf(joint->words + used, sizeof joint->words - used, "%steacher %zu: %s", m ? "; " : "", m,
                                 joint->members[m]->words);
}

rt_status rt_teacher_join(rt_teacher *const *members, const double *weights, size_t count, int agreement, size_t batch,
                          rt_teacher **teacher, rt_error *err)
{
    double sum = 0.0;
    rt_teacher *joint = calloc(1, sizeof *joint);
    if (!joint)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for several teachers");
    *joint = (rt_teacher){.classes = members[0]->classes, .member_count = count, .agreement = agreement};
    for (size_t m = 0; m < count; ++m) {
        joint->members[m] = members[m];
        sum += weights[m];
    }
    for (size_t m = 0; m < count; ++m)
        joint->shares[m] = weights[m] / sum;
    joint->all = rt_aligned_zeros(count * batch * joint->classes * sizeof *joint->all);
    if (!joint->all) {
        rt_teacher_close(joint);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the logits of %zu teachers", count);
    }
    describe_memos(joint);
    *teacher = joint;
    return RT_OK;
}

size_t rt_teacher_members(const rt_teacher *teacher)
{
    return teacher->member_count > 0 ? teacher->member_count : 1;
}

rt_teacher *rt_teacher_member(rt_teacher *teacher, size_t m)
{
    return teacher->member_count > 0 ? teacher->members[m] : teacher;
}

const float *rt_teacher_all(const rt_teacher *teacher)
{
    return teacher->all;
}

/* log sum_k exp(logits[k]) */
static double log_sum_exp(const float *logits, size_t classes)
{
    double largest = (double)logits[0], sum = 0.0;
    for (size_t k = 1; k < classes; ++k)
        largest = fmax(largest, (double)logits[k]);
    for (size_t k = 0; k < classes; ++k)
        sum += exp((double)logits[k] - largest);
    return largest + log(sum);
}

/* log sum_m share_m p_m(k). Terms are taken relative to the largest: a class that all of them all but rule out has a
 * logit all the same, and not minus infinity. */
static void mean_probabilities(const rt_teacher *joint, const float *first, size_t stride, float *logits)
{
    double shifts[RT_MAX_TEACHERS];
    for (size_t m = 0; m < joint->member_count; ++m)
        shifts[m] = log(joint->shares[m]) - log_sum_exp(first + m * stride, joint->classes);
    for (size_t k = 0; k < joint->classes; ++k) {
        double largest = -INFINITY, sum = 0.0;
        for (size_t m = 0; m < joint->member_count; ++m)
            largest = fmax(largest, (double)first[m * stride + k] + shifts[m]);
        for (size_t m = 0; m < joint->member_count; ++m)
            sum += exp((double)first[m * stride + k] + shifts[m] - largest);
        logits[k] = (float)(largest + log(sum));
    }
}

static void mean_logits(const rt_teacher *joint, const float *first, size_t stride, float *logits)
{
    for (size_t k = 0; k < joint->classes; ++k) {
        double sum = 0.0;
        for (size_t m = 0; m < joint->member_count; ++m)
            sum += joint->shares[m] * (double)first[m * stride + k];
        logits[k] = (float)sum;
    }
}

rt_status rt_joint_logits(rt_teacher *teacher, const rt_batch *batch, float *logits, rt_error *err)
{
    const size_t classes = teacher->classes, stride = batch->count * classes;
    for (size_t m = 0; m < teacher->member_count; ++m)
        RT_TRY(rt_teacher_logits(teacher->members[m], batch, teacher->all + m * stride, err));
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < batch->count; ++n)
        (teacher->agreement == RT_AGREE_LOGITS ? mean_logits : mean_probabilities)(teacher, teacher->all + n * classes,
                                                                                   stride, logits + n * classes);
    return RT_OK;
}
