/* A loss on made-up arrays of one shape: what the checks look at.
 *
 *     rt_specimen *specimen;
 *     RT_TRY(rt_specimen_new(subject, &rt_sizes[i], seed, &specimen, err));
 *     RT_TRY(rt_specimen_run(specimen, RT_WITH_GRADIENTS, err));       // specimen->value, port gradients
 *     rt_specimen_free(specimen);
 *
 * Each run is the first of a fresh term: own arrays begin with the same values again, scratch memory holds garbage. So
 * the value is a function of the arrays, whatever a loss keeps. */
#ifndef RETORT_CHECK_SPECIMEN_H
#define RETORT_CHECK_SPECIMEN_H

#include <stdbool.h>

#include "check/check.h"
#include "train/term.h"

enum { RT_OTHER_SIZES = 6 };

/* The sizes of a shape's letters. */
typedef struct rt_sizes {
    size_t samples, classes, teachers; /* N, C, M */
    size_t others[RT_OTHER_SIZES];     /* of further letters, in the order in which they first stand; after the last or
                                          a 0 the one before goes on */
    bool optional;                     /* ports that may be absent are there */
    size_t training_samples;           /* of the made-up training set; 0 for four times the batch */
} rt_sizes;

/* Several, small enough for finite differences: one sample, two classes, all sizes alike, all different. */
extern const rt_sizes rt_small_sizes[];
extern const size_t rt_small_size_count;
extern const rt_sizes rt_large_sizes; /* enough work for all threads */

/* A batch as networks make it: logits of `classes`, features of `channels`, maps of `side` x `side` pixels; two
 * teachers where a loss takes several, and no optional ports. */
rt_sizes rt_batch_sizes(const rt_loss *loss, size_t samples, size_t classes, size_t channels, size_t side);

/* An array with guards before and behind it. */
typedef struct rt_guarded {
    float *values;
    size_t elements;
} rt_guarded;

typedef struct rt_specimen {
    const rt_check_subject *subject;
    const rt_loss *loss;
    uint64_t seed;
    rt_sizes sizes;
    rt_shape shapes[RT_LOSS_MAX_PORTS];      /* count 0 where an optional port is absent */
    rt_guarded values[RT_LOSS_MAX_PORTS];    /* of ports that hold numbers */
    rt_guarded gradients[RT_LOSS_MAX_PORTS]; /* of differentiable ports; added to by each run */
    int64_t *indices[RT_LOSS_MAX_PORTS];     /* of index ports */
    size_t training_samples;                 /* the bound of "indices" */
    rt_own own[RT_LOSS_MAX_OWN];
    size_t own_count;
    rt_guarded own_start[RT_LOSS_MAX_OWN];     /* what each run begins with */
    rt_guarded own_values[RT_LOSS_MAX_OWN];    /* what the latest run has left */
    rt_guarded own_gradients[RT_LOSS_MAX_OWN]; /* of trained arrays; added to by each run */
    double weight;
    unsigned char garbage; /* what each byte of scratch memory holds before a run */
    double value;          /* of the latest run */
} rt_specimen;

/* RT_ERROR_SHAPE or RT_ERROR_USAGE where the loss refuses such sizes, which is its right. */
rt_status rt_specimen_new(const rt_check_subject *subject, const rt_sizes *sizes, uint64_t seed, rt_specimen **specimen,
                          rt_error *err);
void rt_specimen_free(rt_specimen *specimen); /* accepts NULL */

enum { RT_WITHOUT_GRADIENTS, RT_WITH_GRADIENTS };

/* Evaluates the loss. A value that is not finite is RT_ERROR_NUMERIC. */
rt_status rt_specimen_run(rt_specimen *specimen, int gradients, rt_error *err);

/* Zeroes all gradients, then runs. */
rt_status rt_specimen_run_afresh(rt_specimen *specimen, rt_error *err);

/* The arrays as a term takes them; how many. */
size_t rt_specimen_arrays(const rt_specimen *specimen, int gradients, rt_loss_array arrays[RT_LOSS_MAX_PORTS]);

/* A term on the specimen's arrays, its own ones at their start, its scratch memory full of garbage. */
rt_status rt_specimen_open(rt_specimen *specimen, int gradients, rt_loss_term *term, rt_error *err);

/* Every array of gradients, ports first, by number; false beyond the last. `values` is what they are gradients by; it
 * may be changed for a while. `name` is the port's or the own array's. */
typedef struct rt_slope {
    const char *name;
    const rt_shape *shape;
    float *values, *gradient;
    size_t elements;
} rt_slope;

bool rt_specimen_slope(rt_specimen *specimen, size_t number, rt_slope *slope);

/* Whether the loss has a port of that name. */
bool rt_has_port(const rt_loss *loss, const char *name);

/* Whether the port's numbers are shares, 0 to 1. */
bool rt_is_share(const rt_port *port);

/* Memory with guards; false where something was written there. */
bool rt_guarded_new(rt_guarded *array, size_t elements);
bool rt_guarded_holds(const rt_guarded *array);
void rt_guarded_free(rt_guarded *array);

#endif
