#include "graph/parameters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "retort/random.h"

void *rt_aligned_zeros(size_t bytes)
{
    /* Large blocks ask for huge pages: their passes then miss the address cache a thousandth as often. */
    const size_t huge = (size_t)2 << 20, alignment = bytes >= 2 * huge ? huge : 64;
    size_t rounded = (bytes + alignment) / alignment * alignment;
    void *memory = aligned_alloc(alignment, rounded);
    if (!memory)
        return NULL;
    if (alignment == huge) {
#if defined(MADV_HUGEPAGE)
        madvise(memory, rounded, MADV_HUGEPAGE); /* advice: refusal changes nothing but speed */
#endif
        /* The kernel hands out zeros when a page is first touched: by the thread that works on it, and not by one for
         * all while the program starts. */
        if (madvise(memory, rounded, MADV_DONTNEED) == 0)
            return memory;
    }
    memset(memory, 0, rounded);
    return memory;
}

rt_status rt_parameters_new(const rt_graph *graph, bool trained, rt_parameters **parameters, rt_error *err)
{
    rt_parameters *made = calloc(1, sizeof *made);
    if (made) {
        made->graph = graph;
        made->version = 1;
        made->values = rt_aligned_zeros(graph->trained_floats * sizeof(float));
        made->buffers = rt_aligned_zeros(graph->buffer_floats * sizeof(float));
        made->gradients = trained ? rt_aligned_zeros(graph->trained_floats * sizeof(float)) : NULL;
    }
    if (!made || !made->values || !made->buffers || (trained && !made->gradients)) {
        rt_parameters_free(made);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu parameters", graph->trained_floats);
    }
    *parameters = made;
    return RT_OK;
}

void rt_parameters_free(rt_parameters *parameters)
{
    if (!parameters)
        return;
    free(parameters->values);
    free(parameters->gradients);
    free(parameters->buffers);
    free(parameters);
}

/* Piece by piece: millions of variates in double would be memory that is touched for this alone. */
static void fill_normal(float *values, size_t count, const rt_key *key, double deviation)
{
    enum { PIECE = 1024 };
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < count; first += PIECE) {
        const size_t here = count - first < PIECE ? count - first : PIECE;
        double normal[PIECE];
        rt_random_normal_from(key, first, normal, here);
        for (size_t i = 0; i < here; ++i)
            values[first + i] = (float)(deviation * normal[i]);
    }
}

/* Uniform numbers with the deviation of the normal ones, four from each block. */
static void fill_alike(float *values, size_t count, const rt_key *key, double deviation)
{
    const double unit = sqrt(3.0) * deviation * 0x1p-31;
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < count; first += 4) {
        uint32_t words[4];
        rt_random_block(key, (uint32_t)(first / 4), words);
        for (size_t i = 0; i < 4 && first + i < count; ++i)
            values[first + i] = (float)(unit * ((double)words[i] - 0x1p31));
    }
}

static void fill_uniform(float *values, size_t count, const rt_key *key, double bound)
{
    for (size_t i = 0; i < count; ++i)
        values[i] = (float)((2.0 * rt_random_uniform(key, (uint32_t)i) - 1.0) * bound);
}

typedef void (*filling)(float *values, size_t count, const rt_key *key, double deviation);

/* `fill_deviating` makes the numbers of which mean and deviation are given. */
static void initialize(rt_parameters *parameters, uint64_t seed, filling fill_deviating)
{
    const rt_graph *graph = parameters->graph;
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        const rt_parameter *p = &graph->parameters[i];
        float *values = rt_parameter_values(parameters, (int)i);
        rt_key key = {.seed = seed, .stream = RT_STREAM_INIT, .index = i};
        switch (p->initialization) {
        case RT_INITIALIZE_ZERO:
        case RT_INITIALIZE_ONE:
            for (size_t j = 0; j < p->count; ++j)
                values[j] = p->initialization == RT_INITIALIZE_ONE ? 1.0f : 0.0f;
            break;
        case RT_INITIALIZE_NORMAL:
            fill_deviating(values, p->count, &key, p->spread);
            break;
        case RT_INITIALIZE_UNIFORM:
            fill_uniform(values, p->count, &key, p->spread);
            break;
        }
    }
    ++parameters->version;
}

void rt_parameters_initialize(rt_parameters *parameters, uint64_t seed)
{
    initialize(parameters, seed, fill_normal);
}

void rt_parameters_make_up(rt_parameters *parameters, uint64_t seed)
{
    initialize(parameters, seed, fill_alike);
}

void rt_parameters_copy(rt_parameters *to, const rt_parameters *from)
{
    memcpy(to->values, from->values, to->graph->trained_floats * sizeof(float));
    memcpy(to->buffers, from->buffers, to->graph->buffer_floats * sizeof(float));
    ++to->version;
}

float *rt_parameter_values(const rt_parameters *parameters, int number)
{
    const rt_parameter *p = &parameters->graph->parameters[number];
    return (rt_parameter_is_buffer(p) ? parameters->buffers : parameters->values) + p->offset;
}

float *rt_parameter_gradients(const rt_parameters *parameters, int number)
{
    return parameters->gradients + parameters->graph->parameters[number].offset;
}
