#include "engine/winograd.h"

#define CODES(lanes)                                                                                                   \
    extern const rt_winograd_code rt_winograd_code_##lanes##_unit, rt_winograd_code_##lanes##_strided,                 \
        rt_winograd_code_##lanes##_transposed;                                                                         \
    static const rt_winograd_code *const codes_##lanes[RT_WINOGRAD_FORMS] = {                                          \
        &rt_winograd_code_##lanes##_unit,                                                                              \
        &rt_winograd_code_##lanes##_strided,                                                                           \
        &rt_winograd_code_##lanes##_transposed,                                                                        \
    };
CODES(4)
#if defined(__x86_64__)
CODES(8)
CODES(16)
#endif

size_t rt_winograd_tiles(const rt_winograd_code *code, const rt_winograd *shape)
{
    return (shape->dst_height + code->tile - 1) / code->tile * ((shape->dst_width + code->tile - 1) / code->tile);
}

const rt_winograd_code *rt_winograd_code_for(rt_winograd_form form, size_t lanes_limit)
{
#if defined(__x86_64__)
    if (lanes_limit >= 16 && __builtin_cpu_supports("avx512f"))
        return codes_16[form];
    if (lanes_limit >= 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return codes_8[form];
#else
    (void)lanes_limit;
#endif
    return codes_4[form];
}
