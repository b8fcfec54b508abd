/* Optimizers and learning-rate schedules: arithmetic on flat arrays, one file each. They know nothing of networks. */
#ifndef RETORT_OPTIM_OPTIM_H
#define RETORT_OPTIM_OPTIM_H

#include <stddef.h>
#include <stdint.h>

#include "retort/param.h"

enum { RT_OPTIMIZER_MAX_MOMENTS = 2 };

/* One stretch of parameters that share a weight-decay rule. */
typedef struct rt_optimizer_span {
    float *values;
    const float *gradients;
    float *moments[RT_OPTIMIZER_MAX_MOMENTS]; /* as many as the optimizer keeps; zero before the first step */
    size_t count;
    double learning_rate; /* the schedule's factor is already in it */
    int64_t step;         /* 0 for the first update */
    bool decay;           /* whether weight decay applies to this span */
} rt_optimizer_span;

typedef struct rt_optimizer {
    const char *name, *summary, *reference;
    const rt_param *params; /* has `lr`, `weight_decay` and `decay_norm_and_bias` at least */
    size_t settings_size;
    size_t moments;
    double (*learning_rate)(const void *settings);
    bool (*decays_norm_and_bias)(const void *settings);
    void (*update)(const void *settings, const rt_optimizer_span *span);
} rt_optimizer;

typedef struct rt_schedule {
    const char *name, *summary;
    const rt_param *params; /* has `warmup` at least */
    size_t settings_size;
    /* What multiplies the learning rate at `epoch`, a real number in [0, epochs): step / steps per epoch. */
    double (*factor)(const void *settings, double epoch, double epochs);
} rt_schedule;

extern const rt_optimizer *const rt_optimizers[];
extern const size_t rt_optimizer_count;
extern const rt_schedule *const rt_schedules[];
extern const size_t rt_schedule_count;

#endif
