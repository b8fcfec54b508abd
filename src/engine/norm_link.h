/* What a batch norm shares with its neighbours in the network to save passes over memory:
 *
 *   its source's kernel sums the moments while it has its outputs in registers;
 *   its readers normalise as they read, and the norm has no values of its own in memory;
 *   its only reader sums the products as it writes the gradient.
 *
 * Kernels say what they are able to do (kernel.h), and the plan links them (plan_norms.c). */
#ifndef RETORT_ENGINE_NORM_LINK_H
#define RETORT_ENGINE_NORM_LINK_H

#include "engine/batch_norm_sums.h"

typedef struct rt_norm_link {
    rt_norm_lanes lanes; /* set by the norm's forward; valid until its next */
    bool relu;           /* the norm's ReLU */

    bool deferred; /* readers get the norm's source, and apply lanes and relu */

    bool moments_by_source;
    double *first_moment, *second_moment; /* [channels]: sums of x and of x^2 */

    bool products_by_reader;
    double *sum, *dot; /* [channels]: sums of g and of g (x - mean), g being the gradient behind the ReLU */
} rt_norm_link;

#endif
