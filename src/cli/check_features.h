/* What `retort check` shows of the features that losses read. */
#ifndef RETORT_CLI_CHECK_FEATURES_H
#define RETORT_CLI_CHECK_FEATURES_H

#include "recipe/recipe.h"
#include "train/extension.h"

/* A table of the terms that read any: their layers, sizes, adapters, and what the loss keeps of its own. Prints nothing
 * where there are none. */
rt_status rt_check_print_features(const rt_extension *extension, const rt_loss_recipe *losses, rt_error *err);

#endif
