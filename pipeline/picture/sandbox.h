/* sandbox.h: turns the calling process into one that can do nothing but compute.
 *
 * After nj_sandbox_enter the process keeps one file descriptor, its memory, and the system calls that reading and writing that descriptor and
 * asking for memory need. No file can be opened, no process started, no connection made; anything else kills it (SIGSYS). There is no way back.
 *
 * Builds with AddressSanitizer keep stderr and answer forbidden calls with EPERM instead, so that a finding can be reported. */
#ifndef NJ_PICTURE_SANDBOX_H
#define NJ_PICTURE_SANDBOX_H

#include "base/status.h"

#include <stdbool.h>

/* Closes every descriptor but `fd`, limits memory to what is mapped now and `memory` bytes more, forbids core dumps, and installs the filter.
 * *filtered: whether the kernel took it. Where it does not (no seccomp in this kernel, or running under qemu-user) the limits hold all the same and
 * *error says what is missing: the caller must tell the user. */
void nj_sandbox_enter(int fd, size_t memory, bool *filtered, struct nj_error *error);

#endif
