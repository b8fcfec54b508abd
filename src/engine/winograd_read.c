/* Winograd's first stage: tiles of the source to frequencies. Compiled for each form and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

#ifdef READS_IN_PLACE
/* Of channels that a row outside of the map may have. */
enum { MOST_CHANNELS = 512 };
static const float zeros[WINDOW * MOST_CHANNELS];

RT_INLINE void transform_channels(const float *const rows[WINDOW], size_t channels, const bool left_out,
                                  const bool right_out, float *cell)
{
    const float *at[WINDOW];
#pragma GCC unroll 9
    for (size_t i = 0; i < WINDOW; ++i)
        at[i] = rows[i];
    for (size_t c = 0; c < channels; c += RT_LANES, cell += CELL) {
        transform_map(at, channels, left_out, right_out, cell);
#pragma GCC unroll 9
        for (size_t i = 0; i < WINDOW; ++i)
            at[i] += RT_LANES;
    }
}

/* A tile of whole vectors of channels that needs nothing done to its pixels, without copying them first: what it sees
 * of the map, and zeros outside, of which there may be any rows but at most a column on either side. False if it is not
 * of that kind. */
static bool read_in_place(const rt_winograd *shape, const float *values, tile at, float *cell)
{
    const size_t channels = shape->inputs, columns = shape->src_width - at.src_column + BEFORE;
    if (channels % RT_LANES != 0 || channels > MOST_CHANNELS || columns + 1 < WINDOW)
        return false;
    const size_t line = shape->src_width * channels, first_row = at.src_row == 0 ? BEFORE : 0;
    const size_t last_row = shape->src_height - at.src_row + BEFORE;
    const size_t corner = ((at.image * shape->src_height + at.src_row) * shape->src_width + at.src_column) * channels;
    const float *rows[WINDOW];
    for (size_t i = 0; i < WINDOW; ++i)
        rows[i] = i >= first_row && i < last_row ? values + corner + i * line - BEFORE * (line + channels) : zeros;
    const bool left_out = at.src_column == 0, right_out = columns < WINDOW;
    if (left_out && right_out)
        transform_channels(rows, channels, true, true, cell);
    else if (left_out)
        transform_channels(rows, channels, true, false, cell);
    else if (right_out)
        transform_channels(rows, channels, false, true, cell);
    else
        transform_channels(rows, channels, false, false, cell);
    return true;
}
#else
RT_INLINE bool read_in_place(const rt_winograd *shape, const float *values, tile at, float *cell)
{
    (void)shape, (void)values, (void)at, (void)cell;
    return false;
}
#endif

#define READ_TILES(reading)                                                                                            \
    static void read_tiles_##reading(const rt_winograd *shape, const rt_winograd_source *src, size_t first,            \
                                     size_t count, float *cell)                                                        \
    {                                                                                                                  \
        const size_t channels = shape->inputs;                                                                         \
        float pixels[WINDOW * WINDOW * RT_LANES] __attribute__((aligned(64)));                                         \
        tile at = tile_at(shape, first);                                                                               \
        for (size_t t = 0; t < count; ++t, at = next_tile(shape, at)) {                                                \
            if (reading == RT_READ_PLAIN && read_in_place(shape, src->values, at, cell)) {                             \
                cell += vectors_of(channels) * CELL;                                                                   \
                continue;                                                                                              \
            }                                                                                                          \
            const bool inside = tile_inside(shape, at);                                                                \
            for (size_t c = 0; c < channels; c += RT_LANES, cell += CELL) {                                            \
                const bool whole = c + RT_LANES <= channels;                                                           \
                const reader r = whole ? reader_at(src, reading, c, RT_LANES, true)                                    \
                                       : reader_at(src, reading, c, channels - c, false);                              \
                if (!whole)                                                                                            \
                    read_source_pixels(shape, channels, at, &r, reading, false, false, pixels);                        \
                else if (inside)                                                                                       \
                    read_source_pixels(shape, channels, at, &r, reading, true, true, pixels);                          \
                else                                                                                                   \
                    read_source_pixels(shape, channels, at, &r, reading, false, true, pixels);                         \
                RT_LOAD_AGAIN();                                                                                       \
                transform_source(pixels, cell);                                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }
READ_TILES(RT_READ_PLAIN)
READ_TILES(RT_READ_NORM)
READ_TILES(RT_READ_NORM_RELU)
READ_TILES(RT_READ_NORM_BACKWARD)

void RT_OF_FORM(rt_winograd_read_)(const rt_winograd *shape, const rt_winograd_source *src, size_t first, size_t count,
                                   float *cells)
{
    switch (src->reading) {
    case RT_READ_NORM:
        read_tiles_RT_READ_NORM(shape, src, first, count, cells);
        return;
    case RT_READ_NORM_RELU:
        read_tiles_RT_READ_NORM_RELU(shape, src, first, count, cells);
        return;
    case RT_READ_NORM_BACKWARD:
        read_tiles_RT_READ_NORM_BACKWARD(shape, src, first, count, cells);
        return;
    default:
        read_tiles_RT_READ_PLAIN(shape, src, first, count, cells);
    }
}
