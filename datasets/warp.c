#include "datasets/warp.h"

#include <math.h>
#include <string.h>

void rt_warp_apply(rt_canvas *canvas, const rt_warp *warp)
{
    const double middle_x = warp->corner ? 0.0 : 0.5 * (double)canvas->width;
    const double middle_y = warp->corner ? 0.0 : 0.5 * (double)canvas->height;
    const size_t channels = canvas->channels;
    uint8_t *out = canvas->spare;
    for (size_t row = 0; row < canvas->height; ++row)
        for (size_t column = 0; column < canvas->width; ++column, out += channels) {
            const double x = (double)column + 0.5 - middle_x, y = (double)row + 0.5 - middle_y;
            const double from_x = nearbyint(warp->xx * x + warp->xy * y + warp->x0 + middle_x - 0.5);
            const double from_y = nearbyint(warp->yx * x + warp->yy * y + warp->y0 + middle_y - 0.5);
            if (from_x < 0.0 || from_y < 0.0 || from_x >= (double)canvas->width || from_y >= (double)canvas->height)
                memset(out, 0, channels);
            else
                memcpy(out, canvas->pixels + ((size_t)from_y * canvas->width + (size_t)from_x) * channels, channels);
        }
    rt_canvas_turn(canvas);
}

rt_warp rt_warp_shear_x(double slope)
{
    return (rt_warp){.xx = 1.0, .xy = slope, .yy = 1.0, .corner = true};
}

rt_warp rt_warp_shear_y(double slope)
{
    return (rt_warp){.xx = 1.0, .yx = slope, .yy = 1.0, .corner = true};
}

rt_warp rt_warp_translate(double right, double down)
{
    return (rt_warp){.xx = 1.0, .x0 = -right, .yy = 1.0, .y0 = -down};
}

rt_warp rt_warp_rotate(double degrees)
{
    const double angle = degrees * 0.017453292519943295, c = cos(angle), s = sin(angle);
    return (rt_warp){.xx = c, .xy = -s, .yx = s, .yy = c};
}
