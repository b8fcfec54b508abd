/* The update of a network's parameters: clipping, optimizer, schedule, moving average. */
#ifndef RETORT_TRAIN_UPDATE_H
#define RETORT_TRAIN_UPDATE_H

#include <stdint.h>

#include "graph/parameters.h"
#include "recipe/recipe.h"

typedef struct rt_update {
    const rt_train_recipe *recipe;
    rt_parameters *parameters;
    float *moments[RT_OPTIMIZER_MAX_MOMENTS]; /* [graph->trained_floats] each, as many as the optimizer keeps */
    double *squares;                          /* scratch: the gradients' squares, a sum for each piece */
    rt_parameters *average; /* moving average of the network's values and buffers, or NULL when it is off */
    int64_t step;           /* updates so far */
    int64_t steps_per_epoch;
    double learning_rate; /* of the latest update */
} rt_update;

/* `network` is the graph of what is kept in the end: the parameters' own, or one that they begin with. */
rt_status rt_update_open(rt_update *update, const rt_train_recipe *recipe, rt_parameters *parameters,
                         const rt_graph *network, int64_t steps_per_epoch, rt_error *err);
void rt_update_close(rt_update *update); /* accepts a zeroed struct */

/* One update from parameters->gradients (which clipping scales). A gradient that is NaN or infinite is an error that
 * names the parameter; nothing has changed then. */
rt_status rt_update_apply(rt_update *update, rt_error *err);

/* Goes on after `step` updates, as a checkpoint says. Moments, average and parameters are the caller's to fill. */
void rt_update_resume(rt_update *update, int64_t step);

/* What is evaluated and saved: the moving average where there is one, the parameters themselves otherwise. */
rt_parameters *rt_update_result(const rt_update *update);

#endif
