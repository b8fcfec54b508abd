/* What oneDNN's convolutions have in common, whatever numbers they multiply. */
#ifndef RETORT_ENGINE_CONVOLUTION_PARTS_H
#define RETORT_ENGINE_CONVOLUTION_PARTS_H

#include "engine/onednn.h"

/* The window as oneDNN wants it. */
typedef struct rt_convolution_sizes {
    dnnl_dims_t weights; /* [groups,] outputs, inputs, kernel, kernel */
    int count;           /* of the weights' dimensions: 4, or 5 with groups */
    dnnl_dims_t strides, dilations, before, after;
} rt_convolution_sizes;

rt_convolution_sizes rt_convolution_sizes_of(const rt_kernel *kernel);

/* The residual sum and the activation of a frozen convolution. */
rt_status rt_convolution_post_operations(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err);

/* Memory and a reorder for weights from `plain`, the parameters' own layout, to what `primitive` wants; *packed stays
 * NULL where that is the same. Counts as a weight pack. */
rt_status rt_convolution_pack(rt_kernel *kernel, const_dnnl_memory_desc_t plain, const rt_primitive *primitive,
                              rt_primitive *pack, void **packed, rt_error *err);

/* Weights and bias with a batch norm folded in, in the parameters' order; zeros where none is folded (folding.h). */
typedef struct rt_convolution_folded {
    float *weights, *bias;
} rt_convolution_folded;

/* Memory for them. Done with rt_convolution_folded_free(), also after an error. */
rt_status rt_convolution_folding(rt_kernel *kernel, rt_convolution_folded *folded, rt_error *err);
void rt_convolution_folded_free(rt_convolution_folded *folded);

/* What the convolution multiplies by now: the weights, and in *bias the bias or NULL. Where there is memory for folded
 * ones they are filled from the present parameters and returned, otherwise the parameters themselves. */
const float *rt_convolution_weights(const rt_kernel *kernel, const rt_convolution_folded *folded, const float **bias);

/* The sum post-operation adds to what dst holds: brings the residual there. Nothing to do where the plan let dst take
 * its place. */
void rt_convolution_place_residual(const rt_kernel *kernel, const rt_kernel_io *io);

#endif
