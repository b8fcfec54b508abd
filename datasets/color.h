/* Changes of an image's colours, to torchvision's definitions for tensors of bytes: results are cut to 0..255 and
 * rounded down. An image of one channel is its own gray and has no hue and no saturation. */
#ifndef RETORT_DATASETS_COLOR_H
#define RETORT_DATASETS_COLOR_H

#include "datasets/augmentation.h"

/* factor 1 changes nothing; 0 gives black, the image's mean gray, its gray version. */
void rt_color_brightness(rt_canvas *canvas, double factor);
void rt_color_contrast(rt_canvas *canvas, double factor);
void rt_color_saturation(rt_canvas *canvas, double factor);
void rt_color_hue(rt_canvas *canvas, double turn);         /* turn: of the circle, -0.5 to 0.5 */
void rt_color_sharpness(rt_canvas *canvas, double factor); /* 0: blurred by a 3x3 kernel */

void rt_color_posterize(rt_canvas *canvas, unsigned bits);   /* keeps the highest bits of each byte, 0 to 8 */
void rt_color_solarize(rt_canvas *canvas, double threshold); /* inverts bytes that are not below it */
void rt_color_autocontrast(rt_canvas *canvas);               /* stretches each channel to 0..255 */
void rt_color_equalize(rt_canvas *canvas);                   /* evens out each channel's histogram */

#endif
