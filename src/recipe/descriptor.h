/* A loss's descriptor that comes from outside: whether everything in it can be relied on. */
#ifndef RETORT_RECIPE_DESCRIPTOR_H
#define RETORT_RECIPE_DESCRIPTOR_H

#include <stdbool.h>

#include "retort/loss.h"

/* Refuses what no loss can mean: another interface, no name, ports that nothing feeds, parameters outside the state. */
rt_status rt_descriptor_check(const rt_loss *loss, rt_error *err);

/* A name that can be a recipe's key and a file's: lower-case letters, digits and _, a letter first, at most 48. */
bool rt_descriptor_is_name(const char *name);

#endif
