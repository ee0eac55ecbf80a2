/* safetensors_write.h: writes one safetensors file in a single pass, atomically.
 *
 * First every tensor is declared, then nj_writer_begin lays them out and writes the header, then their bytes come in the order of declaration, in
 * portions of any size. The file appears under its name only at nj_writer_commit. No holes are left between tensors: the published reader refuses
 * them, so what alignment costs is declared as tensors of zero bytes named `padding.N`.
 *
 * With checksums, `__metadata__` gets a key `sha256:NAME` for each tensor; they are filled in at commit. */
#ifndef NJ_MODEL_SAFETENSORS_WRITE_H
#define NJ_MODEL_SAFETENSORS_WRITE_H

#include "base/file.h"
#include "base/json.h"

struct nj_writer;

struct nj_writer_options {
    bool     checksums;
    bool     sparse;    /* parts will be holes */
    uint32_t alignment; /* of tensors that ask for it; 0: none */
    uint32_t reserve;   /* room in the header for metadata that come after nj_writer_begin */
};

nj_status nj_writer_open(const char *path, const struct nj_writer_options *options, struct nj_writer **out, struct nj_error *error);

/* `dtype` is the file's word for it ("BF16") and static; `bytes_each` the size of one element. `align`: start on options.alignment. */
nj_status nj_writer_declare(struct nj_writer *writer, const char *name, const char *dtype, uint32_t bytes_each, uint32_t rank,
                            const uint64_t *shape, bool align, struct nj_error *error);

/* `metadata`: string values, copied. A disk without room for the file (unless it is sparse) is noticed now. */
nj_status nj_writer_begin(struct nj_writer *writer, const json_t *metadata, struct nj_error *error);

/* Bytes of the tensor that is next in order; a portion must not cross its end. */
nj_status nj_writer_write(struct nj_writer *writer, const void *data, uint64_t size, struct nj_error *error);

/* Leaves `size` bytes as a hole that reads as zeros and takes no space; such a tensor has no checksum. */
nj_status nj_writer_hole(struct nj_writer *writer, uint64_t size, struct nj_error *error);

/* Sets one metadata value; after nj_writer_begin its growth must fit options.reserve, or commit fails. */
void nj_writer_metadata(struct nj_writer *writer, const char *key, const char *value);

/* Bytes of all declared tensors, and of those written so far. */
uint64_t nj_writer_total(const struct nj_writer *writer);
uint64_t nj_writer_done(const struct nj_writer *writer);

/* Fails if a declared byte is missing. Whatever happens, the writer is closed by nj_writer_close, which removes what was not committed. */
nj_status nj_writer_commit(struct nj_writer *writer, struct nj_error *error);
void      nj_writer_close(struct nj_writer *writer);

#endif
