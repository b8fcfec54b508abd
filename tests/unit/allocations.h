/* Every allocation of Retort's own code, counted, and refused on demand. The linker's --wrap hands them over; those
 * inside oneDNN and other libraries are not among them. */
#ifndef RETORT_TESTS_UNIT_ALLOCATIONS_H
#define RETORT_TESTS_UNIT_ALLOCATIONS_H

#include <stdatomic.h>

extern atomic_int allocations_made;

/* The allocation that finds 0 here is refused, and each one counts down. Below 0 none is. */
extern atomic_int allocations_until_refusal;

#endif
