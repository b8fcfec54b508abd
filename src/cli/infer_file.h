/* retort_infer.h, put beside a network that was exported as a C header. */
#ifndef RETORT_CLI_INFER_FILE_H
#define RETORT_CLI_INFER_FILE_H

#include <stdbool.h>

#include "retort/error.h"

/* Whether it can be written into the folder of the C header: nothing of its name is there, or the same text, or
 * anything and `force`. */
rt_status rt_infer_file_check(const char *header, bool force, rt_error *err);

/* Writes it, if it is not there. */
rt_status rt_infer_file_write(const char *header, bool force, rt_error *err);

#endif
