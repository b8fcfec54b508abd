#include "optim/warmup.h"

double rt_warmup_ramp(double warmup, double epoch)
{
    const double start = 0.01;
    return epoch < warmup ? start + (1.0 - start) * epoch / warmup : 1.0;
}
