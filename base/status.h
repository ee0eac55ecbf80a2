/* status.h: how a function says that it failed.
 *
 * A function that can fail returns nj_status and, on anything but NJ_OK, leaves one sentence in the caller's nj_error: what went wrong,
 * where (file, line, tensor, key), and what to do. Nothing below pipeline/cli exits, prints or retries on its own.
 *
 *     nj_status nj_thing_open(const char *path, struct nj_thing **out, struct nj_error *error);
 *
 * `error` may be NULL where only the status matters. Nothing here allocates. */
#ifndef NJ_BASE_STATUS_H
#define NJ_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

typedef enum nj_status {
    NJ_OK = 0,
    NJ_ERROR,     /* failed; the sentence says why */
    NJ_NOT_FOUND, /* what was asked for does not exist; the caller decides whether that is a failure */
    NJ_STOPPED    /* ended early in good order (signal, floor reached, lock held): run again later */
} nj_status;

struct nj_error {
    char text[1024]; /* UTF-8, one line, no final newline; "" when there is nothing to say */
};

/* Writes the sentence (cut, never overrun) and returns NJ_ERROR, so that `return nj_fail(error, ...)` reads well. */
nj_status nj_fail(struct nj_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for any status. */
nj_status nj_fail_as(nj_status status, struct nj_error *error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* nj_fail with ": " and the words for `errnum` (an errno value) at the end. */
nj_status nj_fail_errno(struct nj_error *error, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence that is already there: the caller knows the file, the callee only the place in it. */
void nj_error_prefix(struct nj_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For functions that own nothing yet: hands a failure straight to the caller. */
#define NJ_TRY(call)                                                                                                                       \
    do {                                                                                                                                   \
        nj_status nj_try_status_ = (call);                                                                                                 \
        if (nj_try_status_ != NJ_OK)                                                                                                       \
            return nj_try_status_;                                                                                                         \
    } while (0)

#endif
