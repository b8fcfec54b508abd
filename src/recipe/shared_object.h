/* Whether a file can be handed to the dynamic linker, which trusts what it reads. */
#ifndef RETORT_RECIPE_SHARED_OBJECT_H
#define RETORT_RECIPE_SHARED_OBJECT_H

#include <stdbool.h>

#include "base/file.h"

/* An ELF shared object for 64-bit machines whose segments all lie within the file: the linker maps them, and a file
 * that ends too early would end the program. What the segments hold is code, and not looked at. */
bool rt_shared_object_is_whole(const rt_bytes *file);

#endif
