/* A recipe: one YAML file, one experiment, typed and checked.
 *
 *     rt_recipe *recipe;
 *     rt_diagnostics diagnostics = {0};
 *     if (rt_recipe_load(path, overrides, count, RT_RECIPE_TRAIN, &recipe, &diagnostics) != RT_OK)
 *         rt_diagnostics_print(&diagnostics, stderr);
 *
 * Text becomes a tree that knows the line and column of each value (tree.h), the tree is bound to parameter tables
 * (bind.h), and the result is the struct below with every default filled in. All mistakes are found in one go. */
#ifndef RETORT_RECIPE_RECIPE_H
#define RETORT_RECIPE_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/precision.h"
#include "datasets/augmentation.h"
#include "formats/tensors.h"
#include "models/models.h"
#include "optim/optim.h"
#include "recipe/catalogue.h"
#include "retort/dataset.h"
#include "retort/loss.h"

/* A place in the recipe; line 0 where there is none (a default). */
typedef struct rt_mark {
    const char *source; /* the file as it was named, or rt_command_line_source */
    int line, column;   /* 1-based; column counts characters. On the command line, `line` is the override's number */
} rt_mark;

extern const char rt_command_line_source[]; /* "command line" */

typedef struct rt_diagnostic {
    rt_mark mark;
    char *message;
} rt_diagnostic;

/* All that is wrong with a recipe: first the file from top to bottom, then the command line from left to right. The
 * same words about the same place stand here once. Zero-initialise; free with rt_diagnostics_free(). */
typedef struct rt_diagnostics {
    rt_diagnostic *items;
    size_t count, capacity;
    size_t mistakes; /* added in all, repeats included */
    bool is_short;   /* memory ran out: messages may be missing */
} rt_diagnostics;

