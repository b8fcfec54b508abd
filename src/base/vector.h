/* RT_WIDE for our own code; plugins have it, too, and so it is defined where they can see it. */
#ifndef RETORT_BASE_VECTOR_H
#define RETORT_BASE_VECTOR_H

#include "retort/vector.h"

#endif
