/* watchdog.h: the two that look after this process: the hardware watchdog of the board, which resets it when nobody writes to it, and systemd, which is
 * told how things are and restarts a service that falls silent.
 *
 * Both are kicked from inside the work (each layer of the model, each file of a card), never by a timer or a thread of their own: a program that hangs
 * must not look alive. Kicking is cheap; most calls only read the clock. */
#ifndef NJ_FIRMWARE_HOST_WATCHDOG_H
#define NJ_FIRMWARE_HOST_WATCHDOG_H

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>

#define NJ_WATCHDOG_TIMEOUT_S 120 /* asked of the hardware; it may give less */

struct nj_watchdog;

/* Begins with systemd alone. */
nj_status nj_watchdog_open(const struct nj_clock *clock, struct nj_watchdog **out, struct nj_error *error);

/* Opens /dev/watchdog (below NIGHTJAR_SYSROOT), which starts it: to be done where kicks come often. That it is absent, not ours to open or held by systemd
 * (RuntimeWatchdogSec) is no failure; `words` says what was found. Off stops it (magic close): only a process that ends in good order comes there; one that
 * is killed leaves it running, and the board is reset. */
void nj_watchdog_hardware(struct nj_watchdog *watchdog, bool on);

/* Still alive. NULL does nothing. */
void nj_watchdog_kick(struct nj_watchdog *watchdog);

/* "/dev/watchdog, 15 s", or why there is none. */
const char *nj_watchdog_words(const struct nj_watchdog *watchdog);

/* Stops the hardware watchdog, too. */
void nj_watchdog_close(struct nj_watchdog *watchdog);

/* Tells systemd (sd_notify's protocol: one datagram to $NOTIFY_SOCKET). `format`: READY=1, STATUS=..., STOPPING=1. Does nothing elsewhere. */
void nj_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
