#include "pipeline/picture/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Pages mapped now, in bytes; 0 if /proc does not say. */
static size_t mapped_now(void)
{
    unsigned long pages = 0;
    FILE         *file  = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(int what, size_t value)
{
    struct rlimit bound = {value, value};
    setrlimit(what, &bound);
}

static void close_others(int fd)
{
    int first = SANITIZED ? 3 : 0;
    if (fd > first)
        close_range((unsigned)first, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
}

/* Memory may be asked for, never executable and never of a file. */
static int allow_memory(scmp_filter_ctx filter)
{
    int failed = 0;
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                               SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return failed;
}

static int allow_descriptor(scmp_filter_ctx filter, int fd)
{
    int failed = 0;
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd, 0));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd, 0));
    if (SANITIZED) {
        failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO, 0));
        failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0); /* at each longjmp */
    }
    return failed;
}

static bool install_filter(int fd)
{
    static const int plain[] = {
        SCMP_SYS(brk),    SCMP_SYS(munmap), SCMP_SYS(mremap),        SCMP_SYS(madvise),      SCMP_SYS(exit_group),
        SCMP_SYS(exit),   SCMP_SYS(futex),  SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
        SCMP_SYS(getpid), SCMP_SYS(gettid)};
    scmp_filter_ctx filter = seccomp_init(SANITIZED ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return false;
    int failed = allow_descriptor(filter, fd) | allow_memory(filter);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain[i], 0);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return !failed;
}

void nj_sandbox_enter(int fd, size_t memory, bool *filtered, struct nj_error *error)
{
    size_t mapped = mapped_now();
    close_others(fd);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    if (!SANITIZED) { /* a sanitizer needs memory of its own, and writes its report to stderr, which may be a file */
        limit(RLIMIT_FSIZE, 0);
        if (mapped)
            limit(RLIMIT_AS, mapped + memory);
    }
    *filtered = install_filter(fd);
    if (!*filtered)
        nj_fail(error,
                "pictures are read without a system call filter: this kernel (or the emulator) has none; memory and time are limited");
}
