/* Logits of a network for all images of a split: what `retort predict` writes and `retort eval` measures. */
#ifndef RETORT_CLI_PREDICTION_H
#define RETORT_CLI_PREDICTION_H

#include "cli/request.h"

typedef struct rt_prediction {
    const rt_reader *reader;
    rt_images images;                /* the split, with its labels */
    size_t classes;                  /* the network's */
    float *logits;                   /* [images.count, classes], in file order */
    double seconds;                  /* that the images took */
    double latency_p50, latency_p99; /* seconds that one image alone takes, where the request asks for it */
} rt_prediction;

/* Opens what the request names and runs it, with progress on stderr. `labelled` wants labels that the network can be
 * measured by: the data must have as many classes. Everything is checked before the first image, the place for the
 * logits too, and nothing is written. On failure nothing stays allocated. */
rt_status rt_prediction_make(const rt_command *command, const rt_request *request, bool labelled,
                             rt_prediction *prediction, rt_error *err);
void rt_prediction_free(rt_prediction *prediction); /* accepts a zeroed struct */

/* Writes the logits to request->logits. */
rt_status rt_prediction_write(const rt_prediction *prediction, const rt_request *request, rt_error *err);

#endif
