#include "pipeline/cli/interrupt.h"

#include <unistd.h>

volatile sig_atomic_t nj_interrupt_flag;

static void on_signal(int number)
{
    (void)number;
    nj_interrupt_flag = 1;
}

void nj_interrupt_listen(unsigned seconds)
{
    const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: what waits in a system call shall wake up */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (seconds == 0)
        return;
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

bool nj_interrupted(void *unused)
{
    (void)unused;
    return nj_interrupt_flag != 0;
}
