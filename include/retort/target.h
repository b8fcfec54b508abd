/* What losses on logits that know the label have in common, on top of divergence.h. The label's class is the target;
 * many losses take it apart from the others.
 *
 *     RT_WIDE static void sample(void *context, size_t n)
 *     {
 *         rt_divergence_row row = rt_divergence_open(context, n);
 *         size_t target = rt_target(&row);
 *         ...
 *     }
 *
 *     static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
 *     {
 *         return rt_target_run("dkd", state, io, sample, loss, err);
 *     }
 */
#ifndef RETORT_TARGET_H
#define RETORT_TARGET_H

#include "retort/divergence.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RT_TARGET_LABELS = RT_DIVERGENCE_PORTS, RT_TARGET_PORTS };

static const rt_port rt_target_ports[] = {
    [RT_DIVERGENCE_STUDENT] = {"student.logits", "N C", RT_PORT_DIFF},
    [RT_DIVERGENCE_TEACHER] = {"teacher.logits", "N C", 0},
    [RT_TARGET_LABELS] = {"labels", "N", RT_PORT_INDEX},
};

/* The body of the descriptor's run(), as rt_divergence_run(); labels out of range are refused. */
static inline rt_status rt_target_run(const char *name, void *state, const rt_loss_io *io,
                                      void (*sample)(void *work, size_t n), double *loss, rt_error *err)
{
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    RT_TRY(rt_labels_check(name, io->ports[RT_TARGET_LABELS].indices, shape->dims[0], shape->dims[1], err));
    return rt_divergence_run(state, io, sample, loss);
}

/* The label of the row's sample. */
static inline size_t rt_target(const rt_divergence_row *row)
{
    return (size_t)row->work->io->ports[RT_TARGET_LABELS].indices[row->number];
}

/* The distribution over the classes other than the target, of which there is at least one. log_probabilities [classes]
 * become log-probabilities given that it is not the target, and others [classes] their exponentials; at the target
 * itself both are 0. The result is log(1 - probability of the target), exact where the target is all but certain. */
RT_WIDE_INLINE double rt_others(double *__restrict log_probabilities, size_t classes, size_t target,
                                double *__restrict others)
{
    log_probabilities[target] = -(double)INFINITY;
    double log_rest = rt_log_sum_exp(log_probabilities, classes, others);
    for (size_t k = 0; k < classes; ++k)
        log_probabilities[k] -= log_rest;
    log_probabilities[target] = 0.0;
    return log_rest;
}

#ifdef __cplusplus
}
#endif
#endif
