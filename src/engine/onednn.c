#include "engine/onednn.h"

#include <stdio.h>
#include <stdlib.h>

static const char *status_name(dnnl_status_t status)
{
    switch (status) {
    case dnnl_success:
        return "success";
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "unimplemented";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "error";
    }
}

rt_status rt_engine_new(rt_engine **engine, rt_error *err)
{
    rt_engine *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the engine");
    dnnl_status_t status = dnnl_engine_create(&made->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&made->stream, made->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        rt_engine_free(made);
        return rt_fail(err, RT_ERROR_BACKEND, "oneDNN cannot start on this CPU (%s)", status_name(status));
    }
    *engine = made;
    return RT_OK;
}

void rt_engine_free(rt_engine *engine)
{
    if (!engine)
        return;
    if (engine->stream)
        dnnl_stream_destroy(engine->stream);
    if (engine->engine)
        dnnl_engine_destroy(engine->engine);
    free(engine);
}

void rt_engine_convolve_directly(rt_engine *engine, bool directly)
{
    engine->direct_convolutions = directly;
}

const char *rt_engine_version(void)
{
    static char text[64];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    return text;
}

bool rt_onednn_has_amx(void)
{
    return dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core_amx;
}

const char *rt_engine_isa(void)
{
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    if (rt_onednn_has_amx())
        return "AVX-512 AMX";
    if (isa >= dnnl_cpu_isa_avx512_core_bf16)
        return "AVX-512 BF16";
    if (isa >= dnnl_cpu_isa_avx512_core)
        return "AVX-512";
    if (isa >= dnnl_cpu_isa_avx2)
        return "AVX2";
    return isa >= dnnl_cpu_isa_avx ? "AVX" : "SSE4.1";
}

size_t rt_engine_lanes(void)
{
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return isa >= dnnl_cpu_isa_avx512_core ? 16 : isa >= dnnl_cpu_isa_avx2 ? 8 : 4;
}

rt_status rt_onednn_check(const rt_kernel *kernel, dnnl_status_t status, const char *what, rt_error *err)
{
    if (status == dnnl_success)
        return RT_OK;
    return rt_fail(err, status == dnnl_out_of_memory ? RT_ERROR_MEMORY : RT_ERROR_BACKEND,
                   "%s '%s': oneDNN cannot %s (%s)", rt_node_kind_name(kernel->node->kind), kernel->node->name, what,
                   status_name(status));
}

rt_status rt_primitive_create(rt_kernel *kernel, rt_primitive *primitive, rt_error *err)
{
    RT_TRY(rt_onednn_check(kernel, dnnl_primitive_create(&primitive->primitive, primitive->descriptor),
                           "create a primitive", err));
    dnnl_primitive_desc_query(primitive->descriptor, dnnl_query_impl_info_str, 0, &primitive->implementation);
    const_dnnl_memory_desc_t scratchpad =
        dnnl_primitive_desc_query_md(primitive->descriptor, dnnl_query_scratchpad_md, 0);
    primitive->scratch_bytes = scratchpad ? dnnl_memory_desc_get_size(scratchpad) : 0;
    if (primitive->scratch_bytes > kernel->scratch_bytes)
        kernel->scratch_bytes = primitive->scratch_bytes;
    if (primitive->scratch_bytes > 0)
        RT_TRY(rt_primitive_argument(kernel, primitive, DNNL_ARG_SCRATCHPAD, scratchpad, err));
    return RT_OK;
}

rt_status rt_primitive_argument(rt_kernel *kernel, rt_primitive *primitive, int argument,
                                const_dnnl_memory_desc_t layout, rt_error *err)
{
    dnnl_memory_t memory;
    RT_TRY(rt_onednn_check(kernel, dnnl_memory_create(&memory, layout, kernel->engine->engine, DNNL_MEMORY_NONE),
                           "describe memory", err));
    primitive->arguments[primitive->count++] = (dnnl_exec_arg_t){argument, memory};
    return RT_OK;
}

rt_status rt_primitive_arguments(rt_kernel *kernel, rt_primitive *primitive, const int *arguments,
                                 const_dnnl_memory_desc_t layout, rt_error *err)
{
    for (; *arguments; ++arguments)
        RT_TRY(rt_primitive_argument(kernel, primitive, *arguments, layout, err));
    return RT_OK;
}

