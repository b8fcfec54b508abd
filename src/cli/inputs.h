/* What a request names, opened: a network with its weights, the images of one split, and their normalisation. */
#ifndef RETORT_CLI_INPUTS_H
#define RETORT_CLI_INPUTS_H

#include "cli/request.h"
#include "datasets/loader.h"
#include "models/network.h"

typedef struct rt_inputs {
    rt_network *network;
    const rt_reader *reader;
    rt_images images;
    rt_normalization normalization;
} rt_inputs;

/* `labelled`: the data must have the network's classes. On failure nothing stays open. */
rt_status rt_inputs_open(const rt_request *request, bool labelled, rt_inputs *inputs, rt_error *err);
void rt_inputs_close(rt_inputs *inputs); /* accepts a zeroed struct */

#endif
