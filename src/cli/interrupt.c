#include "cli/interrupt.h"

/* A signal handler can reach nothing else. */
static volatile sig_atomic_t interrupted;

static void remember(int number)
{
    (void)number;
    interrupted = 1;
}

const volatile sig_atomic_t *rt_interrupt_watch(void)
{
    /* Reset by the first signal, so that the second has its usual effect: files are whole at any moment. */
    struct sigaction action = {.sa_handler = remember, .sa_flags = (int)(SA_RESETHAND | (unsigned)SA_RESTART)};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &interrupted;
}