void rt_diagnostics_add(rt_diagnostics *diagnostics, rt_mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "recipe.yaml:14:5: message", one a line. */
void rt_diagnostics_print(const rt_diagnostics *diagnostics, FILE *file);
void rt_diagnostics_free(rt_diagnostics *diagnostics);

/* What augmentation a recipe asks for. */
typedef struct rt_augment_recipe {
    int64_t crop_pad;
    bool flip;
    rt_augmentation_choice choices[RT_MOST_AUGMENTATIONS]; /* in the order in which they are applied */
    size_t choice_count;
} rt_augment_recipe;

typedef struct rt_data_recipe {
    const char *reader_name;
    const rt_reader *reader; /* NULL where a recipe for synthetic data names none */
    rt_mark reader_mark;
    void *settings;   /* the reader's, settings_size bytes */
    const char *root; /* NULL where the reader needs none */
    rt_mark root_mark;
    int64_t limit;           /* first N training samples; 0 for all */
    double validation;       /* share of the training samples held out, [0, 0.9]; 0 for none */
    rt_float_list mean, std; /* empty: measured from the training set */
    int64_t workers, prefetch;
    int64_t size, resize; /* 0: the images are of one size, and stay so; 0: size * 8 / 7 */
    int corrupt;          /* RT_CORRUPT_... */
    rt_augment_recipe augment;
} rt_data_recipe;

/* What becomes of an image that cannot be read. */
enum { RT_CORRUPT_STOP, RT_CORRUPT_SKIP };

/* How a term's weight goes on. */
enum { RT_WEIGHT_CONSTANT, RT_WEIGHT_LINEAR, RT_WEIGHT_COSINE };

typedef struct rt_loss_recipe {
    const rt_loss *loss;
    double weight, final_weight; /* the latter counts with a schedule other than constant */
    int schedule;                /* RT_WEIGHT_... */
    int64_t warmup, start, stop; /* epochs; train/term_weight.h says how they are meant */
    const char *student;         /* the layer whose features it reads; NULL where it reads none */
    const char *teacher;         /* as it is written: "layer2", the teacher's; "1", a teacher's number; or "1.layer2" */
    const char *teacher_layer;   /* NULL where it reads none */
    int teacher_number; /* of several, from 0; -1 for what they agree on, which of features is the first one's */
    void *settings;     /* the loss's state struct with its parameters written in, state_size bytes */
    rt_mark mark, student_mark, teacher_mark;
} rt_loss_recipe;

/* A file that losses were loaded from. */
typedef struct rt_plugin_recipe {
    const char *file;     /* absolute */
    const char *checksum; /* as catalogue.h has it */
} rt_plugin_recipe;

typedef struct rt_optimizer_recipe {
    const rt_optimizer *optimizer;
    void *settings;
} rt_optimizer_recipe;

typedef struct rt_schedule_recipe {
    const rt_schedule *schedule;
    void *settings;
} rt_schedule_recipe;

/* What can be monitored, by the words of the recipe's list `monitor`. */
enum { RT_MONITOR_NORM, RT_MONITOR_COSINE, RT_MONITORS };
extern const char *const rt_monitor_names[RT_MONITORS + 1]; /* "gradient_norm", "gradient_cosine", NULL */

typedef struct rt_train_recipe {
    int64_t epochs, batch;
    int precision; /* an rt_precision */
    rt_optimizer_recipe optimizer;
    rt_schedule_recipe schedule;
    double clip_norm, clip_value; /* 0 for off; norm is over all gradients together, value is element-wise */
    double ema;                   /* decay of the weights' exponential moving average; 0 for off */
    bool monitored[RT_MONITORS];  /* what is measured of the terms' gradients ... */
    int64_t monitor_steps;        /* ... in every so many steps */
} rt_train_recipe;

/* What several teachers agree on. */
enum { RT_AGREE_PROBABILITIES, RT_AGREE_LOGITS };

/* How a teacher's logits are kept. */
typedef enum rt_memo_precision {
    RT_MEMO_FP32, /* every bit */
    RT_MEMO_FP16  /* rounded, in half the space; students then learn from the rounded logits, kept or not */
} rt_memo_precision;

/* What a teacher with weights must come to before anything is trained. */
typedef struct rt_expect_recipe {
    double top1, tolerance; /* percent on the test set; points */
} rt_expect_recipe;

/* Where a layer of a network of one's own stands. */
struct rt_yaml;
typedef struct rt_layer_place {
    rt_mark mark;
    const struct rt_yaml *settings; /* NULL for none */
} rt_layer_place;

/* One network and where its weights come from. */
typedef struct rt_network_recipe {
    bool present;
    rt_mark mark;
    const char *model; /* variant name; "layers" for a network of one's own */
    rt_mark model_mark;
    const rt_model_family *family;
    void *settings;         /* the family's options */
    rt_layer_place *layers; /* of a network of one's own (models/own_network.h), each before those within it */
    size_t layer_count;
    const char *weights; /* file, or NULL */
    rt_mark weights_mark;
    bool strict;              /* every tensor of the weights has its place, and every parameter its tensor */
    const rt_rename *renames; /* of the weights' tensors */
    size_t rename_count;
    bool expected; /* a teacher of which something is expected */
    rt_expect_recipe expect;
    int precision; /* an rt_precision: of a teacher that is asked, frozen */
    double weight; /* a teacher's, among several */
    rt_mark memo_mark;
    const char *memo;         /* a teacher's: "auto", "off" or a file whose name ends in .memo */
    int memo_precision;       /* an rt_memo_precision */
    const char *features_for; /* the first loss that reads a teacher's features, which no memo holds; NULL for none */
    bool train_present;       /* a teacher that is trained first */
    rt_train_recipe train;
    rt_loss_recipe *loss; /* for a teacher with train: its own terms; cross_entropy where none is given */
    size_t loss_count;
} rt_network_recipe;

enum { RT_CONVOLUTION_AUTO, RT_CONVOLUTION_DIRECT };

typedef struct rt_recipe {
    const char *path;
    int64_t version;           /* of the recipe format: 1 */
    rt_plugin_recipe *plugins; /* those that the catalogue had in the end, whoever named them */
    size_t plugin_count;
    rt_data_recipe data;
    rt_network_recipe teacher; /* the first; not present when the student learns alone */
    rt_network_recipe *others; /* teachers beside the first; rt_recipe_teacher() counts through all */
    size_t other_count;
    int agreement; /* RT_AGREE_...: what teacher.logits is of several teachers */
    rt_network_recipe student;
    rt_loss_recipe *loss;
    size_t loss_count;
    rt_train_recipe train;
    bool baseline; /* also train the student alone, with cross-entropy, same schedule and seed */
    int64_t seed;
    int64_t threads;    /* 0: one for each CPU */
    int convolution;    /* RT_CONVOLUTION_... */
    rt_mark sweep_mark; /* of the block `sweep`, which sweep.h reads; line 0 where there is none */
    void *owner;        /* all memory behind the pointers above */
} rt_recipe;

enum { RT_MAX_TEACHERS = 8 };

/* How many teachers there are, and number i of them, from 0. */
size_t rt_recipe_teachers(const rt_recipe *recipe);
const rt_network_recipe *rt_recipe_teacher(const rt_recipe *recipe, size_t i);

/* The sections of a recipe, for parsing, resolving and `retort help recipe` alike. */
typedef struct rt_recipe_section {
    const char *path; /* "" for the top, "train", "data.augment.crop"; "loss[]" for each item of a list */
    const char *summary;
    const rt_param *params; /* NULL for none */
    const char *more;       /* what else stands there, in words; NULL for nothing */
} rt_recipe_section;

extern const rt_recipe_section rt_recipe_sections[];
extern const size_t rt_recipe_section_count;

/* The tables of the sections; offsets into the structs above. */
extern const rt_param rt_recipe_params_top[];     /* rt_recipe */
extern const rt_param rt_recipe_params_data[];    /* rt_data_recipe */
extern const rt_param rt_recipe_params_augment[]; /* rt_augment_recipe */
extern const rt_param rt_recipe_params_crop[];    /* rt_augment_recipe */
extern const rt_param rt_recipe_params_student[]; /* rt_network_recipe */
extern const rt_param rt_recipe_params_teacher[]; /* rt_network_recipe */
extern const rt_param rt_recipe_params_expect[];  /* rt_expect_recipe */
extern const rt_param rt_recipe_params_term[];    /* rt_loss_recipe */
extern const rt_param rt_recipe_params_train[];   /* rt_train_recipe */

/* What a command needs of a recipe. */
typedef enum rt_recipe_use {
    RT_RECIPE_TRAIN,     /* data, student, loss and train */
    RT_RECIPE_SYNTHETIC, /* student and loss alone (retort bench --synthetic); the rest is still checked,
                          * but nothing in it is missed */
    RT_RECIPE_NETWORKS   /* data and networks: losses and plugins are passed over unread */
} rt_recipe_use;

/* Loads, applies the overrides, checks and types. On failure *recipe is NULL and diagnostics hold every mistake that
 * could be found; a file that cannot be read is one diagnostic without a place. Paths stay as they are written:
 * relative ones are relative to the working directory. Environment variables are not expanded.
 *
 * Overrides are "train.epochs=40", "loss.kl.temperature=2" (an item of a list by its name),
 * "loss.0.cross_entropy.weight=0.1" (by its index, from 0); values are YAML, mappings on the way are made, and the same
 * rules check the result. Override number i is marked rt_command_line_source, line i + 1, column in the argument.
 *
 * Losses are those of the catalogue, which gets those of the plugins that the recipe names, where it allows that; it
 * outlives the recipe. NULL: the built-in losses. */
rt_status rt_recipe_load(const char *path, const char *const *overrides, size_t override_count, rt_recipe_use use,
                         rt_catalogue *catalogue, rt_recipe **recipe, rt_diagnostics *diagnostics);

/* For data and networks, where one mistake is enough to give up: the first becomes the error, with its place. */
rt_status rt_recipe_load_networks(const char *path, const char *const *overrides, size_t override_count,
                                  rt_recipe **recipe, rt_error *err);

/* rt_recipe_load() for a text in memory; `source` names it in messages. */
rt_status rt_recipe_parse(const char *source, const char *text, size_t size, const char *const *overrides,
                          size_t override_count, rt_recipe_use use, rt_catalogue *catalogue, rt_recipe **recipe,
                          rt_diagnostics *diagnostics);
void rt_recipe_free(rt_recipe *recipe); /* accepts NULL */

/* The resolved recipe: every default filled in, as YAML that loads to the same recipe. Allocated; NULL without memory.
 */
char *rt_recipe_resolve(const rt_recipe *recipe);

/* Recipe-style "key=value" settings for one descriptor table, as `retort loss --set` and `retort predict --set` take
 * them. `what` names the owner in messages ("loss/kl"). Writes defaults first. Text after the '=' is YAML, but taken as
 * it is for a string; strings live as long as `values`. */
rt_status rt_settings_parse(const char *what, const rt_param *params, const char *const *values, size_t count,
                            void *settings, rt_error *err);

#endif
