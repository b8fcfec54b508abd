/* The progress of long work, on stderr: one line that is redrawn on a terminal, a plain line now and then elsewhere.
 *
 *     rt_progress progress;
 *     rt_progress_open(&progress, "student", "images", epochs * samples);
 *     for each step:
 *         rt_progress_update(&progress, &(rt_progress_point){.done = images, .epoch = 3, .epochs = 15,
 *                                                            .loss = loss, .wait_seconds = waited});
 *     for each epoch:
 *         rt_progress_say(&progress, "epoch %d: top-1 %.2f %%", ...);
 *     rt_progress_finish(&progress, NULL);
 *
 *     student  epoch 3/15  [======>               ]  31 %  5120 images/s  ETA 1:52  loss 0.8312  data wait 1 %
 *
 * An update that does not draw costs one look at the clock: at most ten lines a second are drawn on a terminal, one
 * every ten seconds elsewhere. Nothing is allocated and nothing can fail. One thread at a time. */
#ifndef RETORT_REPORT_PROGRESS_H
#define RETORT_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the work stands. What is not known is left zero and not shown. */
typedef struct rt_progress_point {
    uint64_t done;         /* units so far */
    int64_t epoch, epochs; /* the epoch under way counts from 1 */
    double loss;           /* shown when `epochs` is set; NAN for none */
    double wait_seconds;   /* time spent waiting for data since the start; negative for none */
} rt_progress_point;

/* Caller-owned; the fields are this module's own. */
typedef struct rt_progress {
    const char *label, *unit; /* borrowed until rt_progress_finish() */
    uint64_t total;
    bool terminal, colour, line_shown;
    double started, drawn; /* rt_seconds() */
    uint64_t drawn_done;
    double rate;             /* units a second, smoothed over the last few seconds */
    rt_progress_point point; /* the latest */
} rt_progress;

/* Begins. `total` 0 when it is not known: no bar, percentage and ETA then. A line is redrawn only if stderr is a
 * terminal and TERM is set and not "dumb"; NO_COLOR, set and not empty, keeps it free of colour. */
void rt_progress_open(rt_progress *progress, const char *label, const char *unit, uint64_t total);

void rt_progress_update(rt_progress *progress, const rt_progress_point *point);

/* A line of its own that stays, above the one that is redrawn. */
void rt_progress_say(rt_progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends: what stays is `message`, or where the work stood when it is NULL. */
void rt_progress_finish(rt_progress *progress, const char *message);

/* The text of the line at rt_seconds() `now`, at most `columns` wide; a bar is drawn only where `bar` and if it has
 * room. For rt_progress_update() and its tests. */
void rt_progress_line(const rt_progress *progress, double now, bool bar, size_t columns, char *line, size_t size);

#endif
