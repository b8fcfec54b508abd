/* Decodes every image of two splits once, and writes a pack (pack_file.h). */
#ifndef RETORT_DATASETS_PACK_WRITE_H
#define RETORT_DATASETS_PACK_WRITE_H

#include <signal.h>

#include "retort/dataset.h"

typedef struct rt_packing {
    const rt_images *splits[2];        /* by rt_split; of one number of channels and of classes */
    size_t short_side;                 /* to which images are resized whose short side is larger; 0 for none */
    bool skip;                         /* leave out what cannot be read; otherwise the first of it is the error */
    const volatile sig_atomic_t *stop; /* NULL for none; when it is set, nothing is written: RT_ERROR_INTERRUPTED */

    /* Told in order, from the caller's thread; either may be NULL. */
    void (*progress)(void *context, size_t done);
    void (*left_out)(void *context, const char *words); /* an image, by its path */
    void *context;
} rt_packing;

typedef struct rt_packed {
    size_t counts[2], left_out[2]; /* by split */
    size_t bytes;                  /* of the file */
} rt_packed;

/* Images keep the readers' order, and the file does not depend on the number of threads. Until it is whole and on the
 * disk nothing is at `path`. A split of which nothing is left is an error. */
rt_status rt_pack_write(const char *path, const rt_packing *packing, rt_packed *packed, rt_error *err);

#endif
