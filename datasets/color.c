#include "datasets/color.h"

#include <math.h>
#include <string.h>

static uint8_t to_byte(float value)
{
    return (uint8_t)(value <= 0.0f ? 0.0f : value >= 255.0f ? 255.0f : value);
}

static uint8_t blend(float one, float other, double factor)
{
    return to_byte((float)factor * one + (float)(1.0 - factor) * other);
}

static size_t bytes_of(const rt_canvas *canvas)
{
    return canvas->height * canvas->width * canvas->channels;
}

static bool has_color(const rt_canvas *canvas)
{
    return canvas->channels == 3;
}

static uint8_t gray(const uint8_t *pixel)
{
    return (uint8_t)(0.2989f * (float)pixel[0] + 0.587f * (float)pixel[1] + 0.114f * (float)pixel[2]);
}

void rt_color_brightness(rt_canvas *canvas, double factor)
{
    for (size_t i = 0, count = bytes_of(canvas); i < count; ++i)
        canvas->pixels[i] = blend(canvas->pixels[i], 0.0f, factor);
}

void rt_color_contrast(rt_canvas *canvas, double factor)
{
    const size_t count = canvas->height * canvas->width;
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes_of(canvas); i += canvas->channels)
        sum += has_color(canvas) ? gray(canvas->pixels + i) : canvas->pixels[i];
    const float mean = (float)((double)sum / (double)count);
    for (size_t i = 0; i < bytes_of(canvas); ++i)
        canvas->pixels[i] = blend(canvas->pixels[i], mean, factor);
}

void rt_color_saturation(rt_canvas *canvas, double factor)
{
    if (!has_color(canvas))
        return;
    for (size_t i = 0; i < bytes_of(canvas); i += 3) {
        uint8_t *pixel = canvas->pixels + i, light = gray(pixel);
        for (size_t c = 0; c < 3; ++c)
            pixel[c] = blend(pixel[c], light, factor);
    }
}

/* The largest and the smallest of three, and the place of the hue on a circle of 6. */
static void turn_hue(uint8_t *pixel, float turn)
{
    const float r = (float)pixel[0] / 255.0f, g = (float)pixel[1] / 255.0f, b = (float)pixel[2] / 255.0f;
    const float most = fmaxf(r, fmaxf(g, b)), least = fminf(r, fminf(g, b)), range = most - least;
    if (range == 0.0f)
        return;
    const float saturation = range / most;
    float hue = most == r ? (g - b) / range : most == g ? 2.0f + (b - r) / range : 4.0f + (r - g) / range;
    hue = fmodf(hue / 6.0f + 1.0f, 1.0f) + turn;
    hue -= floorf(hue);
    const float place = hue * 6.0f, sector = floorf(place), part = place - sector;
    const float p = most * (1.0f - saturation), q = most * (1.0f - saturation * part),
                t = most * (1.0f - saturation * (1.0f - part));
    const float colors[6][3] = {{most, t, p}, {q, most, p}, {p, most, t}, {p, q, most}, {t, p, most}, {most, p, q}};
    const float *color = colors[(int)sector % 6];
    for (size_t c = 0; c < 3; ++c) /* just below 256, so that 1.0 is 255 and every byte has the same share */
        pixel[c] = to_byte(fminf(fmaxf(color[c], 0.0f), 1.0f) * 255.999f);
}

void rt_color_hue(rt_canvas *canvas, double turn)
{
    for (size_t i = 0; has_color(canvas) && turn != 0.0 && i < bytes_of(canvas); i += 3)
        turn_hue(canvas->pixels + i, (float)turn);
}

void rt_color_sharpness(rt_canvas *canvas, double factor)
{
    const size_t line = canvas->width * canvas->channels, channels = canvas->channels;
    const uint8_t *in = canvas->pixels;
    if (canvas->height <= 2 || canvas->width <= 2)
        return;
    /* Pixels at the border are not blurred. Blent with themselves they may come out a level lower. */
    for (size_t i = 0; i < bytes_of(canvas); ++i)
        canvas->spare[i] = blend(in[i], in[i], factor);
    for (size_t y = 1; y + 1 < canvas->height; ++y)
        for (size_t i = y * line + channels; i < (y + 1) * line - channels; ++i) {
            unsigned sum = 4u * in[i];
            for (size_t k = 0; k < 3; ++k) {
                const uint8_t *row = in + i + k * line - line;
                sum += 0u + *(row - channels) + *row + row[channels];
            }
            canvas->spare[i] = blend(in[i], (float)((2 * sum + 13) / 26), factor);
        }
    rt_canvas_turn(canvas);
}

void rt_color_posterize(rt_canvas *canvas, unsigned bits)
{
    const uint8_t mask = (uint8_t)(0xff00u >> bits);
    for (size_t i = 0, count = bytes_of(canvas); i < count; ++i)
        canvas->pixels[i] &= mask;
}

void rt_color_solarize(rt_canvas *canvas, double threshold)
{
    for (size_t i = 0, count = bytes_of(canvas); i < count; ++i)
        if (canvas->pixels[i] >= threshold)
            canvas->pixels[i] = (uint8_t)(255 - canvas->pixels[i]);
}

static void look_up(rt_canvas *canvas, size_t channel, const uint8_t table[256])
{
    for (size_t i = channel, count = bytes_of(canvas); i < count; i += canvas->channels)
        canvas->pixels[i] = table[canvas->pixels[i]];
}

static void count_bytes(const rt_canvas *canvas, size_t channel, size_t counts[256])
{
    memset(counts, 0, 256 * sizeof *counts);
    for (size_t i = channel, count = bytes_of(canvas); i < count; i += canvas->channels)
        ++counts[canvas->pixels[i]];
}

void rt_color_autocontrast(rt_canvas *canvas)
{
    for (size_t c = 0; c < canvas->channels; ++c) {
        size_t counts[256], least = 0, most = 255;
        uint8_t table[256];
        count_bytes(canvas, c, counts);
        while (least < 255 && counts[least] == 0)
            ++least;
        while (most > 0 && counts[most] == 0)
            --most;
        if (least >= most)
            continue;
        const float scale = 1.0f / (float)(most - least) * 255.0f; /* in this order, which rounds twice */
        for (size_t i = 0; i < 256; ++i)
            table[i] = to_byte(((float)i - (float)least) * scale);
        look_up(canvas, c, table);
    }
}

void rt_color_equalize(rt_canvas *canvas)
{
    for (size_t c = 0; c < canvas->channels; ++c) {
        size_t counts[256], last = 255, before = 0;
        uint8_t table[256];
        count_bytes(canvas, c, counts);
        while (last > 0 && counts[last] == 0)
            --last;
        const size_t step = (canvas->height * canvas->width - counts[last]) / 255;
        if (step == 0)
            continue;
        for (size_t i = 0; i < 256; before += counts[i++]) {
            const size_t level = i ? (before + step / 2) / step : 0;
            table[i] = (uint8_t)(level < 255 ? level : 255);
        }
        look_up(canvas, c, table);
    }
}
