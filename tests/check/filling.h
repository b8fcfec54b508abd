/* What both sides of a golden test compute for themselves: the numbers that fill images, weights and output gradients,
 * and the places where a large tensor is sampled. The same as tests/golden/filling.py. */
#ifndef RETORT_CHECK_FILLING_H
#define RETORT_CHECK_FILLING_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "graph/parameters.h"

/* Of a large tensor a golden file holds at most so many elements, at the places filling_word(name, i) % count; of a
 * small one all. */
enum { FILLING_SAMPLES = 32, FILLING_WHOLE = 100 };

/* FNV-1a. */
static inline uint32_t filling_hash(const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *letter = name; *letter; ++letter)
        hash = (hash ^ (unsigned char)*letter) * 16777619u;
    return hash;
}

/* 32 random bits for element `index` of the tensor whose name has that hash: murmur3's finalizer. */
static inline uint32_t filling_mix(uint32_t hash, size_t index)
{
    uint32_t word = hash + (uint32_t)index * 0x9E3779B9u;
    word = (word ^ word >> 16) * 0x85EBCA6Bu;
    word = (word ^ word >> 13) * 0xC2B2AE35u;
    return word ^ word >> 16;
}

static inline uint32_t filling_word(const char *name, size_t index)
{
    return filling_mix(filling_hash(name), index);
}

/* Multiples of 2^-23 in [-1, 1), which float32 holds exactly. */
static inline void filling_values(const char *name, float *values, size_t count)
{
    const uint32_t hash = filling_hash(name);
    for (size_t i = 0; i < count; ++i)
        values[i] = (float)(filling_mix(hash, i) >> 8) / 8388608.0f - 1.0f;
}

/* Weights about as large as PyTorch's initialisation makes them, norms near the identity. */
static inline void filling_parameter(const rt_parameter *about, float *values)
{
    float middle = 0.0f, width = 0.25f;
    if (about->shape.count > 1) {
        double variance_times_3 =
            about->shape.count == 4 ? 6.0 : 1.0; /* of He's for convolutions, of torch.nn.Linear's */
        width = (float)sqrt(variance_times_3 / (double)(about->count / about->shape.dims[0]));
    } else if (about->kind == RT_PARAMETER_RUNNING_VAR) {
        middle = 4.0f;
        width = 1.0f;
    } else if (about->kind == RT_PARAMETER_NORM_WEIGHT) {
        middle = 1.0f;
    }
    filling_values(about->name, values, about->count);
    for (size_t i = 0; i < about->count; ++i)
        values[i] = middle + width * values[i];
}

static inline void filling_parameters(rt_parameters *parameters)
{
    for (size_t i = 0; i < parameters->graph->parameter_count; ++i)
        filling_parameter(&parameters->graph->parameters[i], rt_parameter_values(parameters, (int)i));
    ++parameters->version;
}

#endif
