/* Dropout (Srivastava et al. 2014): in training each value is zeroed with the node's probability and the others are
 * scaled by 1 / (1 - probability). The draws are a function of (seed, step, node, element), so backward draws them
 * again instead of keeping a mask, and the bits do not depend on threads. Of whole images (stochastic depth, Huang et
 * al. 2016, arXiv:1603.09382), all values share one draw. */
#include <string.h>

#include "engine/kernel.h"
#include "retort/random.h"

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

static void apply(const rt_kernel *kernel, const rt_kernel_io *io, float *to, const float *from)
{
    size_t total = rt_kernel_elements(kernel);
    if (kernel->mode != RT_MODE_TRAIN) {
        memcpy(to, from, total * sizeof *to);
        return;
    }
    const rt_key key = {
        .seed = io->seed, .stream = RT_STREAM_DROPOUT, .epoch = (uint32_t)kernel->number, .index = io->step};
    double probability = kernel->node->probability;
    const uint32_t threshold = (uint32_t)(probability * 4294967296.0);
    const float scale = (float)(1.0 / (1.0 - probability));
    if (kernel->node->whole_images) {
        const size_t each = total / kernel->batch;
#pragma omp parallel for schedule(static)
        for (size_t n = 0; n < kernel->batch; ++n) {
            uint32_t words[4];
            rt_random_block(&key, (uint32_t)n, words);
            const float factor = words[0] < threshold ? 0.0f : scale;
            for (size_t i = n * each; i < (n + 1) * each; ++i)
                to[i] = factor == 0.0f ? 0.0f : factor * from[i];
        }
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t block = 0; block < (total + 3) / 4; ++block) {
        uint32_t words[4];
        rt_random_block(&key, (uint32_t)block, words);
        for (size_t i = 4 * block; i < total && i < 4 * block + 4; ++i)
            to[i] = words[i % 4] < threshold ? 0.0f : scale * from[i];
    }
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    apply(kernel, io, io->dst, io->src[0]);
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    if (io->diff_src[0])
        apply(kernel, io, io->diff_src[0], io->diff_dst[0]);
    return RT_OK;
}

const rt_kernel_class rt_kernel_dropout = {.name = "retort", .plan = plan, .forward = forward, .backward = backward};
