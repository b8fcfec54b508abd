/* `retort bench --losses`: what value and gradient of each loss cost, by the size of the batch. */
#ifndef RETORT_CLI_BENCH_LOSSES_H
#define RETORT_CLI_BENCH_LOSSES_H

#include <stdbool.h>

#include "recipe/catalogue.h"

/* Whether a command line is this one: --losses is among its words. */
bool rt_bench_losses_wanted(int argc, char **argv);

/* Runs it, argv[0] being "bench"; returns the exit code. Results go to stdout: a table, or with --json one array of
 * {"loss", "samples", "width", "microseconds", "threads"}, width being classes or, of losses on features, channels. */
int rt_bench_losses(int argc, char **argv, const rt_catalogue *catalogue);

#endif
