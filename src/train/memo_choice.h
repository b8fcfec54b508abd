/* Whether there is a memo, and where: what `teacher.memo` of a recipe comes to.
 *
 *     off       none
 *     auto      FOLDER/MODEL-DIGEST.memo, where FOLDER is $XDG_CACHE_HOME/retort or ~/.cache/retort and DIGEST is of
 * the whole key, so that runs of the same teacher on the same data find each other's and no others. None where the
 * whole file would be larger than RT_MEMO_LARGEST_AUTO or than half of what is free on its disk. x.memo    that file,
 * whatever its size
 *
 * Whatever the mode, there is none without a finite number of variants, or where the engine's logits depend on an
 * image's place in its batch; for a file that was named this is an error. */
#ifndef RETORT_TRAIN_MEMO_CHOICE_H
#define RETORT_TRAIN_MEMO_CHOICE_H

#include "train/memo_key.h"

#define RT_MEMO_LARGEST_AUTO ((uint64_t)8 << 30)
#define RT_MEMO_ENDING ".memo"

typedef struct rt_memo_choice {
    char *path;       /* allocated; NULL for no memo */
    bool given;       /* the recipe names the file: it must work */
    char reason[400]; /* why there is none, in words; "" where there is one */
    uint64_t bytes;   /* of the whole file */
} rt_memo_choice;

rt_status rt_memo_choose(const char *wish, const rt_memo_key *key, bool independent, rt_memo_choice *choice,
                         rt_error *err);
void rt_memo_choice_free(rt_memo_choice *choice); /* accepts a zeroed struct */

#endif
