/* .npy files that NumPy wrote: read, and written again byte by byte; and files that are none. */
#include "base/npy.h"
#include "tests/tap.h"

#include <unistd.h>

static void rewrite(const char *folder, const char *name, enum nj_npy_type type, size_t rank)
{
    char            path[4096], copy[] = "/tmp/nj-test-npy-XXXXXX";
    struct nj_error error  = {0};
    struct nj_npy   array  = {0};
    uint8_t        *before = NULL, *after = NULL;
    size_t          size = 0, copied = 0;
    snprintf(path, sizeof path, "%s/reference/golden/%s", folder, name);
    close(mkstemp(copy));
    CHECK(nj_npy_read(path, 1 << 28, &array, &error) == NJ_OK, "%s is read %s", name, error.text);
    CHECK(array.type == type && array.rank == rank, "%s: type and rank", name);
    CHECK(nj_npy_write(copy, array.type, array.shape, array.rank, array.data, &error) == NJ_OK, "and written %s", error.text);
    nj_file_read(path, 1 << 28, &before, &size, NULL);
    nj_file_read(copy, 1 << 28, &after, &copied, NULL);
    CHECK(size > 0 && size == copied && memcmp(before, after, size) == 0, "%s: the copy has the bytes that NumPy wrote", name);
    nj_npy_free(&array);
    free(before);
    free(after);
    unlink(copy);
}

/* A version 1.0 file with this header and `values` zero bytes of values. */
static bool is_read(const char *header, size_t values)
{
    char            path[] = "/tmp/nj-test-npy-XXXXXX", bytes[512] = "\x93NUMPY\x01\x00";
    size_t          length = strlen(header);
    struct nj_npy   array  = {0};
    struct nj_error error  = {0};
    bytes[8]               = (char)length;
    memcpy(bytes + 10, header, length);
    close(mkstemp(path));
    nj_file_write_atomic(path, bytes, 10 + length + values, NULL);
    nj_status status = nj_npy_read(path, 1 << 20, &array, &error);
    nj_npy_free(&array);
    unlink(path);
    return status == NJ_OK && !error.text[0];
}

int main(void)
{
    CHECK(is_read("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24), "a plain header");
    CHECK(is_read("{'shape': (), 'fortran_order': False, 'descr': '<i4'}", 4), "another order of keys, rank 0");
    CHECK(is_read("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 7), }", 0), "an empty array");
    CHECK(!is_read("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 20), "values are missing");
    CHECK(!is_read("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24), "Fortran order");
    CHECK(!is_read("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", 24), "float64");
    CHECK(!is_read("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0), "a shape that overflows");
    CHECK(!is_read("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4), "too many dimensions");
    CHECK(!is_read("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", 24), "a header that is cut");
    CHECK(!is_read("{'descr': '<f4', 'descr': '<i4', 'fortran_order': False, 'shape': (1,)}", 4), "a key twice");
    CHECK(!is_read("", 0), "no header");
    if (tap_shared()) {
        rewrite(tap_shared(), "pixels-wide-70.npy", NJ_NPY_UINT8, 3);
        rewrite(tap_shared(), "sampling-probabilities.npy", NJ_NPY_FLOAT32, 3);
    } else {
        SKIP("no reference files");
    }
    return tap_done();
}
