/* The built-in dataset readers, in the order of datasets/meson.build. */
#ifndef RETORT_DATASETS_READERS_H
#define RETORT_DATASETS_READERS_H

#include "retort/dataset.h"

extern const rt_reader *const rt_readers[];
extern const size_t rt_reader_count;

#endif
