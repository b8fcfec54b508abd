/* The table of one form and instruction set. Compiled for each. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

#if RT_LANES == 16
#define INSTRUCTION_SET "avx512"
#elif RT_LANES == 8
#define INSTRUCTION_SET "avx2"
#else
#define INSTRUCTION_SET "portable"
#endif

const rt_winograd_code RT_OF_FORM(rt_winograd_code_) = {
    .name = "winograd:" INSTRUCTION_SET,
    .form = FORM,
    .lanes = RT_LANES,
    .tile = OUTPUTS,
    .weights_floats = RT_OF_FORM(rt_winograd_weights_floats_),
    .transform_weights = RT_OF_FORM(rt_winograd_transform_weights_),
    .convolve_floats = RT_OF_FORM(rt_winograd_convolve_floats_),
    .convolve = RT_OF_FORM(rt_winograd_convolve_),
    .convolve_once_floats = RT_OF_FORM(rt_winograd_convolve_once_floats_),
    .convolve_once = RT_OF_FORM(rt_winograd_convolve_once_),
#ifdef CORRELATES
    .correlate_floats = RT_OF_FORM(rt_winograd_correlate_floats_),
    .product_floats = RT_OF_FORM(rt_winograd_product_floats_),
    .correlate = RT_OF_FORM(rt_winograd_correlate_),
    .sources_floats = RT_OF_FORM(rt_winograd_sources_floats_),
    .read_sources = RT_OF_FORM(rt_winograd_read_sources_),
    .correlate_once_floats = RT_OF_FORM(rt_winograd_correlate_once_floats_),
    .correlate_once = RT_OF_FORM(rt_winograd_correlate_once_),
    .transform_product = RT_OF_FORM(rt_winograd_transform_product_),
#endif
};
