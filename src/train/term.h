/* A loss at work: its state, its scratch memory, and the arrays that its ports read.
 *
 *     rt_loss_array arrays[] = {
 *         {"student.logits", {.shape = {2, {n, c}}, .values = student, .gradient = gradient}},
 *         {"teacher.logits", {.shape = {2, {n, c}}, .values = teacher}},
 *         {"labels", {.shape = {1, {n}}, .indices = labels}},
 *     };
 *     rt_loss_term term;
 *     RT_TRY(rt_loss_term_open(&term, loss, settings, weight, NULL, arrays, 3, err));
 *     RT_TRY(rt_loss_term_run(&term, step, &value, err));   // as often as the arrays change their contents
 *     rt_loss_term_close(&term);
 *
 * Each loss takes the arrays that it has ports for and ignores the rest, so one list serves all terms. */
#ifndef RETORT_TRAIN_TERM_H
#define RETORT_TRAIN_TERM_H

#include "retort/loss.h"

/* An array by its port name. Pointers are borrowed: they must stay valid until the next bind or close. */
typedef struct rt_loss_array {
    const char *name;
    rt_port_data data;
} rt_loss_array;

/* The training that a term is part of. */
typedef struct rt_loss_training {
    size_t samples;         /* of the training set */
    uint64_t seed;          /* the run's */
    uint32_t term;          /* the number of the term in its list */
    const rt_own_data *own; /* where the loss's own arrays are, filled, or will be written into io.own before the first
                             * run; NULL: the term makes and owns them */
} rt_loss_training;

typedef struct rt_loss_term {
    const rt_loss *loss;
    void *state;
    size_t scratch_bytes;
    rt_loss_io io;               /* io.weight may be changed between runs */
    rt_loss_training training;   /* zeroed outside of a training */
    rt_own own[RT_LOSS_MAX_OWN]; /* what the loss declared */
    size_t own_count;
    bool placed;     /* they are known, and io.own points at them */
    void *own_block; /* of arrays that the term owns */
} rt_loss_term;

/* Copies `settings` (loss->state_size bytes, as the recipe holds them; strings in it are borrowed), initialises
 * the loss, binds the arrays, and makes the loss's own ones unless `training` has them. `training` may be NULL. On
 * failure nothing stays allocated. */
rt_status rt_loss_term_open(rt_loss_term *term, const rt_loss *loss, const void *settings, double weight,
                            const rt_loss_training *training, const rt_loss_array *arrays, size_t count, rt_error *err);

/* Gives the term other arrays, or arrays of another shape (the last batch). Scratch memory grows where it must and
 * never shrinks, so after a bind to the largest batch smaller ones allocate nothing. After a failure bind again before
 * running. */
rt_status rt_loss_term_bind(rt_loss_term *term, const rt_loss_array *arrays, size_t count, rt_error *err);

/* Adds weight * gradient where gradients are wanted and gives the loss at weight 1, which is finite: anything else is
 * an error that names the term and, where an input was to blame, its sample and class. */
rt_status rt_loss_term_run(rt_loss_term *term, int64_t step, double *loss, rt_error *err);

void rt_loss_term_close(rt_loss_term *term); /* accepts a zeroed struct */

#endif
