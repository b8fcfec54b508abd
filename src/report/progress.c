#include "report/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cpu.h"
#include "report/duration.h"

enum { LINE_SIZE = 512, NARROWEST_BAR = 5, WIDEST_BAR = 30 };

static const double terminal_interval = 0.1, plain_interval = 10.0; /* seconds between lines */
static const double rate_memory = 5.0;                              /* seconds that the rate is smoothed over */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

void rt_progress_open(rt_progress *progress, const char *label, const char *unit, uint64_t total)
{
    bool terminal = isatty(STDERR_FILENO) && is_set("TERM") && strcmp(getenv("TERM"), "dumb") != 0;
    double now = rt_seconds();
    *progress = (rt_progress){.label = label,
                              .unit = unit,
                              .total = total,
                              .terminal = terminal,
                              .colour = terminal && !is_set("NO_COLOR"),
                              .started = now,
                              .drawn = now};
}

static double share(const rt_progress *progress)
{
    return progress->total ? fmin((double)progress->point.done / (double)progress->total, 1.0) : 0.0;
}

/* Whole work at the average pace so far: pauses that recur, such as an evaluation each epoch, are then counted. */
static double seconds_left(const rt_progress *progress, double now)
{
    if (progress->point.done == 0)
        return NAN;
    uint64_t left = progress->total > progress->point.done ? progress->total - progress->point.done : 0;
    return (now - progress->started) / (double)progress->point.done * (double)left;
}

static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

static void append_bar(char *text, size_t size, double filled_share, size_t width)
{
    size_t filled = (size_t)(filled_share * (double)width);
    append(text, size, "  [");
    for (size_t i = 0; i < width; ++i)
        append(text, size, "%c", i < filled ? '=' : i == filled ? '>' : ' ');
    append(text, size, "]");
}

void rt_progress_line(const rt_progress *progress, double now, bool bar, size_t columns, char *line, size_t size)
{
    const rt_progress_point *point = &progress->point;
    char tail[LINE_SIZE] = "";
    if (progress->total)
        append(tail, sizeof tail, "  %3d %%", (int)(100.0 * share(progress)));
    if (progress->rate > 0.0)
        append(tail, sizeof tail, "  %.*f %s/s", progress->rate < 100.0, progress->rate, progress->unit);
    if (progress->total) {
        char duration[16];
        rt_duration_format(seconds_left(progress, now), duration, sizeof duration);
        append(tail, sizeof tail, "  ETA %s", duration);
    }
    if (point->epochs > 0 && !isnan(point->loss))
        append(tail, sizeof tail, "  loss %.4g", point->loss);
    if (point->epochs > 0 && point->wait_seconds >= 0.0 && now > progress->started)
        append(tail, sizeof tail, "  data wait %.0f %%", 100.0 * point->wait_seconds / (now - progress->started));

    snprintf(line, size, "%s", progress->label);
    if (point->epochs > 0)
        append(line, size, "  epoch %lld/%lld", (long long)point->epoch, (long long)point->epochs);
    size_t frame = strlen("  []");
    size_t used = strlen(line) + strlen(tail) + frame;
    if (bar && progress->total && columns >= used + NARROWEST_BAR) {
        size_t room = columns - used;
        append_bar(line, size, share(progress), room < WIDEST_BAR ? room : WIDEST_BAR);
    }
    append(line, size, "%s", tail);
    if (strlen(line) > columns)
        line[columns] = '\0';
}

/* One column stays free: a terminal may wrap at the last one. */
static size_t terminal_columns(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 2)
        return 79;
    return window.ws_col - 1u;
}

static void erase(rt_progress *progress)
{
    if (progress->line_shown)
        fputs("\r\033[K", stderr);
    progress->line_shown = false;
}

static void draw(rt_progress *progress, double now, bool stays)
{
    double seconds = now - progress->drawn;
    if (seconds > 0.0 && progress->point.done > progress->drawn_done) {
        double rate = (double)(progress->point.done - progress->drawn_done) / seconds;
        double weight = progress->rate > 0.0 ? 1.0 - exp(-seconds / rate_memory) : 1.0;
        progress->rate += weight * (rate - progress->rate);
    }
    progress->drawn = now;
    progress->drawn_done = progress->point.done;

    size_t columns = progress->terminal ? terminal_columns() : LINE_SIZE - 1;
    char line[LINE_SIZE];
    rt_progress_line(progress, now, progress->terminal, columns, line, sizeof line);
    const char *colour = progress->colour ? "\033[36m" : "", *plain = progress->colour ? "\033[0m" : "";
    if (progress->terminal)
        fprintf(stderr, "\r%s%s%s\033[K%s", colour, line, plain, stays ? "\n" : "");
    else
        fprintf(stderr, "%s\n", line);
    progress->line_shown = progress->terminal && !stays;
}

void rt_progress_update(rt_progress *progress, const rt_progress_point *point)
{
    progress->point = *point;
    double now = rt_seconds();
    if (now - progress->drawn >= (progress->terminal ? terminal_interval : plain_interval))
        draw(progress, now, false);
}

void rt_progress_say(rt_progress *progress, const char *format, ...)
{
    erase(progress);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void rt_progress_finish(rt_progress *progress, const char *message)
{
    if (message)
        rt_progress_say(progress, "%s", message);
    else
        draw(progress, rt_seconds(), true);
}
