#include "engine/depthwise_regions.h"

enum {
    TILE_POSITIONS = 256, /* of the written map; what they read stays in the cache next to a core */
    TILE_COLUMNS = 32,    /* three lines' worth of some channels stay in the first cache, even where 2^n channels make
                           * their addresses collide */
    TILES_AT_LEAST = 8    /* over a batch of small maps, so that there is something for every thread */
};

/* Forward: output o sees inputs stride * o - 1 + k, k from 0 to 2, that exist. Only the first output and perhaps the
 * last miss one. */
static size_t forward_spans(size_t in, size_t out, size_t stride, rt_depthwise_span spans[RT_DEPTHWISE_SPANS])
{
    size_t count = 0, whole = in < 2 ? 0 : (in - 2) / stride;
    whole = whole < out - 1 ? whole : out - 1;
    spans[count++] = (rt_depthwise_span){.count = 1, .step = 1, .taps = in < 2 ? 1 : 2, .weight = 1, .weight_step = 1};
    if (whole > 0)
        spans[count++] = (rt_depthwise_span){.first = 1,
                                             .step = 1,
                                             .count = whole,
                                             .read = stride - 1,
                                             .read_step = stride,
                                             .taps = 3,
                                             .weight_step = 1};
    if (whole + 1 < out)
        spans[count++] = (rt_depthwise_span){
            .first = whole + 1, .step = 1, .count = 1, .read = stride * (whole + 1) - 1, .taps = 2, .weight_step = 1};
    return count;
}

/* Backward with stride 1 is forward with the filter turned round. With stride 2, an even input reached the outputs
 * through the filter's middle alone; an odd one as the last of one window and the first of the next, if there is one.
 */
static size_t backward_spans(size_t in, size_t out, size_t stride, rt_depthwise_span spans[RT_DEPTHWISE_SPANS])
{
    if (stride == 1) {
        size_t same = forward_spans(in, out, 1, spans);
        for (size_t i = 0; i < same; ++i) {
            spans[i].weight = 2 - spans[i].weight;
            spans[i].weight_step = (size_t)-1;
        }
        return same;
    }
    size_t count = 0, odd = in / 2, between = odd < out - 1 ? odd : out - 1;
    spans[count++] =
        (rt_depthwise_span){.step = 2, .count = (in + 1) / 2, .read_step = 1, .taps = 1, .weight = 1, .weight_step = 1};
    if (between > 0)
        spans[count++] = (rt_depthwise_span){
            .first = 1, .step = 2, .count = between, .read_step = 1, .taps = 2, .weight = 2, .weight_step = (size_t)-2};
    if (between < odd)
        spans[count++] = (rt_depthwise_span){
            .first = 2 * between + 1, .step = 2, .count = 1, .read = between, .taps = 1, .weight = 2, .weight_step = 1};
    return count;
}

static size_t divided_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* The size of pieces that are at most `most`, about equal, and together `whole`. */
static size_t even_share(size_t whole, size_t most)
{
    return divided_up(whole, divided_up(whole, most));
}

static void cut(rt_depthwise_direction *d, size_t batch)
{
    const size_t height = d->written.height, width = d->written.width;
    const size_t most = batch / TILES_AT_LEAST, images = TILE_POSITIONS / (height * width);
    d->batch = batch;
    d->tile_columns = even_share(width, TILE_COLUMNS);
    d->tile_rows = even_share(height, TILE_POSITIONS / d->tile_columns);
    d->tile_images = images < most ? images : most;
    d->tile_images = d->tile_images > 0 ? d->tile_images : 1;
    d->tiles_across = divided_up(width, d->tile_columns);
    d->tiles_down = divided_up(height, d->tile_rows);
    d->tiles = d->tiles_across * d->tiles_down * divided_up(batch, d->tile_images);
}

