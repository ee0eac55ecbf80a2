#include "pipeline/cli/open_model.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool nj_cli_holds_tokenizer_only(const char *path)
{
    size_t      length = strlen(path);
    struct stat info;
    if (stat(path, &info) != 0 || S_ISDIR(info.st_mode))
        return true;
    return (length > 5 && !strcmp(path + length - 5, ".json")) || (length > 4 && !strcmp(path + length - 4, ".zst"));
}

nj_status nj_cli_tokenizer_open(const char *path, struct nj_cli_tokenizer *out, struct nj_error *error)
{
    static const struct nj_weights_options text_only = {.text_only = 1};
    *out                                             = (struct nj_cli_tokenizer){0};
    if (nj_cli_holds_tokenizer_only(path))
        return nj_tokenizer_open(path, &out->tokenizer, error);
    nj_status status = nj_weights_open(path, &text_only, &out->weights, error);
    if (status == NJ_OK)
        status = nj_weights_tokenizer(out->weights, &out->tokenizer, error);
    if (status != NJ_OK)
        nj_cli_tokenizer_close(out);
    return status;
}

void nj_cli_tokenizer_close(struct nj_cli_tokenizer *tokenizer)
{
    nj_tokenizer_close(tokenizer->tokenizer);
    nj_weights_close(tokenizer->weights);
    *tokenizer = (struct nj_cli_tokenizer){0};
}

nj_status nj_cli_read(const char *path, size_t limit, char **data, size_t *size, struct nj_error *error)
{
    static char    portion[1 << 16];
    struct nj_text text    = {0};
    bool           is_pipe = strcmp(path, "-") == 0;
    const char    *name    = is_pipe ? "standard input" : path;
    FILE          *file    = is_pipe ? stdin : fopen(path, "rbe");
    nj_status      status  = NJ_OK;
    size_t         got;
    *data = NULL;
    *size = 0;
    if (!file)
        return nj_fail_errno(error, errno, "%s: cannot be opened", path);
    nj_text_add(&text, "");
    while (text.length <= limit && (got = fread(portion, 1, sizeof portion, file)) > 0)
        nj_text_add_bytes(&text, portion, got);
    if (ferror(file))
        status = nj_fail_errno(error, errno, "%s: cannot be read", name);
    else if (text.length > limit)
        status = nj_fail(error, "%s: more than %zu bytes", name, limit);
    else if (text.failed)
        status = nj_fail(error, "%s: no memory to read it", name);
    if (!is_pipe)
        fclose(file);
    if (status == NJ_OK) {
        *data = text.data;
        *size = text.length;
    } else {
        nj_text_free(&text);
    }
    return status;
}
