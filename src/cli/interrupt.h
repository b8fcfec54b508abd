/* Ctrl-C: the first asks to stop at the next step boundary, the second ends the process at once. */
#ifndef RETORT_CLI_INTERRUPT_H
#define RETORT_CLI_INTERRUPT_H

#include <signal.h>

/* Catches SIGINT and SIGTERM once each, and returns the flag that they set. */
const volatile sig_atomic_t *rt_interrupt_watch(void);

#endif
