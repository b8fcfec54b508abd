/* Layers with a sliding window, and what all kinds of layers are written with (layer_kinds.c). */
#ifndef RETORT_MODELS_LAYER_WINDOWS_H
#define RETORT_MODELS_LAYER_WINDOWS_H

#include "models/layer_kinds.h"

/* Beyond it a window is refused as one, whatever its map. */
#define RT_LAYER_WIDEST 65536
#define RT_LAYER_LARGEST 4294967296.0

/* A whole number from 1 that must be given. */
#define RT_LAYER_NEEDED(T, f, hi, text)                                                                                \
    {                                                                                                                  \
#f, text, RT_PARAM_INT, offsetof(T, f), 0.0, 1.0, (double)(hi), NULL, NULL, true                               \
    }

typedef struct rt_layer_window {
    int64_t channels, kernel, stride, padding, dilation, groups; /* a pool's stride of 0 is its kernel's */
    bool bias, ceil_mode;
} rt_layer_window;

extern const rt_param rt_layer_conv_params[], rt_layer_max_pool_params[], rt_layer_avg_pool_params[];

int rt_layer_conv(rt_layer_site *site, const void *settings);
int rt_layer_mend_conv(rt_layer_site *site, const void *settings);
int rt_layer_max_pool(rt_layer_site *site, const void *settings);
int rt_layer_avg_pool(rt_layer_site *site, const void *settings);

/* One image's worth of the first layer that a layer reads. */
static inline rt_extent rt_layer_input(const rt_layer_site *site)
{
    return site->graph->nodes[site->sources[0]].shape;
}

#endif
