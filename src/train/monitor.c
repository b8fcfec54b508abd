#include "train/monitor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/results.h"

rt_status rt_monitor_open(rt_monitor *monitor, const rt_train_recipe *recipe, const rt_loss_recipe *losses,
                          size_t term_count, size_t logit_floats, size_t floats, rt_error *err)
{
    *monitor = (rt_monitor){.recipe = recipe, .losses = losses, .term_count = term_count, .logit_floats = logit_floats};
    bool wanted = false;
    for (size_t m = 0; m < RT_MONITORS; ++m)
        wanted |= recipe->monitored[m];
    if (!wanted)
        return RT_OK;
    monitor->terms = calloc(term_count + 1, sizeof *monitor->terms);
    monitor->before = calloc(floats + logit_floats, sizeof *monitor->before);
    monitor->logits = calloc((term_count + 1) * logit_floats, sizeof *monitor->logits);
    if (monitor->terms && monitor->before && monitor->logits)
        return RT_OK;
    rt_monitor_close(monitor);
    return rt_fail(err, RT_ERROR_MEMORY, "no memory to monitor gradients of %zu numbers", floats);
}

void rt_monitor_close(rt_monitor *monitor)
{
    free(monitor->terms);
    free(monitor->before);
    free(monitor->logits);
    *monitor = (rt_monitor){0};
}

bool rt_monitor_begin(rt_monitor *monitor, int64_t step)
{
    monitor->measured = monitor->terms && step % monitor->recipe->monitor_steps == 0;
    monitor->step = step;
    if (!monitor->measured)
        return false;
    memset(monitor->logits, 0, monitor->term_count * monitor->logit_floats * sizeof *monitor->logits);
    for (size_t i = 0; i < monitor->term_count; ++i)
        monitor->terms[i] = (rt_term_gradient){.feature_norm = NAN, .cosine = NAN};
    return true;
}

/* The term's port of that name, where it has one with a gradient. */
static const rt_port_data *find(const rt_loss *loss, const rt_loss_io *io, const char *name)
{
    for (size_t p = 0; p < loss->port_count; ++p)
        if (strcmp(loss->ports[p].name, name) == 0 && (loss->ports[p].flags & RT_PORT_DIFF) && io->ports[p].gradient)
            return &io->ports[p];
    return NULL;
}

void rt_monitor_before(rt_monitor *monitor, const rt_loss *loss, const rt_loss_io *io)
{
    const rt_port_data *logits = find(loss, io, "student.logits"), *features = find(loss, io, "student.features");
    if (logits)
        memcpy(monitor->before, logits->gradient, rt_shape_elements(&logits->shape) * sizeof(float));
    if (features)
        memcpy(monitor->before + monitor->logit_floats, features->gradient,
               rt_shape_elements(&features->shape) * sizeof(float));
}

static double norm_of_change(const float *after, const float *before, size_t count)
{
    double squares = 0.0;
    for (size_t i = 0; i < count; ++i) {
        double change = (double)after[i] - (double)before[i];
        squares += change * change;
    }
    return sqrt(squares);
}

void rt_monitor_after(rt_monitor *monitor, size_t term, const rt_loss *loss, const rt_loss_io *io)
{
    const rt_port_data *logits = find(loss, io, "student.logits"), *features = find(loss, io, "student.features");
    rt_term_gradient *gradient = &monitor->terms[term];
    if (logits) {
        size_t count = rt_shape_elements(&logits->shape);
        float *own = monitor->logits + term * monitor->logit_floats;
        gradient->norm = norm_of_change(logits->gradient, monitor->before, count);
        for (size_t i = 0; i < count; ++i)
            own[i] = logits->gradient[i] - monitor->before[i];
    }
    if (features)
        gradient->feature_norm = norm_of_change(features->gradient, monitor->before + monitor->logit_floats,
                                                rt_shape_elements(&features->shape));
}

/* The first cross-entropy; the number of terms where there is none. */
static size_t find_cross_entropy(const rt_monitor *monitor)
{
    size_t i = 0;
    while (i < monitor->term_count && strcmp(monitor->losses[i].loss->name, "cross_entropy") != 0)
        ++i;
    return i;
}

void rt_monitor_end(rt_monitor *monitor)
{
    size_t label = find_cross_entropy(monitor);
    for (size_t i = 0; label < monitor->term_count && i < monitor->term_count; ++i) {
        const float *a = monitor->logits + i * monitor->logit_floats;
        const float *b = monitor->logits + label * monitor->logit_floats;
        double product = 0.0, lengths = monitor->terms[i].norm * monitor->terms[label].norm;
        for (size_t k = 0; k < monitor->logit_floats; ++k)
            product += (double)a[k] * (double)b[k];
        if (i != label && lengths > 0.0)
            monitor->terms[i].cosine = product / lengths;
    }
}

void rt_monitor_describe(const rt_monitor *monitor, char *words, size_t size)
{
    size_t used = 0;
    char name[RT_TERM_NAME];
    words[0] = '\0';
    for (size_t i = 0; i < monitor->term_count && used < size; ++i) {
        const rt_term_gradient *gradient = &monitor->terms[i];
        rt_term_name(monitor->losses, i, name);
        used += (size_t)snprintf(words + used, size - used, "%s%s", i ? ", " : "", name);
        if (monitor->recipe->monitored[RT_MONITOR_NORM] && used < size)
            used += (size_t)snprintf(words + used, size - used, " %.3g", gradient->norm);
        if (monitor->recipe->monitored[RT_MONITOR_NORM] && !isnan(gradient->feature_norm) && used < size)
            used += (size_t)snprintf(words + used, size - used, " (features %.3g)", gradient->feature_norm);
        if (monitor->recipe->monitored[RT_MONITOR_COSINE] && !isnan(gradient->cosine) && used < size)
            used += (size_t)snprintf(words + used, size - used, " cosine %.3f", gradient->cosine);
    }
}
