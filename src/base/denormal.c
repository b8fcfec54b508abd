#include "base/denormal.h"

#include <string.h>

#include "base/vector.h"

RT_WIDE uint64_t rt_denormal_count(const float *values, size_t count)
{
    enum { BLOCK = 4096 };
    const uint32_t magnitude = 0x7fffffffu, smallest_normal = 0x00800000u;
    uint64_t total = 0;
    for (size_t first = 0; first < count; first += BLOCK) {
        uint32_t found = 0;
        size_t last = count - first < BLOCK ? count : first + BLOCK;
        for (size_t i = first; i < last; ++i) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            /* Zero wraps around to the largest number. */
            found += (bits & magnitude) - 1u < smallest_normal - 1u;
        }
        total += found;
    }
    return total;
}