rt_depthwise_direction rt_depthwise_forward(rt_extent in, rt_extent out, size_t stride, size_t batch)
{
    rt_depthwise_direction d = {.read = in, .written = out};
    d.row_spans = forward_spans(in.height, out.height, stride, d.rows);
    d.column_spans = forward_spans(in.width, out.width, stride, d.columns);
    cut(&d, batch);
    return d;
}

rt_depthwise_direction rt_depthwise_backward(rt_extent in, rt_extent out, size_t stride, size_t batch)
{
    rt_depthwise_direction d = {.read = out, .written = in};
    d.row_spans = backward_spans(in.height, out.height, stride, d.rows);
    d.column_spans = backward_spans(in.width, out.width, stride, d.columns);
    cut(&d, batch);
    return d;
}

/* The positions of a span that are in [begin, end). */
static rt_depthwise_span clipped(rt_depthwise_span span, size_t begin, size_t end)
{
    size_t from = begin > span.first ? divided_up(begin - span.first, span.step) : 0;
    size_t to = end > span.first ? divided_up(end - span.first, span.step) : 0;
    to = to < span.count ? to : span.count;
    span.first += from * span.step;
    span.read += from * span.read_step;
    span.count = to > from ? to - from : 0;
    return span;
}

static void exchange(size_t values[3], size_t i, size_t j)
{
    size_t value = values[i];
    values[i] = values[j];
    values[j] = value;
}

/* Columns innermost, unless rows or images are more: a border is one column wide, and small maps are short each way. */
static void longest_innermost(rt_depthwise_region *r)
{
    size_t longest = 2;
    for (size_t i = 2; i-- > 0;)
        if (r->count[i] > r->count[longest])
            longest = i;
    exchange(r->count, longest, 2);
    exchange(r->read_step, longest, 2);
    exchange(r->written_step, longest, 2);
}

static rt_depthwise_region region_of(const rt_depthwise_direction *d, size_t image, size_t images,
                                     const rt_depthwise_span *rows, const rt_depthwise_span *columns)
{
    const size_t channels = d->read.channels;
    const size_t read_line = d->read.width * channels, written_line = d->written.width * channels;
    const size_t read_image = d->read.height * read_line, written_image = d->written.height * written_line;
    rt_depthwise_region r = {
        .count = {images, rows->count, columns->count},
        .read_step = {read_image, rows->read_step * read_line, columns->read_step * channels},
        .written_step = {written_image, rows->step * written_line, columns->step * channels},
        .read = image * read_image + rows->read * read_line + columns->read * channels,
        .written = image * written_image + rows->first * written_line + columns->first * channels,
        .row_taps = rows->taps,
        .column_taps = columns->taps,
        .weight = 3 * rows->weight + columns->weight,
        .weight_row = 3 * rows->weight_step,
        .weight_column = columns->weight_step,
    };
    longest_innermost(&r);
    return r;
}

void rt_depthwise_tile_of(const rt_depthwise_direction *d, size_t number, rt_depthwise_tile *tile)
{
    const size_t across = number % d->tiles_across, down = number / d->tiles_across % d->tiles_down;
    const size_t image = number / (d->tiles_across * d->tiles_down) * d->tile_images, left = d->batch - image;
    const size_t images = left < d->tile_images ? left : d->tile_images;
    tile->pixel = d->read.channels;
    tile->line = d->read.width * tile->pixel;
    tile->region_count = 0;
    for (size_t i = 0; i < d->row_spans; ++i) {
        const rt_depthwise_span rows = clipped(d->rows[i], down * d->tile_rows, (down + 1) * d->tile_rows);
        for (size_t j = 0; j < d->column_spans; ++j) {
            const rt_depthwise_span columns =
                clipped(d->columns[j], across * d->tile_columns, (across + 1) * d->tile_columns);
            if (rows.count > 0 && columns.count > 0)
                tile->regions[tile->region_count++] = region_of(d, image, images, &rows, &columns);
        }
    }
}
