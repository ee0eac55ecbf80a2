/* interrupt.h: SIGINT, SIGTERM and a time limit, as one question for work that takes long. */
#ifndef NJ_CLI_INTERRUPT_H
#define NJ_CLI_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* From now on these signals only raise the flag, and so does the time, if `seconds` are not 0. */
void nj_interrupt_listen(unsigned seconds);

/* Whether one of them came. The argument is not used: this is a should_stop of engines and sessions. */
bool nj_interrupted(void *unused);

/* The flag itself, for those who look at it from inside. */
extern volatile sig_atomic_t nj_interrupt_flag;

#endif
