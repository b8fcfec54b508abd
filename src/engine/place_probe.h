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

/* Which other places are tried, besides running a micro-batch of noise as it is: none, the batch shifted by 1 and by
 * half of it and one more, reversed, and every second image alone; or every shift, for tests. */
typedef enum rt_places { RT_PLACES_NONE, RT_PLACES_SOME, RT_PLACES_ALL } rt_places;

rt_status rt_place_probe_run(rt_inference *inference, rt_places places, rt_place_probe *probe, rt_error *err);

#endif
