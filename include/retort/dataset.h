/* The contract of a dataset reader. Every file in datasets/ that reads a format fulfils it.
 *
 * A reader opens a folder (or nothing at all, as `synthetic` does) and hands out whole images as bytes in
 * height x width x channel order, and their labels. It does not augment, resize, shuffle, normalise or split:
 * that is the loader's, and is the same for every reader. datasets/synthetic.c is a complete example without files,
 * datasets/idx.c one with them. Both hold images of one size in memory. A reader of photographs, which differ in size
 * and do not fit memory, leaves `pixels` NULL and gives fetch(), which decodes one image at a time:
 * datasets/image_folder.c. */
#ifndef RETORT_DATASET_H
#define RETORT_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "retort/error.h"
#include "retort/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rt_split { RT_SPLIT_TRAIN, RT_SPLIT_TEST } rt_split;

/* One image of any size, and the memory that it and the file behind it are in. Its user zeroes it once, has any number
 * of images fetched into it, one after the other, and frees `memory` and `file`: both grow to the largest and stay. */
typedef struct rt_picture {
    size_t height, width, channels;
    const uint8_t *pixels; /* [height, width, channels]; in `memory`, or the reader's own */
    uint8_t *memory, *file;
    size_t memory_capacity, file_capacity; /* bytes */
} rt_picture;

/* One split, whole and in file order. Filled by the reader's open(), released by its close(). */
typedef struct rt_images {
    size_t count;
    size_t height, width, channels; /* of each image that the loader hands out, of up to 16 channels. Without `pixels`
                                       the reader leaves height and width 0: the recipe's data.size says them */
    size_t classes;
    const uint8_t *pixels;          /* [count, height, width, channels], 0..255; NULL where fetch() has them */
    const int64_t *labels;          /* [count], each in [0, classes) */
    const char *const *class_names; /* [classes], the reader's; NULL where the data have no names */
    void *owner;                    /* the reader's own; free for its use */

    /* Where images differ in size. Reads and decodes one of them; several threads may be in it at once, each with its
     * own picture, and nothing behind `images` may change. The error names the file. */
    rt_status (*fetch)(const struct rt_images *images, size_t index, rt_picture *picture, rt_error *err);
    uint64_t identity; /* with fetch(): tells these images from any others, and how they are decoded */

    /* Not the reader's: set by datasets/view.h where images are resized. */
    size_t short_side;                  /* to which they are, before a centre crop to height x width; 0 for as is */
    size_t stored_height, stored_width; /* of `pixels` */
} rt_images;

typedef struct rt_reader {
    const char *name;       /* file name = symbol = recipe key */
    const char *summary;    /* one line for `retort list datasets` */
    const char *files;      /* which files it looks for below root, for `retort help` */
    bool needs_root;        /* the recipe must give `root` */
    const rt_param *params; /* what a recipe may set beside `root`; ends in RT_PARAM_END; NULL for none */
    size_t settings_size;   /* of the struct that the parameters are written into, in bytes */

    /* Reads one split; only that split's files need exist. `settings` is that struct, borrowed for the call; `root` is
     * NULL when it was not given. What *images points to is the reader's, and stays until close().
     * Everything in the files is hostile: sizes are checked before they are believed, labels are range-checked,
     * and the error names the file and the place. On failure *images is left zeroed and nothing stays allocated.
     * `seed` is the recipe's, for readers that make their data up. */
    rt_status (*open)(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                      rt_error *err);
    void (*close)(rt_images *images); /* accepts a zeroed struct */
} rt_reader;

#ifdef __cplusplus
}
#endif
#endif
