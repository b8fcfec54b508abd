/* Linear embeddings that a loss trains for itself, and memories of them: one place for each sample of the training set.
 *
 * Weights and memories are arrays of the loss's own (rt_own): plan() declares them, run() reads them, adds gradients to
 * those of the weights, and writes to memories when everything has been read. */
#ifndef RETORT_EMBEDDING_H
#define RETORT_EMBEDDING_H

#include <math.h>

#include "retort/features.h"
#include "retort/matrix.h"
#include "retort/random.h"

#ifdef __cplusplus
extern "C" {
#endif

/* embedded [rows, dimension] = features weight^T + bias, weight [dimension, features.columns], bias [dimension] or
 * NULL. Embedded vectors are overwritten. */
RT_API void rt_embed(rt_matrix features, const float *weight, const float *bias, size_t dimension, double *embedded);

/* From slopes [rows, dimension], the gradient by what was embedded, adds scale times the gradients by weight, bias and
 * features [rows, features.columns]; those that are NULL are not wanted. */
RT_API void rt_embed_backward(double scale, const double *slopes, rt_matrix features, const float *weight,
                              size_t dimension, float *weight_gradient, float *bias_gradient, float *feature_gradient);

/* The weight of an embedding of `size` features, drawn as PyTorch draws a linear layer's. */
static inline rt_own rt_own_weight(const char *name, size_t dimension, size_t size)
{
    rt_own own = {name, {2, {dimension, size}}, true, 0.0, 1.0 / sqrt((double)size)};
    return own;
}

static inline rt_own rt_own_bias(const char *name, size_t dimension, size_t size)
{
    rt_own own = {name, {1, {dimension}}, true, 0.0, 1.0 / sqrt((double)size)};
    return own;
}

/* The places of a memory. Outside of a training, where nobody knows how many samples there are, it has 1024. */
static inline size_t rt_memory_places(const rt_loss_plan *plan)
{
    return plan->samples > 0 ? plan->samples : 1024;
}

/* A memory of vectors that are about as long as unit vectors, of any direction at first. */
static inline rt_own rt_own_memory(const char *name, size_t places, size_t dimension)
{
    rt_own own = {name, {2, {places, dimension}}, false, 0.0, sqrt(3.0 / (double)dimension)};
    return own;
}

/* Each of indices [samples] must be a place. `loss` is the loss's name, for the message. */
static inline rt_status rt_memory_check(const char *loss, const int64_t *indices, size_t samples, size_t places,
                                        rt_error *err)
{
    for (size_t n = 0; n < samples; ++n)
        if (indices[n] < 0 || (uint64_t)indices[n] >= places)
            return rt_fail(err, RT_ERROR_USAGE, "loss '%s': sample %zu has index %lld; it must be within 0 to %zu",
                           loss, n, (long long)indices[n], places - 1);
    return RT_OK;
}

/* Number `draw` of a step's places in [0, places), `attempt` below 2^16. */
static inline size_t rt_memory_draw(const rt_loss_io *io, uint32_t attempt, size_t draw, size_t places)
{
    const rt_key key = {io->seed, RT_STREAM_LOSS, attempt, (uint64_t)io->step};
    return rt_random_below(&key, (uint32_t)draw, (uint32_t)places);
}

/* place [dimension] = momentum * place + (1 - momentum) * embedded, and that at unit length if so wanted. */
static inline void rt_memory_update(float *place, const double *embedded, size_t dimension, double momentum, bool unit)
{
    double squares = 0.0;
    for (size_t k = 0; k < dimension; ++k) {
        double mixed = momentum * (double)place[k] + (1.0 - momentum) * embedded[k];
        squares += mixed * mixed;
    }
    double scale = unit && squares > 0.0 ? 1.0 / sqrt(squares) : 1.0;
    for (size_t k = 0; k < dimension; ++k)
        place[k] = (float)(scale * (momentum * (double)place[k] + (1.0 - momentum) * embedded[k]));
}

#ifdef __cplusplus
}
#endif
#endif
