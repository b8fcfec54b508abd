/* Looks at many samples once, before anything is trained on them: which cannot be read, and mean and deviation of the
 * rest. For images that rt_normalization_measure() cannot see, because they are decoded or resized. */
#ifndef RETORT_DATASETS_SURVEY_H
#define RETORT_DATASETS_SURVEY_H

#include "datasets/loader.h"

/* One image that was left out. */
typedef struct rt_unreadable {
    uint32_t sample;
    char words[256]; /* why, with the file's name */
} rt_unreadable;

typedef struct rt_survey {
    const rt_images *images;
    size_t workers; /* threads; 0 for one */
    bool skip;      /* leave unreadable images out; otherwise the first of them is the error */
} rt_survey;

/* Takes unreadable samples out of the list, which stays in order, and counts it down. *unreadable: those that were, in
 * order, allocated; NULL where there were none. `normalization` may be NULL; it is of the samples as they are without
 * augmentation, and does not depend on the number of workers. */
rt_status rt_survey_run(const rt_survey *survey, uint32_t *samples, size_t *count, rt_unreadable **unreadable,
                        size_t *unreadable_count, rt_normalization *normalization, rt_error *err);

#endif
