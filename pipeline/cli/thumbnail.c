#include "pipeline/cli/thumbnail.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

/* The file into the worker's input. Only regular files: a pipe on a card would hold us for ever. */
static nj_status read_into(struct nj_worker *worker, const char *path, size_t *size, struct nj_error *error)
{
    struct stat file;
    size_t      limit = nj_worker_file_limit(worker);
    int         fd    = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return nj_fail_errno(error, errno, "%s: cannot be opened (is the card in its place?)", path);
    nj_status status = NJ_OK;
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || (uint64_t)file.st_size > limit)
        status = nj_fail(error, "%s: not a file of at most %zu bytes", path, limit);
    uint8_t *input = nj_worker_input(worker);
    *size          = 0;
    while (status == NJ_OK && *size < limit) {
        ssize_t got = read(fd, input + *size, limit - *size);
        if (got == 0)
            break;
        if (got > 0)
            *size += (size_t)got;
        else if (errno != EINTR)
            status = nj_fail_errno(error, errno, "%s: cannot be read", path);
    }
    close(fd);
    return status;
}

nj_status nj_thumbnail(struct nj_worker *worker, const char *path, uint32_t side, struct nj_picture *out, struct nj_error *error)
{
    struct nj_picture whole = {0};
    size_t            size  = 0;
    *out                    = (struct nj_picture){0};
    nj_status status        = read_into(worker, path, &size, error);
    if (status == NJ_OK)
        status = nj_worker_small(worker, path, size, side, &whole, error);
    if (status != NJ_OK)
        return status;
    uint64_t longest = whole.width > whole.height ? whole.width : whole.height;
    if (longest <= side) {
        *out = whole;
        return NJ_OK;
    }
    uint32_t width  = (uint32_t)((uint64_t)whole.width * side / longest);
    uint32_t height = (uint32_t)((uint64_t)whole.height * side / longest);
    status          = nj_picture_resize(&whole, width ? width : 1, height ? height : 1, out, error);
    nj_picture_free(&whole);
    return status;
}

struct jpeg_failure {
    struct jpeg_error_mgr manager;
    jmp_buf               jump;
};

static void on_jpeg_error(j_common_ptr jpeg)
{
    longjmp(((struct jpeg_failure *)jpeg->err)->jump, 1);
}

nj_status nj_thumbnail_jpeg(const struct nj_picture *picture, int quality, uint8_t **data, size_t *size, struct nj_error *error)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_failure         failure;
    unsigned char              *bytes  = NULL;
    unsigned long               length = 0;
    jpeg.err                           = jpeg_std_error(&failure.manager);
    failure.manager.error_exit         = on_jpeg_error;
    if (setjmp(failure.jump)) {
        jpeg_destroy_compress(&jpeg);
        free(bytes);
        return nj_fail(error, "a small picture of %u x %u cannot be made (no memory?)", picture->width, picture->height);
    }
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &length);
    jpeg.image_width      = picture->width;
    jpeg.image_height     = picture->height;
    jpeg.input_components = 3;
    jpeg.in_color_space   = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = picture->rgb + (size_t)jpeg.next_scanline * picture->width * 3;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    *data = bytes;
    *size = length;
    return NJ_OK;
}

void nj_thumbnail_text(const struct nj_picture *picture, bool colours, struct nj_text *out)
{
    static const char shades[] = " .:-=+*#%@";
    for (uint32_t y = 0; y + 1 < picture->height; y += 2) { /* a character is about twice as high as it is wide */
        for (uint32_t x = 0; x < picture->width; x++) {
            const uint8_t *top = picture->rgb + ((size_t)y * picture->width + x) * 3, *bottom = top + (size_t)picture->width * 3;
            if (colours)
                nj_text_addf(out, "\033[38;2;%u;%u;%um\033[48;2;%u;%u;%um▀", top[0], top[1], top[2], bottom[0], bottom[1], bottom[2]);
            else {
                unsigned light = (299u * (top[0] + bottom[0]) + 587u * (top[1] + bottom[1]) + 114u * (top[2] + bottom[2])) / 2000;
                nj_text_addf(out, "%c", shades[light * (sizeof shades - 2) / 255]);
            }
        }
        nj_text_add(out, colours ? "\033[0m\n" : "\n");
    }
}
