/* Folders for `timm.create_model('local-dir:FOLDER', pretrained=True)` (timm 1.0 and later): config.json and
 * model.safetensors, with timm's names of layers. */
#ifndef RETORT_EXPORT_TIMM_H
#define RETORT_EXPORT_TIMM_H

#include "formats/description.h"
#include "models/network.h"

/* Fails, naming the model, where timm has no architecture that computes the same. */
rt_status rt_timm_check(const rt_network *network, rt_error *err);

/* Writes both files into the folder, which is made where it is absent; each whole or not at all. */
rt_status rt_timm_write(const char *folder, const rt_network *network, const rt_description *description,
                        const rt_text_pair *metadata, size_t metadata_count, rt_error *err);

/* Fills the network's parameters with the folder's tensors, each looked up by timm's name. */
rt_status rt_timm_read(const char *folder, rt_network *network, rt_error *err);

#endif
