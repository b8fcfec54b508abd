/* The compute engine: what every plan runs on. */
#ifndef RETORT_ENGINE_ENGINE_H
#define RETORT_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "retort/error.h"

typedef struct rt_engine rt_engine;

/* One for the whole program, after rt_threads_start(). Used by one thread at a time. */
rt_status rt_engine_new(rt_engine **engine, rt_error *err);
void rt_engine_free(rt_engine *engine); /* accepts NULL */

/* Plans made from now on convolve directly, without Winograd's algorithm: slower, and closer to exact arithmetic. */
void rt_engine_convolve_directly(rt_engine *engine, bool directly);

/* "oneDNN 3.2.0", of the library that is loaded. */
const char *rt_engine_version(void);

/* The instruction set that kernels are chosen for: "AVX2", "AVX-512", "AMX", ... */
const char *rt_engine_isa(void);

/* Floats in the widest vector that kernels may use: 16 (AVX-512), 8 (AVX2) or 4. A limit set for oneDNN
 * (ONEDNN_MAX_CPU_ISA) is in it. */
size_t rt_engine_lanes(void);

#endif
