#include "base/status.h"

#include <stdio.h>
#include <string.h>

/* What a sentence quotes may come from a damaged file: it stays one line all the same. */
static void write_sentence(struct nj_error *error, const char *format, va_list args)
{
    if (!error)
        return;
    vsnprintf(error->text, sizeof error->text, format, args);
    for (char *c = error->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
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
