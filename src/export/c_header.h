/* Networks as C headers for retort_infer.h: written, and their numbers read back. */
#ifndef RETORT_EXPORT_C_HEADER_H
#define RETORT_EXPORT_C_HEADER_H

#include "export/lowered.h"

/* What things in the header are called, after the file's name: "my-net.h" gives "my_net". */
typedef struct rt_c_name {
    char small[64], large[64]; /* my_net, MY_NET */
} rt_c_name;

/* Fails where nothing is left of the file's name. */
rt_status rt_c_name_make(const char *path, rt_c_name *name, rt_error *err);

/* Writes the header whole or not at all. `about` is put into its first comment, line by line. */
rt_status rt_c_header_write(const char *path, const rt_c_name *name, const rt_lowered *lowered,
                            const rt_text_pair *about, size_t about_count, rt_error *err);

/* Reads the numbers out of such a file and makes a network of them. Operators and sizes must be those of `expected`;
 * the weights are the file's own. */
rt_status rt_c_header_read(const char *path, const rt_c_name *name, const rt_lowered *expected, rt_lowered *lowered,
                           rt_error *err);

#endif
