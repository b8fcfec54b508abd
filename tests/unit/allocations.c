#include "allocations.h"

#include <stdbool.h>
#include <stddef.h>

atomic_int allocations_made;
atomic_int allocations_until_refusal = -1;

static bool is_refused(void)
{
    ++allocations_made;
    return allocations_until_refusal >= 0 && allocations_until_refusal-- == 0;
}

/* NAME as the linker renames it, with the declarations that the compiler wants to see. */
#define WRAP(type, name, parameters, arguments)                                                                        \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return is_refused() ? NULL : __real_##name arguments;                                                          \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *memory, size_t size), (memory, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(char *, strdup, (const char *text), (text))
