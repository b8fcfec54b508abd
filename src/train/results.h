/* results.csv: one row an epoch, rewritten whole with each, so that it never holds half a row. */
#ifndef RETORT_TRAIN_RESULTS_H
#define RETORT_TRAIN_RESULTS_H

#include "recipe/recipe.h"
#include "train/metrics.h"

typedef struct rt_results {
    char *path;
    char *text; /* the file as it will be */
    size_t length, capacity;
} rt_results;

/* What an epoch came to. Percentages; losses are means over images at weight 1. */
typedef struct rt_epoch_row {
    int64_t epoch;                               /* counts from 1 */
    double learning_rate;                        /* of its last step */
    double loss;                                 /* weighted sum of the terms */
    const double *losses;                        /* each term; NaN of one that did not count */
    const double *weights;                       /* each term's in this epoch, 0 of one that did not count */
    const rt_metrics *train, *validation, *test; /* validation may be NULL */
    double images_per_s, seconds;
} rt_epoch_row;

/* What a term is called in tables and logs: its loss's name, then NAME_2, NAME_3, ... for more terms of one kind. */
enum { RT_TERM_NAME = 512 };
void rt_term_name(const rt_loss_recipe *terms, size_t term, char name[RT_TERM_NAME]);

/* Starts the table, or takes back the first `epochs` rows of an earlier one. Columns: epoch, lr, loss, one for each
 * term (its name, then name_2, ... for terms of one kind; empty in epochs in which it does not count), train_top1,
 * train_top5, validation_* where there is such a set, test_top1, test_top5, test_cross_entropy, images_per_s, seconds.
 */
rt_status rt_results_open(rt_results *results, const char *path, const rt_loss_recipe *terms, size_t term_count,
                          bool validation, int64_t epochs, rt_error *err);
rt_status rt_results_add(rt_results *results, const rt_epoch_row *row, size_t term_count, rt_error *err);
void rt_results_close(rt_results *results);

#endif
