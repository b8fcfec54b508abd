/* Moves an image's pixels along a straight-lined map, each to where the nearest one comes from; black where there is
 * none. */
#ifndef RETORT_DATASETS_WARP_H
#define RETORT_DATASETS_WARP_H

#include "datasets/augmentation.h"

/* The output's pixel centre (x, y), from the image's middle or, `corner`, from its upper left corner, comes from
 * (xx x + xy y + x0, yx x + yy y + y0). */
typedef struct rt_warp {
    double xx, xy, x0, yx, yy, y0;
    bool corner;
} rt_warp;

void rt_warp_apply(rt_canvas *canvas, const rt_warp *warp);

rt_warp rt_warp_shear_x(double slope);
rt_warp rt_warp_shear_y(double slope);
rt_warp rt_warp_translate(double right, double down); /* whole pixels */
rt_warp rt_warp_rotate(double degrees);               /* against the clock */

#endif
