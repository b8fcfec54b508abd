/* What all that write JSON have to heed. */
#ifndef RETORT_FORMATS_JSON_H
#define RETORT_FORMATS_JSON_H

#include <jansson.h>
#include <math.h>

/* A number, or null for NaN and infinities, which JSON does not have. NULL without memory. */
static inline json_t *rt_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

#endif
