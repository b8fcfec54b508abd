/* What an augmentation is: a file in datasets/augmentations, and a word in the list of its meson.build, which is the
 * order in which they are applied. datasets/augmentations/random_erasing.c is a short example.
 *
 * Random numbers come from the draws that it is handed, which depend on seed, epoch, sample (or batch, of what mixes
 * images) and the augmentation alone;
 * so results are the same for any number of workers, and in a run that was resumed. */
#ifndef RETORT_DATASETS_AUGMENTATION_H
#define RETORT_DATASETS_AUGMENTATION_H

#include "datasets/resample.h"
#include "retort/random.h"

typedef struct rt_draws {
    rt_key key;
    uint32_t next; /* block of the key's sequence */
} rt_draws;

struct rt_augmentation;

/* The part of a sample's or batch's random numbers that the augmentation has for itself. */
rt_draws rt_draws_for(const struct rt_augmentation *augmentation, rt_key key);

double rt_draw_between(rt_draws *draws, double low, double high); /* [low, high) */
uint32_t rt_draw_below(rt_draws *draws, uint32_t bound);          /* [0, bound) */
bool rt_draw_happens(rt_draws *draws, double probability);
double rt_draw_beta(rt_draws *draws, double a, double b); /* [0, 1], as rt_random_beta() */

/* An image on its way: [height, width, channels], and memory of the same size to write another one to. */
typedef struct rt_canvas {
    size_t height, width, channels;
    uint8_t *pixels, *spare;
} rt_canvas;

/* For check(): what is wrong with lists of the least and the largest share of an area and shape, which may be empty, in
 * words; NULL where nothing is. */
const char *rt_check_ranges(const rt_float_list *scale, const rt_float_list *ratio);

/* Makes `spare` the image, and the other way round. */
void rt_canvas_turn(rt_canvas *canvas);

/* What becomes of two images, each by itself: of the own image and the other one. */
typedef struct rt_blend {
    bool pasted;  /* the other's pixels are put over the box; else values are (1 - share) own + share other */
    rt_box box;   /* where the other's pixels go */
    double share; /* of the other image, and of its label; 0 for an image that stays as it is */
} rt_blend;

typedef struct rt_augmentation {
    const char *name; /* file name = symbol = key in data.augment */
    const char *summary;
    const rt_param *params;
    size_t settings_size;
    /* What the table cannot say, in words; NULL where nothing is wrong. May be NULL. */
    const char *(*check)(const void *settings);

    /* It does one of four things. To choose the part of the picture that becomes the image; by default the loader
     * resizes the short side and takes the centre. */
    void (*choose)(const void *settings, rt_draws *draws, size_t height, size_t width, rt_box *box);
    /* To change the image's bytes. */
    void (*paint)(const void *settings, rt_draws *draws, rt_canvas *canvas);
    /* To change its normalised values, [height, width, channels]. */
    void (*finish)(const void *settings, rt_draws *draws, size_t height, size_t width, size_t channels, float *values);
    /* To mix the images of a batch, each with another: says how (datasets/mixing.h does it). The draws are the batch's,
     * and *blend comes zeroed. */
    void (*mix)(const void *settings, rt_draws *draws, size_t height, size_t width, rt_blend *blend);
} rt_augmentation;

/* One that a recipe asks for. */
typedef struct rt_augmentation_choice {
    const rt_augmentation *augmentation;
    const void *settings;
} rt_augmentation_choice;

enum { RT_MOST_AUGMENTATIONS = 16 };

/* The first of them that mixes images, so that an image has two labels; NULL where none does. */
const rt_augmentation *rt_mixing_choice(const rt_augmentation_choice *choices, size_t count);

extern const rt_augmentation *const rt_augmentations[];
extern const size_t rt_augmentation_count;

#endif
