/* The numbers that multiplications are done in. Weights, sums, norms, losses and updates are fp32 (or more) whatever
 * the precision: it is the factors that are rounded. */
#ifndef RETORT_BASE_PRECISION_H
#define RETORT_BASE_PRECISION_H

typedef enum rt_precision {
    RT_PRECISION_FP32, /* as they are */
    RT_PRECISION_BF16, /* rounded to 8 bits of mantissa: relative error at most 2^-9 */
    RT_PRECISION_AUTO, /* BF16 for the layers where a fixed rule has it faster on this CPU, FP32 for the others */
    RT_PRECISION_INT8, /* steps of a range that was measured beforehand; of frozen networks alone */
    RT_PRECISIONS
} rt_precision;

/* Their names as recipes write them, in this order, and NULL: all, and those that training has. */
extern const char *const rt_precision_names[], *const rt_training_precision_names[];

#endif
