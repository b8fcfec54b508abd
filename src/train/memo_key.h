/* What a teacher's logits depend on, by name. Two keys that are equal promise the same bits. */
#ifndef RETORT_TRAIN_MEMO_KEY_H
#define RETORT_TRAIN_MEMO_KEY_H

#include "engine/inference.h"
#include "models/network.h"
#include "train/data.h"

/* In the order in which they are compared: what is first is the cause of what follows. */
typedef enum rt_memo_ingredient {
    RT_MEMO_MODEL,             /* "resnet56 width=1": variant and every option */
    RT_MEMO_WEIGHTS,           /* XXH3-128 of parameters and running statistics */
    RT_MEMO_IMAGES,            /* how many, their shape, and XXH3-128 of the pixels */
    RT_MEMO_NORMALIZATION,     /* mean/std of each channel, every digit */
    RT_MEMO_AUGMENTATION,      /* what gives a variant its number */
    RT_MEMO_ENGINE,            /* Retort, library, instruction set */
    RT_MEMO_CPU,               /* libraries choose blocks by its caches */
    RT_MEMO_TEACHER_PRECISION, /* what its plan multiplies in: "fp32", "bf16 in 21 of 21 convolutions" */
    RT_MEMO_THREADS,           /* and split work by their number */
    RT_MEMO_MICRO_BATCH,
    RT_MEMO_BITS, /* rt_place_probe's fingerprint: what all of the above make of the same noise, here and now */
    RT_MEMO_INGREDIENTS
} rt_memo_ingredient;

enum { RT_MEMO_VALUE_CAPACITY = 320 };

typedef struct rt_memo_key {
    uint64_t samples, variants, classes; /* training images; augmentations of each; logits of each */
    rt_memo_precision precision;
    char values[RT_MEMO_INGREDIENTS][RT_MEMO_VALUE_CAPACITY];
} rt_memo_key;

/* "teacher weights": for messages, and for files. */
const char *rt_memo_ingredient_name(rt_memo_ingredient ingredient);

const char *rt_memo_precision_name(rt_memo_precision precision); /* "fp32" */

/* The key of a teacher's logits for the training images; the engine's part is one pass over a micro-batch
 * (place_probe.h). */
rt_status rt_memo_key_make(const rt_network *network, rt_inference *inference, const rt_run_data *data,
                           rt_memo_precision precision, rt_memo_key *key, rt_error *err);

/* XXH3-64 of the whole key in hexadecimal, for the names of files. */
void rt_memo_key_digest(const rt_memo_key *key, char text[17]);

/* Fails where the keys differ, with the first difference in full and the names of the rest. `path` is the file that
 * `theirs` comes from. */
rt_status rt_memo_key_compare(const rt_memo_key *theirs, const rt_memo_key *ours, const char *path, rt_error *err);

#endif
