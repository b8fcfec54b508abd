/* Marks what plugins may call: everything else in Retort is hidden from them. */
#ifndef RETORT_API_H
#define RETORT_API_H

#if defined(__GNUC__)
#define RT_API __attribute__((visibility("default")))
#else
#define RT_API
#endif

#endif
