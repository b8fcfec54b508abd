/* The loss with faults as a plugin. */
#include "retort/plugin.h"

extern const rt_loss rt_loss_faulty;

RT_PLUGIN(&rt_loss_faulty);
