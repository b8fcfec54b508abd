/* What a network that Retort trained is, as text beside its weights: a file that carries it needs no further words to
 * be built and used. The keys, in a safetensors file's metadata:
 *
 *     retort.model    resnet20
 *     retort.options  width=1 shortcut=projection stem_bias=false
 *     retort.input    32x32x3                    height x width x channels
 *     retort.classes  100
 *     retort.mean     0.5071,0.4867,0.4408       of pixels in 0..1, one for each channel
 *     retort.std      0.2675,0.2565,0.2761 */
#ifndef RETORT_FORMATS_DESCRIPTION_H
#define RETORT_FORMATS_DESCRIPTION_H

#include "formats/tensors.h"
#include "graph/graph.h" /* rt_extent */

enum { RT_DESCRIPTION_PAIRS = 6, RT_DESCRIPTION_MAX_CHANNELS = 16 };

typedef struct rt_description {
    const char *model;   /* borrowed */
    const char *options; /* borrowed; "key=value" separated by spaces, may be empty */
    rt_extent input;     /* 1 to RT_DESCRIPTION_MAX_CHANNELS channels */
    size_t classes;
    float mean[RT_DESCRIPTION_MAX_CHANNELS], std[RT_DESCRIPTION_MAX_CHANNELS];
} rt_description;

/* A description as metadata. `pairs` point into the struct itself and to the description's model and options, so it
 * stays where it was filled. */
typedef struct rt_description_text {
    char input[72], classes[24];
    char mean[16 * RT_DESCRIPTION_MAX_CHANNELS], std[16 * RT_DESCRIPTION_MAX_CHANNELS];
    rt_text_pair pairs[RT_DESCRIPTION_PAIRS];
} rt_description_text;

/* Numbers in their shortest form that reads back as the same float. */
void rt_description_write(const rt_description *description, rt_description_text *text);

/* Finds the description among a file's metadata; strings are borrowed from there. *found is false where there is no
 * "retort.model"; where there is, everything else must be there and be right. `path` is for messages. */
rt_status rt_description_read(const rt_text_pair *pairs, size_t count, const char *path, rt_description *description,
                              bool *found, rt_error *err);

#endif
