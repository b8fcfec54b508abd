/* Networks out of weights files: Retort's own, which describe themselves, and others', where the weights give hints. */
#ifndef RETORT_TRAIN_PRETRAINED_H
#define RETORT_TRAIN_PRETRAINED_H

#include "formats/description.h"
#include "formats/weights.h"
#include "models/network.h"
#include "recipe/recipe.h"

/* How a file is read that somebody else wrote. Zeroed: names as they are, and everything must fit. */
typedef struct rt_weights_reading {
    const rt_rename *renames;
    size_t rename_count;
    bool lenient;   /* parameters may be missing, and tensors unexpected */
    size_t classes; /* of a network of one's own, whose tensors have names that tell nothing; 0 for others */
} rt_weights_reading;

/* An open weights file and what it says about its network. */
typedef struct rt_pretrained {
    const char *path; /* borrowed */
    rt_tensors tensors;
    rt_weights_hints hints;
    bool described;             /* the file carries its description */
    rt_description description; /* borrows from `tensors` */
    bool lenient;
} rt_pretrained;

/* `reading` may be NULL. */
rt_status rt_pretrained_open(const char *path, const rt_weights_reading *reading, rt_pretrained *file, rt_error *err);
void rt_pretrained_close(rt_pretrained *file); /* accepts a zeroed struct */

/* What is known about the network from elsewhere. */
typedef struct rt_pretrained_wish {
    const char *model;    /* variant; NULL: as the file says */
    const void *settings; /* the family's options: those that are not at their default win over the file's; or NULL */
    const char *const *values; /* options as "key=value", which win over everything */
    size_t value_count;
    rt_extent input; /* of the images */
    size_t classes;  /* that the data has; 0 for any */
    char **gaps;     /* what did not fit where the reading is lenient, allocated, or NULL where all did */
} rt_pretrained_wish;

/* Builds the network that the file holds and loads it; it has no gradients. Options that nobody gave are the file's
 * description's, or follow from its tensors: "stem_bias" from a bias of conv1, "shortcut" from downsample tensors, in
 * families that have such options. What no tensor shows, how a residual network without downsample tensors goes past
 * its convolutions, must be said by somebody. Parameters that a lenient reading leaves out begin at random. Classes are
 * those of the weights; where they are not the wish's, or the channels not the images', that is an error. */
rt_status rt_pretrained_network(const rt_pretrained *file, const rt_pretrained_wish *wish, rt_network **network,
                                rt_error *err);

/* All of the above in one go, for a teacher with weights; `input` has the data's classes. `gaps` as in the wish. */
rt_status rt_network_open(const rt_network_recipe *recipe, const rt_model_input *input, char **gaps,
                          rt_network **network, rt_error *err);

/* Fills a network that was built, a student, from the weights that its recipe names. */
rt_status rt_network_begin(rt_network *network, const rt_network_recipe *recipe, char **gaps, rt_error *err);

/* "width=1 shortcut=projection stem_bias=false": a description's options, every one of the table or `only_changed`
 * those that are not at their default. Allocated. A string with spaces in it, or one that is absent, is an error. */
rt_status rt_options_write(const rt_param *params, const void *settings, bool only_changed, char **text, rt_error *err);

#endif
