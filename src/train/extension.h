/* What loss terms add to a network while it is trained: layers whose features they read are kept, adapters bring them
 * to the teacher's sizes, and the arrays of the losses' own stand beside the parameters.
 *
 * All that is in a copy of the network's graph, the training graph, which has the same nodes and parameters under the
 * same numbers and more behind them, and in parameters of that graph. So optimizer, clipping and checkpoint treat them
 * like any others, while evaluation, the moving average, tables and weights files go on with the network's own graph.
 * Where no term wants anything of the kind, graph and parameters are the network's own. */
#ifndef RETORT_TRAIN_EXTENSION_H
#define RETORT_TRAIN_EXTENSION_H

#include "engine/plan.h"
#include "recipe/recipe.h"
#include "train/teacher.h"
#include "train/term.h"

/* The features that one term reads. */
typedef struct rt_term_features {
    const char *student, *teacher; /* layers; NULL where it reads none */
    size_t member;                 /* of several teachers, whose layer that is */
    rt_extent student_extent;      /* what the layer holds of an image */
    rt_extent teacher_extent;
    rt_extent extent;                      /* what the loss gets of the student's: behind the adapter */
    bool student_vectors, teacher_vectors; /* the port takes a vector a sample: [N, height * width * channels] */
    int tap;                               /* of the training graph; -1 for none */
    size_t adapter_parameters;             /* trained ones */
} rt_term_features;

typedef struct rt_extension {
    rt_graph *graph; /* the training graph */
    rt_parameters *parameters;
    bool owned; /* both are not the network's own */
    rt_term_features *terms;
    int (*own)[RT_LOSS_MAX_OWN]; /* numbers of the parameters that are the terms' own arrays */
    size_t *own_counts;          /* how many each term has */
    size_t term_count;
    size_t own_offset;   /* where gradients of own arrays begin: losses add to them */
    rt_teacher *teacher; /* borrowed; NULL for none */
} rt_extension;

/* Keeps layers and appends adapters. `graph` is the network's; `batch` the most images of a step. The teacher is told
 * what to keep, and planned once for all of it. */
rt_status rt_extension_open(rt_extension *extension, const rt_graph *graph, rt_teacher *teacher,
                            const rt_loss_recipe *losses, size_t loss_count, size_t batch, rt_error *err);

/* Then, once the terms are open and have declared their own arrays: makes the parameters. Those of `network` are
 * copied, adapters are initialised, own arrays filled, and the terms told where they are. */
rt_status rt_extension_fill(rt_extension *extension, rt_parameters *network, rt_loss_term *terms, uint64_t seed,
                            rt_error *err);
/* Puts where the term stands in the recipe in front of an error's words: "my.yaml:7:5: ". */
rt_status rt_term_place(rt_status status, const rt_loss_recipe *recipe, rt_error *err);

void rt_extension_close(rt_extension *extension); /* accepts a zeroed struct */

/* Appends the features that a term reads to `arrays`, which has room for RT_EXTENSION_ARRAYS more; returns how many it
 * has then. They are of `batch` images, from a plan of the training graph; with NULL only their shapes are true. */
enum { RT_EXTENSION_ARRAYS = 2 };
size_t rt_extension_arrays(const rt_extension *extension, size_t term, const rt_plan *plan, size_t batch,
                           rt_loss_array *arrays, size_t count);

/* The most numbers that a term reads of the student's features for an image; 0 where none reads any. */
size_t rt_extension_largest(const rt_extension *extension);

/* Zeroes the gradients that losses add to, but for those of plans. */
void rt_extension_zero(const rt_extension *extension);

#endif
