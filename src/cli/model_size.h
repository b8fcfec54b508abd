/* How large a model is, for lists: what a graph tells without weights or memory. */
#ifndef RETORT_CLI_MODEL_SIZE_H
#define RETORT_CLI_MODEL_SIZE_H

#include "models/models.h"

/* What sizes are given for where no data is named: CIFAR-100. */
#define RT_MODEL_SIZE_INPUT ((rt_model_input){.height = 32, .width = 32, .channels = 3, .classes = 100})
#define RT_MODEL_SIZE_WORDS "32 x 32 x 3 images, 100 classes"

/* "0.278 M" parameters and "41.6 M" multiply-accumulates an image, of a variant with every option at its default; "-"
 * where the model cannot be built so. */
typedef struct rt_model_size {
    char parameters[24], macs[24];
} rt_model_size;

void rt_model_size_find(const rt_model_family *family, const char *variant, rt_model_size *size);

#endif
