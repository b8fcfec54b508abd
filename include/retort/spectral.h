/* An embedding whose linear map is divided by its largest singular value: it brings no two vectors further apart.
 *
 *     e = W unit(x) / sigma, sigma = |W v|
 *
 * v is a direction that is kept between runs and turned by one step of the power iteration in each: it finds the
 * singular vector in a few. As long as v stays, the gradient of sigma by W is u v^T with u = W v / sigma. */
#ifndef RETORT_SPECTRAL_H
#define RETORT_SPECTRAL_H

#include "retort/matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rt_spectral {
    rt_matrix features;              /* x [N, size], floats */
    const float *weight, *direction; /* W [dimension, size], v [size] of any length */
    size_t dimension;
    double *inputs, *pulls; /* scratch [N, size] each */
    double *norms;          /* scratch [N] */
    double *u, *v;          /* scratch [dimension], [size] */
    double sigma;           /* by rt_spectral_embed() */
} rt_spectral;

/* embedded [N, dimension] is overwritten. */
RT_API void rt_spectral_embed(rt_spectral *spectral, double *embedded);

/* From slopes [N, dimension], the gradient by what was embedded, adds scale times the gradients by weight and features;
 * NULL where not wanted. */
RT_API void rt_spectral_backward(rt_spectral *spectral, double scale, const double *slopes, const double *embedded,
                                 float *weight_gradient, float *feature_gradient);

/* Turns the direction [size] by a step; the last thing to do in a run. */
RT_API void rt_spectral_turn(rt_spectral *spectral, float *direction);

#ifdef __cplusplus
}
#endif
#endif
