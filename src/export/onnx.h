/* ONNX files (https://onnx.ai, IR version 8, opset 17): programs written and read back. */
#ifndef RETORT_EXPORT_ONNX_H
#define RETORT_EXPORT_ONNX_H

#include "export/program.h"

/* Writes the file whole or not at all. The batch is open; `metadata` becomes metadata_props. Protocol buffers end at
 * 2 GiB, and more than 1.9 GiB is refused. */
rt_status rt_onnx_write(const char *path, const rt_program *program, const char *name, const rt_text_pair *metadata,
                        size_t metadata_count, rt_error *err);

/* Fills a zeroed program from a file, and takes nothing on trust: files of others can be read, too, as far as they are
 * made of operators, attributes and types that programs have; what is not is named. All numbers are copied. */
rt_status rt_onnx_read(const char *path, rt_program *program, rt_error *err);

#endif
