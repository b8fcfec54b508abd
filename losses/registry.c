#include "losses/losses.h"

#include <string.h>

#define LOSS(name) extern const rt_loss rt_loss_##name;
#include "losses/losses.inc"
#undef LOSS

const rt_loss *const rt_losses[] = {
#define LOSS(name) &rt_loss_##name,
#include "losses/losses.inc"
#undef LOSS
};

const size_t rt_loss_count = sizeof rt_losses / sizeof *rt_losses;

const rt_port *rt_loss_port(const rt_loss *loss, const char *name)
{
    for (size_t i = 0; i < loss->port_count; ++i)
        if (strcmp(loss->ports[i].name, name) == 0)
            return &loss->ports[i];
    return NULL;
}
