#include "engine/winograd.h"

extern const rt_winograd_code rt_winograd_code_4;
#if defined(__x86_64__)
extern const rt_winograd_code rt_winograd_code_8, rt_winograd_code_16;
#endif

size_t rt_winograd_tiles(const rt_winograd *shape)
{
    return (shape->height + RT_WINOGRAD_TILE - 1) / RT_WINOGRAD_TILE *
           ((shape->width + RT_WINOGRAD_TILE - 1) / RT_WINOGRAD_TILE);
}

const rt_winograd_code *rt_winograd_code_for(size_t lanes_limit)
{
#if defined(__x86_64__)
    if (lanes_limit >= rt_winograd_code_16.lanes && __builtin_cpu_supports("avx512f"))
        return &rt_winograd_code_16;
    if (lanes_limit >= rt_winograd_code_8.lanes && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &rt_winograd_code_8;
#else
    (void)lanes_limit;
#endif
    return &rt_winograd_code_4;
}
