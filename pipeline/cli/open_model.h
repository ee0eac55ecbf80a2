/* open_model.h: what the -m of a command may be, decided in one place.
 *
 * A packed FILE.nj, a Hugging Face directory, a FILE.gguf, or, where no weights are needed, a lone tokenizer.json or tokenizer.json.zst. */
#ifndef NJ_CLI_OPEN_MODEL_H
#define NJ_CLI_OPEN_MODEL_H

#include "pipeline/model/tokenizer.h"
#include "pipeline/model/weights.h"

/* A directory or a tokenizer.json, plain or compressed, is read as it is; any other file is a checkpoint that holds its tokenizer. */
bool nj_cli_holds_tokenizer_only(const char *path);

/* A tokenizer and, if it lies in a checkpoint, the checkpoint that holds its bytes. */
struct nj_cli_tokenizer {
    struct nj_tokenizer *tokenizer;
    struct nj_weights   *weights; /* NULL for a directory or a lone file */
};

nj_status nj_cli_tokenizer_open(const char *path, struct nj_cli_tokenizer *out, struct nj_error *error);
void      nj_cli_tokenizer_close(struct nj_cli_tokenizer *tokenizer);

/* All of a regular file, pipe or terminal ("-": stdin), at most `limit` bytes, with a zero byte behind it. The caller frees *data. */
nj_status nj_cli_read(const char *path, size_t limit, char **data, size_t *size, struct nj_error *error);

#endif
