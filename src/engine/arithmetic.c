#include "engine/arithmetic.h"

#include <dnnl.h>

#include "engine/engine.h"

/* oneDNN's instruction sets are bit masks, each with the bits of those that it contains. */
static bool has(dnnl_cpu_isa_t wanted)
{
    return (dnnl_get_effective_cpu_isa() & wanted) == wanted;
}

bool rt_precision_native(rt_precision precision)
{
    if (precision == RT_PRECISION_INT8)
        return has(dnnl_cpu_isa_avx512_core_vnni) || has(dnnl_cpu_isa_avx2_vnni);
    return precision == RT_PRECISION_FP32 || has(dnnl_cpu_isa_avx512_core_bf16);
}

rt_status rt_precision_check(rt_precision precision, const char *what, rt_error *err)
{
    if (precision == RT_PRECISION_AUTO || rt_precision_native(precision))
        return RT_OK;
    return rt_fail(
        err, RT_ERROR_USAGE,
        "%s is %s, and this CPU has no instructions for it (%s beyond its %s): it could only be emulated, slower than "
        "fp32; take fp32 or auto",
        what, rt_precision_names[precision],
        precision == RT_PRECISION_INT8 ? "AVX512-VNNI, AVX-VNNI or AMX-INT8" : "AVX512-BF16 or AMX-BF16",
        rt_engine_isa());
}

rt_precision rt_precision_resolve(rt_precision precision)
{
    return precision == RT_PRECISION_AUTO && !rt_precision_native(RT_PRECISION_BF16) ? RT_PRECISION_FP32 : precision;
}
