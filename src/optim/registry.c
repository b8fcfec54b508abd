/* The lists of optimizers and schedules; meson.build generates the names. */
#include "optim/optim.h"

#define ENTRY(name) extern const rt_optimizer rt_optimizer_##name;
#include "optim/optimizers.inc"
#undef ENTRY
#define ENTRY(name) extern const rt_schedule rt_schedule_##name;
#include "optim/schedules.inc"
#undef ENTRY

#define ENTRY(name) &rt_optimizer_##name,
const rt_optimizer *const rt_optimizers[] = {
#include "optim/optimizers.inc"
};
#undef ENTRY
const size_t rt_optimizer_count = sizeof rt_optimizers / sizeof *rt_optimizers;

#define ENTRY(name) &rt_schedule_##name,
const rt_schedule *const rt_schedules[] = {
#include "optim/schedules.inc"
};
#undef ENTRY
const size_t rt_schedule_count = sizeof rt_schedules / sizeof *rt_schedules;