void rt_primitive_point(rt_primitive *primitive, int argument, const void *data)
{
    for (int i = 0; i < primitive->count; ++i)
        if (primitive->arguments[i].arg == argument)
            dnnl_memory_set_data_handle(primitive->arguments[i].memory, (void *)(uintptr_t)data);
}

rt_status rt_primitive_run(rt_kernel *kernel, rt_primitive *primitive, void *scratch, rt_error *err)
{
    if (primitive->scratch_bytes > 0)
        rt_primitive_point(primitive, DNNL_ARG_SCRATCHPAD, scratch);
    dnnl_status_t status =
        dnnl_primitive_execute(primitive->primitive, kernel->engine->stream, primitive->count, primitive->arguments);
    return rt_onednn_check(kernel, status, "run", err);
}

void rt_primitive_done(rt_primitive *primitive)
{
    for (int i = 0; i < primitive->count; ++i)
        dnnl_memory_destroy(primitive->arguments[i].memory);
    if (primitive->primitive)
        dnnl_primitive_destroy(primitive->primitive);
    if (primitive->descriptor)
        dnnl_primitive_desc_destroy(primitive->descriptor);
    *primitive = (rt_primitive){0};
}

rt_status rt_onednn_layout_of(rt_kernel *kernel, dnnl_data_type_t type, int dimensions, const dnnl_dim_t *sizes,
                              dnnl_format_tag_t tag, dnnl_memory_desc_t *layout, rt_error *err)
{
    dnnl_dims_t padded = {0}; /* the API declares the array with its largest size */
    for (int i = 0; i < dimensions; ++i)
        padded[i] = sizes[i];
    return rt_onednn_check(kernel, dnnl_memory_desc_create_with_tag(layout, dimensions, padded, type, tag),
                           "describe its tensors", err);
}

rt_status rt_onednn_layout(rt_kernel *kernel, int dimensions, const dnnl_dim_t *sizes, dnnl_format_tag_t tag,
                           dnnl_memory_desc_t *layout, rt_error *err)
{
    return rt_onednn_layout_of(kernel, dnnl_f32, dimensions, sizes, tag, layout, err);
}

rt_status rt_onednn_activation_of(rt_kernel *kernel, dnnl_data_type_t type, rt_extent extent,
                                  dnnl_memory_desc_t *layout, rt_error *err)
{
    const dnnl_dim_t sizes[4] = {(dnnl_dim_t)kernel->batch, (dnnl_dim_t)extent.channels, (dnnl_dim_t)extent.height,
                                 (dnnl_dim_t)extent.width};
    return rt_onednn_layout_of(kernel, type, 4, sizes, dnnl_nhwc, layout, err);
}

rt_status rt_onednn_activation(rt_kernel *kernel, rt_extent extent, dnnl_memory_desc_t *layout, rt_error *err)
{
    return rt_onednn_activation_of(kernel, dnnl_f32, extent, layout, err);
}

void rt_onednn_layout_done(dnnl_memory_desc_t *layout)
{
    if (*layout)
        dnnl_memory_desc_destroy(*layout);
    *layout = NULL;
}

rt_status rt_onednn_attributes(rt_kernel *kernel, dnnl_primitive_attr_t *attributes, rt_error *err)
{
    RT_TRY(rt_onednn_check(kernel, dnnl_primitive_attr_create(attributes), "make attributes", err));
    return rt_onednn_check(kernel, dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user),
                           "take a scratchpad", err);
}

rt_status rt_onednn_reorder(rt_kernel *kernel, const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to,
                            rt_primitive *reorder, rt_error *err)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_engine_t engine = kernel->engine->engine;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = rt_onednn_check(
            kernel, dnnl_reorder_primitive_desc_create(&reorder->descriptor, from, engine, to, engine, attributes),
            "change a weight layout", err);
    if (status == RT_OK)
        status = rt_primitive_create(kernel, reorder, err);
    if (status == RT_OK)
        status = rt_primitive_argument(kernel, reorder, DNNL_ARG_FROM, from, err);
    if (status == RT_OK)
        status = rt_primitive_argument(kernel, reorder, DNNL_ARG_TO, to, err);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

rt_status rt_onednn_reorder_run(rt_kernel *kernel, rt_primitive *reorder, const void *from, void *to, rt_error *err)
{
    rt_primitive_point(reorder, DNNL_ARG_FROM, from);
    rt_primitive_point(reorder, DNNL_ARG_TO, to);
    return rt_primitive_run(kernel, reorder, NULL, err);
}
