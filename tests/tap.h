/* tap.h: test programs print the Test Anything Protocol, one line a check; tests/run adds them up.
 *
 *     int main(void) { CHECK(1 + 1 == 2, "one and one"); SKIP("no camera here"); return tap_done(); } */
#ifndef NJ_TESTS_TAP_H
#define NJ_TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((unused, format(printf, 4, 5))) static int tap_result(int ok, const char *file, int line, const char *format, ...)
{
    va_list args;
    printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    if (!ok) {
        tap_failed++;
        printf("#   at %s:%d\n", file, line);
    }
    fflush(stdout);
    return ok;
}

/* CHECK(condition, "name with %s", ...) is one test and gives the condition back. */
#define CHECK(condition, ...) tap_result(!!(condition), __FILE__, __LINE__, __VA_ARGS__)

#define SKIP(reason) (printf("ok %d - # SKIP %s\n", ++tap_count, reason), fflush(stdout))

/* Ends a test program: prints the plan, returns the exit status. */
__attribute__((unused)) static int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}

/* Where the reference files are, or NULL: tests that need them count a skip. */
__attribute__((unused)) static const char *tap_shared(void)
{
    const char *path = getenv("NJ_SHARED");
    if (!path)
        path = "../shared";
    static char probe[4096];
    snprintf(probe, sizeof probe, "%s/reference/manifest.json", path);
    FILE *file = fopen(probe, "rb");
    if (file)
        fclose(file);
    return file ? path : NULL;
}

#endif
