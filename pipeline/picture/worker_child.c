/* worker_child.c: the side of the picture process. Nothing here knows of files. */
#include "pipeline/picture/sandbox.h"
#include "pipeline/picture/worker_protocol.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jpeglib.h>

/* A grey square as JPEG, malloc'd. */
static void make_square(uint8_t **bytes, unsigned long *size)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr       errors;
    JSAMPLE                     line[16 * 3];
    JSAMPROW                    row = line;
    memset(line, 128, sizeof line);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, bytes, size);
    jpeg.image_width = jpeg.image_height = 16;
    jpeg.input_components                = 3;
    jpeg.in_color_space                  = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}

/* libjpeg-turbo asks the processor what it can do when it first decodes; on ARM it opens /proc/cpuinfo for that. Afterwards that would be fatal. */
static void warm_up(void)
{
    struct nj_examination examination;
    uint8_t              *bytes = NULL;
    unsigned long         size  = 0;
    make_square(&bytes, &size);
    nj_examine(bytes, size, NULL, &examination);
    free(bytes);
}

static void give_pixels(const struct nj_worker_request *request, const struct nj_worker_shared *shared, struct nj_worker_reply *reply)
{
    struct nj_picture picture = {0};
    if (request->small_side)
        reply->status = nj_picture_decode_small(request->name, shared->input, request->size, request->small_side, &picture, &reply->error);
    else
        reply->status = nj_picture_decode(request->name, shared->input, request->size, request->partial_ok, &picture, &reply->error);
    if (reply->status == NJ_OK)
        memcpy(shared->output, picture.rgb, (size_t)picture.width * picture.height * 3);
    reply->picture = (struct nj_picture){.width = picture.width, .height = picture.height, .partial = picture.partial};
    nj_picture_free(&picture);
}

static void serve(const struct nj_worker_request *request, const struct nj_worker_shared *shared, struct nj_worker_reply *reply)
{
    if (request->kind == NJ_WORKER_PIXELS) {
        give_pixels(request, shared, reply);
    } else {
        nj_metadata_read(shared->input, request->size, &reply->metadata);
        nj_examine(shared->input, request->size, shared->output, &reply->examination);
    }
}

_Noreturn void nj_worker_child(int fd, size_t memory_bytes, const struct nj_worker_shared *shared)
{
    static struct nj_worker_request request; /* not on a stack that a decoder may have run over */
    struct nj_worker_reply          reply = {0};
    /* A signal to the whole group is the parent's business: it still wants the picture at hand. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    setlocale(LC_ALL, "C"); /* translated messages would be looked for in files */
    mprotect(shared->input, shared->input_size, PROT_READ);
    warm_up();
    nj_sandbox_enter(fd, memory_bytes, &reply.filtered, &reply.error);
    while (write(fd, &reply, sizeof reply) == (ssize_t)sizeof reply) {
        if (read(fd, &request, sizeof request) != (ssize_t)sizeof request)
            break;
        memset(&reply, 0, sizeof reply);
        serve(&request, shared, &reply);
    }
    _exit(0);
}
