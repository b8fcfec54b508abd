#include "losses/losses.h"

#define LOSS(name) extern const rt_loss rt_loss_##name;
#include "losses/losses.inc"
#undef LOSS

const rt_loss *const rt_losses[] = {
#define LOSS(name) &rt_loss_##name,
#include "losses/losses.inc"
#undef LOSS
};

const size_t rt_loss_count = sizeof rt_losses / sizeof *rt_losses;
