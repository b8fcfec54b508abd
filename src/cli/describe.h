/* Descriptors in words, for `retort help`. Everything printed comes from the descriptor itself. */
#ifndef RETORT_CLI_DESCRIBE_H
#define RETORT_CLI_DESCRIBE_H

#include <stdio.h>

#include "models/models.h"
#include "optim/optim.h"
#include "retort/dataset.h"
#include "retort/loss.h"

rt_status rt_describe_loss(const rt_loss *loss, FILE *file, rt_error *err);
rt_status rt_describe_reader(const rt_reader *reader, FILE *file, rt_error *err);
rt_status rt_describe_model(const rt_model_family *family, const char *variant, FILE *file, rt_error *err);
rt_status rt_describe_optimizer(const rt_optimizer *optimizer, FILE *file, rt_error *err);
rt_status rt_describe_schedule(const rt_schedule *schedule, FILE *file, rt_error *err);

/* Every key of a recipe, section by section. */
rt_status rt_describe_recipe(FILE *file, rt_error *err);

/* A table of parameters with type, default, range and meaning, behind `indent` spaces; nothing where there are none. */
rt_status rt_describe_params(const rt_param *params, FILE *file, size_t indent, rt_error *err);

/* Prose behind `indent` spaces, broken between words into lines of at most 100 characters; its own line breaks stay. */
void rt_describe_text(const char *text, FILE *file, size_t indent);

#endif
