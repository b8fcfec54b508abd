/* Memory that is released together: everything behind a recipe belongs to one owner. */
#ifndef RETORT_RECIPE_OWNER_H
#define RETORT_RECIPE_OWNER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rt_owner rt_owner;

rt_owner *rt_owner_new(void);        /* NULL without memory */
void rt_owner_free(rt_owner *owner); /* accepts NULL */

/* `count` zeroed items of `size` bytes, aligned for any type; NULL without memory. */
void *rt_owner_take(rt_owner *owner, size_t count, size_t size);

/* A copy of `length` bytes with a zero byte behind them; NULL without memory. */
char *rt_owner_copy(rt_owner *owner, const char *text, size_t length);

/* Whether a request has failed since the owner was made. One look at the end replaces many on the way. */
bool rt_owner_is_short(const rt_owner *owner);

#endif
