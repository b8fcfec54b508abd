/* Formulas made into a short program that runs over many classes at once.
 *
 * Each operation is a loop over a block of classes whose values stay in the first-level cache, so that what it costs to
 * find out which operation comes next is shared by the block. u and its logarithm are both given: log(u) costs nothing,
 * and stays exact where u itself is rounded. */
#ifndef LOSSES_GENERATOR_PROGRAM_H
#define LOSSES_GENERATOR_PROGRAM_H

#include <stddef.h>

#include "formula.h"

enum { RT_PROGRAM_REGISTERS = 64 };

typedef struct rt_operation {
    rt_formula_kind kind;
    unsigned char to, left, right; /* registers */
    double number;
} rt_operation;

/* Registers 0 and 1 are u and log(u), and are only read. */
typedef struct rt_program {
    rt_operation operations[RT_FORMULA_NODES];
    int count;
    unsigned char results[2];
} rt_program;

/* A program that computes two formulas together. Fails where more numbers are alive at once than there are registers.
 */
rt_status rt_program_compile(rt_program *program, const rt_formula *formula, const int roots[2], rt_error *err);

/* first and second [count] are overwritten with the two formulas' values at u [count]; log_u [count] is its logarithm.
 * No array may overlap another. */
void rt_program_run(const rt_program *program, const double *u, const double *log_u, size_t count, double *first,
                    double *second);

#endif
