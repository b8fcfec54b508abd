/* safetensors (https://github.com/huggingface/safetensors): u64 header length, JSON header, packed data.
 *
 * The reader is strict: offsets must tile the data section exactly, sizes are checked before they are believed,
 * duplicate names are refused. Header sizes up to 100,000,000 bytes, as the reference implementation allows. */
#ifndef RETORT_FORMATS_SAFETENSORS_H
#define RETORT_FORMATS_SAFETENSORS_H

#include <stdbool.h>

#include "formats/tensors.h"

/* Whether the file's first bytes look like safetensors. */
bool rt_safetensors_recognise(const unsigned char *bytes, size_t size);

/* Use rt_tensors_open(). */
rt_status rt_safetensors_open(const char *path, rt_tensors *tensors, rt_error *err);

/* Writes all tensors and the metadata, atomically (rt_file_write()). Tensors are laid out as the reference writer does:
 * by alignment, largest first, then by name; metadata keys in the order given, "format": "pt" added. */
rt_status rt_safetensors_write(const char *path, const rt_tensor *tensors, size_t count, const rt_text_pair *metadata,
                               size_t metadata_count, rt_error *err);

#endif
