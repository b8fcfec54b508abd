/* A teacher at work: a frozen network, what runs it, and the memo of what it said before.
 *
 *     rt_teacher_open(engine, network, &data, recipe, &teacher, err);
 *     rt_teacher_logits(teacher, batch, logits, err);   // as often as there are batches, for any number of students
 *     rt_teacher_close(teacher);
 *
 * The logits have the same bits with a memo and without, cold, warm, or filled in part; only the time differs. (With
 * `memo_precision: fp16` they are rounded, and then the same bits however full the memo is.) */
#ifndef RETORT_TRAIN_TEACHER_H
#define RETORT_TRAIN_TEACHER_H

#include "datasets/loader.h"
#include "engine/inference.h"
#include "models/network.h"
#include "train/data.h"
#include "train/memo_choice.h"

typedef struct rt_teacher rt_teacher;

enum { RT_TEACHER_WORDS = 512 };

/* Of all images so far. */
typedef struct rt_teacher_counts {
    uint64_t hits;    /* logits that came from the memo */
    uint64_t misses;  /* that were computed */
    uint64_t damaged; /* of these, because the memo's entry was damaged */
    uint64_t kept;    /* of these, written into the memo */
} rt_teacher_counts;

/* `network` stays the caller's, and must not change. `data` is what the batches will be of. `recipe` says which
 * memo and which precision are wanted; NULL wants no memo and fp32. A memo that the recipe names must work; one that it
 * leaves to us is done without where it cannot be had. */
rt_status rt_teacher_open(rt_engine *engine, const rt_network *network, const rt_run_data *data,
                          const rt_network_recipe *recipe, rt_teacher **teacher, rt_error *err);
void rt_teacher_close(rt_teacher *teacher); /* accepts NULL */

/* Has the teacher hand out a layer's features, too, for batches of up to `batch` images, always the same number: more
 * layers may follow. They are in no memo: one that is open is closed. Then, once all are named, rt_teacher_settle()
 * plans the network that computes them, and calibrates it where it is int8; without new layers it does nothing. Until
 * then the features are not filled in. */
rt_status rt_teacher_keep(rt_teacher *teacher, const char *layer, size_t batch, rt_error *err);
rt_status rt_teacher_settle(rt_teacher *teacher, rt_error *err);

/* A kept layer's features [batch->count, height, width, channels] of the latest rt_teacher_logits(), at an address that
 * stays, and their size; NULL for any other layer. */
const float *rt_teacher_features(const rt_teacher *teacher, const char *layer, rt_extent *extent);

/* logits [batch->count, classes] = what the teacher says of a batch of training images. Allocates nothing. */
rt_status rt_teacher_logits(rt_teacher *teacher, const rt_batch *batch, float *logits, rt_error *err);

/* Several teachers as one: rt_teacher_logits() asks all of them and gives what they agree on, by their weights, for
 * batches of up to `batch` images. The logarithm of their mean probabilities, or their mean logits, as `agreement`
 * says. Features are the members' own; what is said of a plan or of a precision is of the first. The members are
 * borrowed. */
rt_status rt_teacher_join(rt_teacher *const *members, const double *weights, size_t count, int agreement, size_t batch,
                          rt_teacher **teacher, rt_error *err);

/* How many there are in it, and number m of them; one teacher is its own number 0. */
size_t rt_teacher_members(const rt_teacher *teacher);
rt_teacher *rt_teacher_member(rt_teacher *teacher, size_t m);

/* The logits of all members [members, images of the latest batch, classes]; NULL of one teacher, whose logits are all
 * there are. */
const float *rt_teacher_all(const rt_teacher *teacher);

rt_teacher_counts rt_teacher_count(const rt_teacher *teacher);
rt_teacher_counts rt_teacher_count_since(const rt_teacher *teacher, const rt_teacher_counts *before);

/* "teacher's logits: 300 from the memo, 100 computed, 100 kept", and what is wrong with the memo, if anything is. */
void rt_teacher_count_words(const rt_teacher *teacher, const rt_teacher_counts *counts, char words[RT_TEACHER_WORDS]);

/* The memo in a line: "memo '/x/y.memo', up to 3.3 GB", or "no memo: " and why. For logs; valid until it is closed. */
const char *rt_teacher_memo_words(const rt_teacher *teacher);
const char *rt_teacher_memo_path(const rt_teacher *teacher); /* NULL for none */

rt_inference *rt_teacher_inference(const rt_teacher *teacher);

/* How often it says the same as in fp32: rt_teacher_agreement() of teacher_plan.h. */
rt_status rt_teacher_compare(const rt_teacher *teacher, const rt_run_data *data, double *percent, size_t *images,
                             rt_error *err);

/* The memo that rt_teacher_open() would open for such a teacher; for reports. Makes no file. */
rt_status rt_teacher_choose_memo(const rt_teacher *teacher, const rt_network *network, const rt_run_data *data,
                                 const rt_network_recipe *recipe, rt_memo_choice *choice, rt_error *err);

/* Fails where the file that `recipe` names is of other logits than this teacher's, before anything is trained. With
 * `weights_known` false the teacher is yet to be trained, and only the rest is compared. Makes no file. */
rt_status rt_teacher_check_memo(rt_engine *engine, const rt_network *network, const rt_run_data *data,
                                const rt_network_recipe *recipe, bool weights_known, rt_error *err);

#endif
