#include "datasets/augmentations/policy.h"

#include <math.h>

#include "datasets/color.h"
#include "datasets/warp.h"

void rt_policy_apply(rt_canvas *canvas, rt_policy_operation operation, size_t step, bool negative)
{
    const double share = (double)step / (RT_POLICY_STEPS - 1), sign = negative ? -1.0 : 1.0;
    const double slope = sign * 0.3 * share, factor = 1.0 + sign * 0.9 * share;
    const double right = trunc(sign * 150.0 / 331.0 * (double)canvas->width * share);
    const double down = trunc(sign * 150.0 / 331.0 * (double)canvas->height * share);
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
        warp = rt_warp_rotate(sign * 30.0 * share);
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
        rt_color_posterize(canvas, 8 - (unsigned)nearbyint(4.0 * share));
        return;
    case RT_POLICY_SOLARIZE:
        rt_color_solarize(canvas, 255.0 * (1.0 - share));
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
