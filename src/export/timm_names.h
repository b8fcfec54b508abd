/* Which of our models are timm's, and what their layers are called there. A line in the table of timm_names.c is a
 * model.
 */
#ifndef RETORT_EXPORT_TIMM_NAMES_H
#define RETORT_EXPORT_TIMM_NAMES_H

#include <stdbool.h>

#include "graph/graph.h"

enum { RT_TIMM_STAGES = 8 };

typedef struct rt_timm_name {
    char text[2 * RT_NAME_CAPACITY];
} rt_timm_name;

typedef struct rt_architecture rt_architecture;
struct rt_architecture {
    const char *variant, *timm; /* our name of the model, and theirs */
    const char *first, *last;   /* timm's names of the first convolution and the last layer */
    size_t most;                /* side of the images up to which the network is the same; 0 for any */
    bool fixed_size;            /* the network is made for one size of images, which timm must be told */
    double norm_epsilon;        /* of batch norms, where timm must be told; 0 where it is timm's own */
    int stages[RT_TIMM_STAGES]; /* blocks in each of timm's stages, where torchvision counts otherwise; ends with 0 */
    /* A parameter's name there, empty where it has none; `shape` is changed where timm's differs. */
    rt_timm_name (*rename)(const rt_architecture *a, const char *name, rt_shape *shape);
};

/* NULL where timm has no architecture that computes the same. */
const rt_architecture *rt_architecture_find(const char *variant);

/* "resnet18, resnet34, ...": all models that have one. */
void rt_architecture_list(char *text, size_t size);

#endif
