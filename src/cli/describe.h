/* Descriptors in words, for `retort help`. Everything printed comes from the descriptor itself. */
#ifndef RETORT_CLI_DESCRIBE_H
#define RETORT_CLI_DESCRIBE_H

#include <stdio.h>

#include "datasets/augmentation.h"
#include "models/layer_kinds.h"
#include "models/models.h"
#include "optim/optim.h"
#include "retort/dataset.h"
#include "retort/loss.h"

rt_status rt_describe_loss(const rt_loss *loss, FILE *file, rt_error *err);
rt_status rt_describe_reader(const rt_reader *reader, FILE *file, rt_error *err);
rt_status rt_describe_augmentation(const rt_augmentation *augmentation, FILE *file, rt_error *err);
rt_status rt_describe_layer(const rt_layer_kind *kind, FILE *file, rt_error *err);
rt_status rt_describe_model(const rt_model_family *family, const char *variant, FILE *file, rt_error *err);
rt_status rt_describe_optimizer(const rt_optimizer *optimizer, FILE *file, rt_error *err);
rt_status rt_describe_schedule(const rt_schedule *schedule, FILE *file, rt_error *err);

/* What a port holds beside its shape: "float32, gets a gradient". Cut to `size` bytes. */
void rt_describe_port(const rt_port *port, char *words, size_t size);

/* In words, the property number `index` of those that losses can have (retort/loss.h); NULL beyond the last. */
const char *rt_describe_property(size_t index);

/* losses/README.md: conventions, a table of all losses, and a section for each. */
rt_status rt_markdown_losses(FILE *file, rt_error *err);

/* Losses of one's own, with the compiler's command. */
void rt_describe_plugin(FILE *file);

/* Every key of a recipe, section by section. */
rt_status rt_describe_recipe(FILE *file, rt_error *err);

/* A parameter in words. */
typedef struct rt_param_words {
    const char *type; /* "number" */
    char usual[256];  /* what it is where the recipe does not say, or "required" */
    char range[256];  /* "0.05 to 1000"; empty for text, true and false */
} rt_param_words;

void rt_describe_param(const rt_param *param, rt_param_words *words);

/* A table of parameters with type, default, range and meaning, behind `indent` spaces; nothing where there are none. */
rt_status rt_describe_params(const rt_param *params, FILE *file, size_t indent, rt_error *err);

/* Prose behind `indent` spaces, broken between words into lines of at most 100 characters; its own line breaks stay. */
void rt_describe_text(const char *text, FILE *file, size_t indent);

#endif
