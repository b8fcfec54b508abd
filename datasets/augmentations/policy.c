#include "datasets/augmentations/policy.h"

#include <math.h>

#include "datasets/color.h"
#include "datasets/warp.h"

/* Strengths from 0 to `most` as torch.linspace has them, in float: their last bits decide where a product that is to be
 * rounded down is all but whole. */
static double strength(double most, size_t step)
{
    const float end = (float)most, unit = end / (RT_POLICY_STEPS - 1);
    const double from_start = (double)unit * (double)step;
    const double from_end = (double)end - (double)unit * (double)(RT_POLICY_STEPS - 1 - step);
    return (double)(float)(step < RT_POLICY_STEPS / 2 ? from_start : from_end);
}

void rt_policy_apply(rt_canvas *canvas, rt_policy_operation operation, size_t step, bool negative)
{
    const double sign = negative ? -1.0 : 1.0;
    const double slope = sign * strength(0.3, step), factor = 1.0 + sign * strength(0.9, step);
    const double right = sign * trunc(strength(150.0 / 331.0 * (double)canvas->width, step));
    const double down = sign * trunc(strength(150.0 / 331.0 * (double)canvas->height, step));
    rt_warp warp;
    switch (operation) {
    case RT_POLICY_SHEAR_X:
        warp = rt_warp_shear_x(slope);
        break;
    case RT_POLICY_SHEAR_Y:
        warp = rt_warp_shear_y(slope);
        break;
    case RT_POLICY_TRANSLATE_X:
        warp = rt_warp_translate(right, 0.0);
        break;
    case RT_POLICY_TRANSLATE_Y:
        warp = rt_warp_translate(0.0, down);
        break;
    case RT_POLICY_ROTATE:
        warp = rt_warp_rotate(sign * strength(30.0, step));
        break;
    case RT_POLICY_BRIGHTNESS:
        rt_color_brightness(canvas, factor);
        return;
    case RT_POLICY_SATURATION:
        rt_color_saturation(canvas, factor);
        return;
    case RT_POLICY_CONTRAST:
        rt_color_contrast(canvas, factor);
        return;
    case RT_POLICY_SHARPNESS:
        rt_color_sharpness(canvas, factor);
        return;
    case RT_POLICY_POSTERIZE:
        rt_color_posterize(canvas, 8 - (unsigned)nearbyint((double)step / 7.5));
        return;
    case RT_POLICY_SOLARIZE:
        rt_color_solarize(canvas, 255.0 - 8.5 * (double)step);
        return;
    case RT_POLICY_AUTOCONTRAST:
        rt_color_autocontrast(canvas);
        return;
    case RT_POLICY_EQUALIZE:
        rt_color_equalize(canvas);
        return;
    default:
        return;
    }
    rt_warp_apply(canvas, &warp);
}
