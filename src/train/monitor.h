/* What the terms' gradients are like: how long each is at the student's logits and features, and how far it points the
 * way of cross-entropy's. Measured in every so many steps, of weight times loss, as differences of what the gradient
 * was before a term and after it: losses run as ever, and results have the same bits with and without. */
#ifndef RETORT_TRAIN_MONITOR_H
#define RETORT_TRAIN_MONITOR_H

#include "recipe/recipe.h"
#include "retort/loss.h"

typedef struct rt_term_gradient {
    double norm;         /* at the logits; 0 of a term that does not read them */
    double feature_norm; /* at the features that the term reads, behind an adapter if there is one; NaN of no such */
    double cosine;       /* with the first cross_entropy of the list, at the logits; NaN where there is none */
} rt_term_gradient;

typedef struct rt_monitor {
    const rt_train_recipe *recipe;
    const rt_loss_recipe *losses;
    size_t term_count;
    rt_term_gradient *terms; /* [term_count]: of the step that was measured last */
    float *before;           /* what a gradient was before the term */
    float *logits;           /* [term_count, logit_floats]: each term's */
    size_t logit_floats;     /* the most */
    bool measured;           /* the latest step was */
    int64_t step;            /* which that was */
} rt_monitor;

/* `floats` is the most that a gradient has, `logit_floats` that of the logits. Where the recipe monitors nothing, no
 * step is ever measured. */
rt_status rt_monitor_open(rt_monitor *monitor, const rt_train_recipe *recipe, const rt_loss_recipe *losses,
                          size_t term_count, size_t logit_floats, size_t floats, rt_error *err);
void rt_monitor_close(rt_monitor *monitor); /* accepts a zeroed struct */

/* Begins a step; whether it is one to measure. */
bool rt_monitor_begin(rt_monitor *monitor, int64_t step);

/* In such a step: before and after each term that runs. `io` is the term's. */
void rt_monitor_before(rt_monitor *monitor, const rt_loss *loss, const rt_loss_io *io);
void rt_monitor_after(rt_monitor *monitor, size_t term, const rt_loss *loss, const rt_loss_io *io);

/* Ends it: the cosines. */
void rt_monitor_end(rt_monitor *monitor);

/* "kl |g| 0.012 cos 0.93, fitnet |g| 0 features 0.4" of the step that was measured last. */
void rt_monitor_describe(const rt_monitor *monitor, char *words, size_t size);

#endif
