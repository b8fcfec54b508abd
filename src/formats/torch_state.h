/* From what a file of PyTorch's holds to the tensors of one network. */
#ifndef RETORT_FORMATS_TORCH_STATE_H
#define RETORT_FORMATS_TORCH_STATE_H

#include "formats/torch_objects.h"

/* Whether the file's first bytes are those of a zip archive, or of a pickle. */
bool rt_torch_zip_recognise(const unsigned char *bytes, size_t size);
bool rt_torch_stream_recognise(const unsigned char *bytes, size_t size);

/* torch.save() since version 1.6, and before. Use rt_tensors_open(). */
rt_status rt_torch_zip_open(const char *path, rt_tensors *tensors, rt_error *err);
rt_status rt_torch_stream_open(const char *path, rt_tensors *tensors, rt_error *err);

/* Hands the file over to `tensors`, with the tensors of the dictionary that holds the network: `root` itself, or the
 * one that it has under "state_dict", "model_state_dict", "model", "net" or a few names more, or the only one that it
 * has. What else there is beside them (epochs, accuracies, an optimizer) becomes metadata, in words. All storages have
 * their data. Tensors that lie in pieces are copied. On failure the file stays the caller's. */
rt_status rt_torch_collect(rt_torch_file *file, const rt_pickle_value *root, rt_tensors *tensors, rt_error *err);

#endif
