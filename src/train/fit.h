/* Which known networks the tensors of a file fit, with the options that the tensors show. */
#ifndef RETORT_TRAIN_FIT_H
#define RETORT_TRAIN_FIT_H

#include "formats/description.h"
#include "formats/weights.h"
#include "models/models.h"

typedef struct rt_fit {
    const char *variant;
    char *options;        /* "width=0.25 stem_bias=true": those that are not at their default; allocated */
    rt_model_input input; /* images that it can be built for; many networks take any height and width */
} rt_fit;

typedef struct rt_fits {
    rt_fit *items;
    size_t count;
} rt_fits;

/* Tries all variants of all families. Every tensor has its place in a fit, and every parameter its tensor; but options
 * that change no tensor, such as a stride, no tensor shows. `hints` are of rt_weights_look(). */
rt_status rt_fits_find(const rt_tensors *tensors, const rt_weights_hints *hints, rt_fits *fits, rt_error *err);

/* Adds the network of one's own that a file describes, where its tensors are that network's. */
rt_status rt_fits_add_own(const rt_tensors *tensors, const rt_description *description, rt_fits *fits, rt_error *err);
void rt_fits_free(rt_fits *fits); /* accepts a zeroed struct */

#endif
