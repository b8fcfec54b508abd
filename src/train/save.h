/* Networks to and from weights files that need nothing beside them: the tensors, and in the metadata what the network
 * is and how its images are normalised. */
#ifndef RETORT_TRAIN_SAVE_H
#define RETORT_TRAIN_SAVE_H

#include "datasets/loader.h"
#include "formats/description.h"
#include "models/network.h"

/* A network's description as metadata for a file. `text` holds pointers into itself and to `options`: leave it where it
 * was filled. */
typedef struct rt_network_words {
    char *options;
    rt_description description;
    rt_description_text text;
} rt_network_words;

rt_status rt_network_describe(const rt_network *network, const rt_normalization *normalization, rt_network_words *words,
                              rt_error *err);
void rt_network_words_free(rt_network_words *words); /* accepts a zeroed struct */

/* Writes the network's part of `parameters`: its own, their moving average, or such as begin with its own. Whole or not
 * at all. */
rt_status rt_network_save(const char *path, const rt_network *network, const rt_parameters *parameters,
                          const rt_normalization *normalization, rt_error *err);

#endif
