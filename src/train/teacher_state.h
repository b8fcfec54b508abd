/* The inside of a teacher, shared by teacher.c and joint_teacher.c. */
#ifndef RETORT_TRAIN_TEACHER_STATE_H
#define RETORT_TRAIN_TEACHER_STATE_H

#include "train/features.h"
#include "train/memo.h"
#include "train/teacher.h"

struct rt_teacher {
    rt_engine *engine;
    const rt_network *network;
    const rt_run_data *data;
    rt_precision computes; /* the network */
    rt_inference *inference;
    rt_features features;
    bool unsettled; /* layers are kept that `inference` does not hand out yet */
    size_t classes;
    rt_memo *memo; /* or NULL */
    rt_memo_precision precision;
    uint32_t *missing; /* [micro-batch]: places in the batch of images that are to be computed */
    rt_teacher_counts counts;
    char words[RT_TEACHER_WORDS];

    /* Of several teachers as one (joint_teacher.c), which has none of the above but `classes` and `words`. */
    rt_teacher *members[RT_MAX_TEACHERS]; /* borrowed */
    double shares[RT_MAX_TEACHERS];       /* of each, 1 together */
    size_t member_count;                  /* 0 for one teacher */
    int agreement;                        /* RT_AGREE_... */
    float *all;                           /* [members, images of the latest batch, classes] */
};

/* rt_teacher_logits() of a joint one. */
rt_status rt_joint_logits(rt_teacher *teacher, const rt_batch *batch, float *logits, rt_error *err);

/* The teacher that speaks for it where one must: the first of several, or itself. */
static inline const rt_teacher *rt_teacher_first(const rt_teacher *teacher)
{
    return teacher->member_count > 0 ? teacher->members[0] : teacher;
}

#endif
