/* Whether a memo's logits are those that its teacher computes. */
#ifndef RETORT_TRAIN_MEMO_AUDIT_H
#define RETORT_TRAIN_MEMO_AUDIT_H

#include "recipe/recipe.h"
#include "train/memo.h"

typedef struct rt_memo_audit {
    uint64_t equal, different; /* entries computed again: the same bits, or not */
} rt_memo_audit;

/* The recipe that made a memo: a file, or the folder of a run, whose own recipe it is and which holds the weights of a
 * teacher that it trained. *weights (allocated) are those of the teacher, wherever they come from. A recipe whose
 * teacher is trained cannot be told apart from its retraining: only the run's folder has its weights. */
rt_status rt_memo_audit_recipe(const char *path, const char *const *overrides, size_t override_count,
                               rt_recipe **recipe, char **weights, rt_error *err);

/* Computes `sample` entries (or all, where there are fewer), spread evenly over those that are there. Fails where the
 * memo is of other logits. */
rt_status rt_memo_audit_run(const rt_memo *memo, rt_engine *engine, const rt_recipe *recipe, const char *weights,
                            uint64_t sample, rt_memo_audit *audit, rt_error *err);

#endif
