/* The built-in losses, in the order of losses/meson.build. */
#ifndef RETORT_LOSSES_LOSSES_H
#define RETORT_LOSSES_LOSSES_H

#include "retort/loss.h"

extern const rt_loss *const rt_losses[];
extern const size_t rt_loss_count;

/* The loss's port of that name, or NULL. */
const rt_port *rt_loss_port(const rt_loss *loss, const char *name);

#endif
