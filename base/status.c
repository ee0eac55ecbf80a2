#include "base/status.h"

#include <stdio.h>
#include <string.h>

static void write_sentence(struct nj_error *error, const char *format, va_list args)
{
    if (error)
        vsnprintf(error->text, sizeof error->text, format, args);
}

nj_status nj_fail(struct nj_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_sentence(error, format, args);
    va_end(args);
    return NJ_ERROR;
}

nj_status nj_fail_as(nj_status status, struct nj_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_sentence(error, format, args);
    va_end(args);
    return status;
}

nj_status nj_fail_errno(struct nj_error *error, int errnum, const char *format, ...)
{
    if (!error)
        return NJ_ERROR;
    va_list args;
    va_start(args, format);
    write_sentence(error, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", strerror(errnum));
    return NJ_ERROR;
}

void nj_error_prefix(struct nj_error *error, const char *format, ...)
{
    if (!error)
        return;
    struct nj_error old = *error;
    va_list         args;
    va_start(args, format);
    write_sentence(error, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", old.text);
}
