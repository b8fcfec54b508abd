/* Where a depthwise 3 x 3 convolution with padding 1 and stride 1 or 2 sees which taps.
 *
 * There is a map that is read and one that is written: forward reads src and writes dst; backward to the source reads
 * diff_dst and writes diff_src; the weight gradient goes where forward goes. Near the border, and everywhere in a
 * strided backward, a position sees fewer than nine taps. So positions are sorted by the taps they see: along each axis
 * into at most three spans, and the product of a span of rows and a span of columns is a region. Within a region there
 * is nothing left to decide, and padding is never read. */
#ifndef RETORT_ENGINE_DEPTHWISE_REGIONS_H
#define RETORT_ENGINE_DEPTHWISE_REGIONS_H

#include "graph/graph.h"

enum { RT_DEPTHWISE_SPANS = 3, RT_DEPTHWISE_REGIONS = RT_DEPTHWISE_SPANS * RT_DEPTHWISE_SPANS };

/* Positions along one axis of the written map that see the same taps. Steps may be negative, modulo 2^64. */
typedef struct rt_depthwise_span {
    size_t first, step, count; /* positions first, first + step, ... */
    size_t read, read_step;    /* where the first one's taps begin in the map that is read; how much later the next's */
    size_t taps;               /* 1 to 3 neighbours */
    size_t weight, weight_step; /* the filter's row or column for the first tap; to that for the next */
} rt_depthwise_span;

/* Three nested loops over images, rows and columns, the longest innermost; offsets and steps are in floats. */
typedef struct rt_depthwise_region {
    size_t count[3], read_step[3], written_step[3]; /* outermost first */
    size_t read, written;                           /* the first position's first tap, and the position itself */
    size_t row_taps, column_taps;                   /* 1 to 3 each */
    size_t weight, weight_row, weight_column;       /* the first tap's weight, 0 to 8; steps to the next ones' */
} rt_depthwise_region;

/* Some images, or a rectangle of one. */
typedef struct rt_depthwise_tile {
    rt_depthwise_region regions[RT_DEPTHWISE_REGIONS];
    size_t region_count;
    size_t pixel, line; /* floats from a tap to the next column's and to the next row's in the map that is read */
} rt_depthwise_tile;

/* One direction of a convolution, cut into tiles. The cut follows from shapes alone. */
typedef struct rt_depthwise_direction {
    rt_depthwise_span rows[RT_DEPTHWISE_SPANS], columns[RT_DEPTHWISE_SPANS];
    size_t row_spans, column_spans;
    rt_extent read, written;
    size_t batch, tile_images, tile_rows, tile_columns; /* the last tile may be smaller */
    size_t tiles_down, tiles_across, tiles;             /* of a map, and of the batch */
} rt_depthwise_direction;

/* `in` and `out` are the convolution's; backward reads out and writes in. */
rt_depthwise_direction rt_depthwise_forward(rt_extent in, rt_extent out, size_t stride, size_t batch);
rt_depthwise_direction rt_depthwise_backward(rt_extent in, rt_extent out, size_t stride, size_t batch);

/* Tile `number` of direction->tiles. Tiles write no position twice and together every one. */
void rt_depthwise_tile_of(const rt_depthwise_direction *direction, size_t number, rt_depthwise_tile *tile);

#endif
