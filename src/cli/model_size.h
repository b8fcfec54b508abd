/* How large a model is, for lists: what a graph tells without weights or memory. */
#ifndef RETORT_CLI_MODEL_SIZE_H
#define RETORT_CLI_MODEL_SIZE_H

#include "models/models.h"

/* "0.278 M" parameters and "41.6 M" multiply-accumulates an image, of a variant with every option at its default, for its
 * family's usual images; "-"
 * where the model cannot be built so. */
typedef struct rt_model_size {
    char parameters[24], macs[24];
} rt_model_size;

void rt_model_size_find(const rt_model_family *family, const char *variant, rt_model_size *size);

#endif
