/* Losses from a file of your own, without building Retort anew.
 *
 *     retort new loss my_divergence       # writes my_divergence.c, a loss that works: change it
 *     retort help plugin                  # the command that makes my_divergence.so of it
 *     retort gradcheck ./my_divergence.so # whether it is right
 *
 * A plugin is a shared object that exports one table, RT_PLUGIN(...) with pointers to its losses at the end of the
 * file:
 *
 *     #include "retort/loss.h"
 *     #include "retort/plugin.h"
 *     static const rt_loss my_divergence = {.abi = RT_LOSS_ABI, .name = "my_divergence", ...};
 *     RT_PLUGIN(&my_divergence);
 *
 * It is linked against nothing of Retort: rt_parallel_rows(), rt_fail() and whatever else retort/ declares come from
 * the program that loads it. The number of the interface, RT_LOSS_ABI, is compared before anything else is read,
 * descriptors are checked before they are used, and names must be new. A plugin is code, and runs with your rights:
 * recipes load plugins with --allow-plugins alone, `--plugin FILE` on the command line is consent. */
#ifndef RETORT_PLUGIN_H
#define RETORT_PLUGIN_H

#include "retort/api.h"
#include "retort/loss.h"

/* What is looked up in the file by the name "rt_plugin_table". */
typedef struct rt_plugin {
    uint32_t abi; /* RT_LOSS_ABI: stays the first field in every version */
    uint32_t loss_count;
    const rt_loss *const *losses;
} rt_plugin;

#ifdef __cplusplus
#define RT_PLUGIN_LINKAGE extern "C"
#else
#define RT_PLUGIN_LINKAGE
#endif

/* Once a plugin, with all its losses: RT_PLUGIN(&first, &second); */
#define RT_PLUGIN(...)                                                                                                 \
    static const rt_loss *const rt_plugin_losses[] = {__VA_ARGS__};                                                    \
    RT_PLUGIN_LINKAGE RT_API extern const rt_plugin rt_plugin_table;                                                   \
    const rt_plugin rt_plugin_table = {RT_LOSS_ABI, sizeof rt_plugin_losses / sizeof *rt_plugin_losses,                \
                                       rt_plugin_losses}

#endif
