/* Networks to and from weights files that need nothing beside them: the tensors, and in the metadata what the network
 * is and how its images are normalised. */
#ifndef RETORT_TRAIN_SAVE_H
#define RETORT_TRAIN_SAVE_H

#include "datasets/loader.h"
#include "models/network.h"

/* Writes the network's part of `parameters`: its own, their moving average, or such as begin with its own. Whole or not
 * at all. */
rt_status rt_network_save(const char *path, const rt_network *network, const rt_parameters *parameters,
                          const rt_normalization *normalization, rt_error *err);

#endif
