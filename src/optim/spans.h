/* What the update loops share.
 *
 * Each element is updated alone and -ffp-contract=off keeps every operation as written, so the bits depend neither on
 * the number of threads nor on the width of the vectors. */
#ifndef RETORT_OPTIM_SPANS_H
#define RETORT_OPTIM_SPANS_H

/* Spans of at least so many elements are worth waking the threads for. */
enum { RT_SPAN_PARALLEL = 1 << 15 };

#endif
