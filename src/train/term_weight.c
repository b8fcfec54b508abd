#include "train/term_weight.h"

#include <math.h>

static int64_t first_epoch(const rt_loss_recipe *term)
{
    return term->start > 1 ? term->start : 1;
}

bool rt_term_counts(const rt_loss_recipe *term, int64_t epoch)
{
    return epoch >= first_epoch(term) && (term->stop == 0 || epoch <= term->stop);
}

/* How much of the way to the final weight is behind at `t`, the share of the term's time that has passed. */
static double progress(int schedule, double t)
{
    switch (schedule) {
    case RT_WEIGHT_LINEAR:
        return t;
    case RT_WEIGHT_COSINE:
        return 0.5 * (1.0 - cos(acos(-1.0) * t));
    default:
        return 0.0;
    }
}

double rt_term_weight(const rt_loss_recipe *term, int64_t epoch, int64_t epochs)
{
    if (!rt_term_counts(term, epoch))
        return 0.0;
    int64_t first = first_epoch(term), last = term->stop > 0 && term->stop < epochs ? term->stop : epochs;
    double t = last > first ? fmin((double)(epoch - first) / (double)(last - first), 1.0) : 0.0;
    double weight = term->weight + (term->final_weight - term->weight) * progress(term->schedule, t);
    double ramp = term->warmup > 0 ? (double)(epoch - first + 1) / (double)term->warmup : 1.0;
    return ramp < 1.0 ? weight * ramp : weight;
}
