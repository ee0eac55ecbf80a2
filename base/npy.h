/* npy.h: arrays in NumPy's file format, version 1.0: C order, little-endian, the three types that the probes use.
 *
 * Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html. */
#ifndef NJ_BASE_NPY_H
#define NJ_BASE_NPY_H

#include "base/file.h"

#define NJ_NPY_MAX_RANK 8

enum nj_npy_type { NJ_NPY_UINT8, NJ_NPY_INT32, NJ_NPY_FLOAT32 };

/* An array that was read; the caller frees it with nj_npy_free. */
struct nj_npy {
    enum nj_npy_type type;
    size_t           rank;                   /* 0: a single value */
    size_t           shape[NJ_NPY_MAX_RANK]; /* outermost first */
    size_t           count;                  /* product of the shape */
    void            *data;                   /* [count] */
};

/* Reads `path` if it has at most `limit` bytes. Other types, orders and versions are refused. */
nj_status nj_npy_read(const char *path, size_t limit, struct nj_npy *out, struct nj_error *error);
void      nj_npy_free(struct nj_npy *array);

/* Replaces `path` by the array as one step. */
nj_status nj_npy_write(const char *path, enum nj_npy_type type, const size_t *shape, size_t rank, const void *data, struct nj_error *error);

/* The same in portions: writes the header; the caller follows with nj_atomic_write for the values, then nj_atomic_commit or _abort. */
nj_status nj_npy_begin(const char *path, enum nj_npy_type type, const size_t *shape, size_t rank, struct nj_atomic_file *out,
                       struct nj_error *error);

#endif
