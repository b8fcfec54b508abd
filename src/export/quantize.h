/* Post-training quantisation of programs: convolutions and matrix products multiply integers of 8 bits.
 *
 * What such an operator reads is rounded to steps of one scale s for the whole value, its weights to steps of one scale
 * a output channel, both symmetric:
 *
 *     q = clamp(round_half_to_even(x / s), -128, 127), x ~ s q, s = (largest |x|) / 127
 *
 * In the program that is a QuantizeLinear and a DequantizeLinear before each of them, the form that ONNX runtimes make
 * integer kernels of; the weights are integers in the file, a quarter of their size. The first operator that has
 * weights stays as it is: it reads the images themselves, and is the least work. */
#ifndef RETORT_EXPORT_QUANTIZE_H
#define RETORT_EXPORT_QUANTIZE_H

#include "export/program.h"

/* The largest number, as it is without its sign, of each value that an operator to quantise reads, over images [count,
 * channels, height, width]; 0 for other values. `ranges` has program->value_count numbers. */
rt_status rt_program_measure(const rt_program *program, const float *images, size_t count, float *ranges,
                             rt_error *err);

/* Fills a zeroed program, which owns all of its numbers. */
rt_status rt_program_quantize(const rt_program *from, const float *ranges, rt_program *to, rt_error *err);

#endif
