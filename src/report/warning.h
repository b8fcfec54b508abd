/* A line on stderr about what is let pass, in between whatever else is told. */
#ifndef RETORT_REPORT_WARNING_H
#define RETORT_REPORT_WARNING_H

/* "warning: " and the formatted words. */
void rt_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
