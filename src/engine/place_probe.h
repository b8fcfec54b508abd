/* What a frozen network computes for made-up images, wherever in a batch they stand: a question to the kernels that
 * cannot be settled by reading them, since most are a library's.
 *
 * Somebody who keeps logits for later wants to know two things. Whether it matters for an image's logits where in a
 * batch the image stands and what stands beside it: if so, logits that were kept are not those that would be computed.
 * And which bits this build, library, CPU and number of threads make of these weights: the fingerprint is another when
 * anything is another that counts. */
#ifndef RETORT_ENGINE_PLACE_PROBE_H
#define RETORT_ENGINE_PLACE_PROBE_H

#include "engine/inference.h"

typedef struct rt_place_probe {
    bool independent;     /* the same bits at every place that was tried */
    uint64_t fingerprint; /* XXH3 of the logits, all of the micro-batch's */
} rt_place_probe;

/* Runs a micro-batch of noise as it is, shifted by 1, by 2, 4, ..., reversed, and every second image alone: about
 * log2(micro-batch) + 3 forward passes. `every_shift` tries all of them, for tests. */
rt_status rt_place_probe_run(rt_inference *inference, bool every_shift, rt_place_probe *probe, rt_error *err);

#endif
