/* Preloaded into the program under test: its clocks run SOAK_AHEAD_S seconds ahead of the real ones, so that a week passes between a few dozen runs. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *out)
{
    static int (*real)(clockid_t id, struct timespec * out);
    const char *ahead = getenv("SOAK_AHEAD_S");
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, out);
    if (status == 0 && ahead && (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME))
        out->tv_sec += strtoll(ahead, NULL, 10);
    return status;
}
