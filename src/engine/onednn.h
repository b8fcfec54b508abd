/* The ceremony around oneDNN primitives, once: status to error, arguments, scratchpads, layouts. */
#ifndef RETORT_ENGINE_ONEDNN_H
#define RETORT_ENGINE_ONEDNN_H

#include <dnnl.h>

#include "engine/engine.h"
#include "engine/kernel.h"

struct rt_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    bool direct_convolutions; /* rt_engine_convolve_directly() */
};

enum { RT_PRIMITIVE_ARGUMENTS = 10 };

/* A primitive with its memory objects. Zero-initialise; done with rt_primitive_done(). */
typedef struct rt_primitive {
    dnnl_primitive_desc_t descriptor;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[RT_PRIMITIVE_ARGUMENTS];
    int count;
    size_t scratch_bytes;
    const char *implementation;
} rt_primitive;

/* Whether its kernels may multiply tiles of bf16 or int8 (AMX), by the CPU and by ONEDNN_MAX_CPU_ISA. */
bool rt_onednn_has_amx(void);

/* Fails with "convolution 'conv1': oneDNN cannot WHAT (unimplemented)" unless status is success. */
rt_status rt_onednn_check(const rt_kernel *kernel, dnnl_status_t status, const char *what, rt_error *err);

/* Creates the primitive of primitive->descriptor and its scratchpad argument; raises kernel->scratch_bytes. */
rt_status rt_primitive_create(rt_kernel *kernel, rt_primitive *primitive, rt_error *err);

/* Adds an argument (DNNL_ARG_SRC, ...) of the given layout; its pointer comes with rt_primitive_point(). */
rt_status rt_primitive_argument(rt_kernel *kernel, rt_primitive *primitive, int argument,
                                const_dnnl_memory_desc_t layout, rt_error *err);
/* The same for several of one layout; `arguments` ends with 0. */
rt_status rt_primitive_arguments(rt_kernel *kernel, rt_primitive *primitive, const int *arguments,
                                 const_dnnl_memory_desc_t layout, rt_error *err);
void rt_primitive_point(rt_primitive *primitive, int argument, const void *data);
rt_status rt_primitive_run(rt_kernel *kernel, rt_primitive *primitive, void *scratch, rt_error *err);
void rt_primitive_done(rt_primitive *primitive);

/* A layout that the caller destroys: [batch, extent] in channels-last order, of float32 or of another type. */
rt_status rt_onednn_activation(rt_kernel *kernel, rt_extent extent, dnnl_memory_desc_t *layout, rt_error *err);
rt_status rt_onednn_activation_of(rt_kernel *kernel, dnnl_data_type_t type, rt_extent extent,
                                  dnnl_memory_desc_t *layout, rt_error *err);
rt_status rt_onednn_layout(rt_kernel *kernel, int dimensions, const dnnl_dim_t *sizes, dnnl_format_tag_t tag,
                           dnnl_memory_desc_t *layout, rt_error *err);
rt_status rt_onednn_layout_of(rt_kernel *kernel, dnnl_data_type_t type, int dimensions, const dnnl_dim_t *sizes,
                              dnnl_format_tag_t tag, dnnl_memory_desc_t *layout, rt_error *err);
void rt_onednn_layout_done(dnnl_memory_desc_t *layout);

/* Primitive attributes with the scratchpad handed in by us, so that a step allocates nothing. */
rt_status rt_onednn_attributes(rt_kernel *kernel, dnnl_primitive_attr_t *attributes, rt_error *err);

/* Changes one layout into another: a weight pack or the way back of a weight gradient. */
rt_status rt_onednn_reorder(rt_kernel *kernel, const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to,
                            rt_primitive *reorder, rt_error *err);
rt_status rt_onednn_reorder_run(rt_kernel *kernel, rt_primitive *reorder, const void *from, void *to, rt_error *err);

#endif
