#include "datasets/readers.h"

#define READER(name) extern const rt_reader rt_reader_##name;
#include "datasets/readers.inc"
#undef READER

const rt_reader *const rt_readers[] = {
#define READER(name) &rt_reader_##name,
#include "datasets/readers.inc"
#undef READER
};

const size_t rt_reader_count = sizeof rt_readers / sizeof *rt_readers;
