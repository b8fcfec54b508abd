/* Checkpoints: all that a killed run needs to go on as if it had never been killed, in one safetensors file.
 *
 * Tensors: the parameters and buffers by name, "optimizer.0.NAME" and "optimizer.1.NAME" for moments, "ema.NAME" for
 * the moving average. Metadata: the state of the training, a checksum, and a fingerprint of the resolved recipe,
 * without which (or with another) a checkpoint is refused. */
#ifndef RETORT_TRAIN_CHECKPOINT_H
#define RETORT_TRAIN_CHECKPOINT_H

#include "formats/tensors.h"
#include "train/state.h"
#include "train/update.h"

/* Written whole or not at all. `fingerprint` is any text that names the run. */
rt_status rt_checkpoint_save(const char *path, const rt_update *update, const rt_training_state *state, size_t terms,
                             const char *fingerprint, rt_error *err);

/* Reads everything back; on failure update and state are as they were. */
rt_status rt_checkpoint_load(const char *path, rt_update *update, rt_training_state *state, size_t terms,
                             const char *fingerprint, rt_error *err);

#endif
