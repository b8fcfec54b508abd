/* result.json: what a finished training came to. */
#ifndef RETORT_TRAIN_OUTCOME_H
#define RETORT_TRAIN_OUTCOME_H

#include "train/pipeline.h"

/* Metrics, seed, schedule, machine and versions. Written whole or not at all. */
rt_status rt_outcome_write(const char *path, const rt_outcome *outcome, const rt_recipe *recipe, rt_error *err);

/* The training's figures back from a file of rt_outcome_write(). */
rt_status rt_outcome_read(const char *path, rt_training_result *result, rt_error *err);

/* The median time of one image, in milliseconds. */
rt_status rt_measure_latency(rt_engine *engine, rt_network *network, double *milliseconds, rt_error *err);

#endif
