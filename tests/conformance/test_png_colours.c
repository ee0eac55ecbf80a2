/* The colour rules of PNG that no reference picture shows. What is wanted was printed by Pillow 13.0 and the RGB conversion of the reference
 * processor for files of one row, written here with libpng. */
#include "pipeline/picture/picture.h"
#include "tests/tap.h"

#include <png.h>

#define GREY      PNG_COLOR_TYPE_GRAY
#define GREY_A    PNG_COLOR_TYPE_GRAY_ALPHA
#define RGB       PNG_COLOR_TYPE_RGB
#define RGBA      PNG_COLOR_TYPE_RGB_ALPHA
#define PALETTE   PNG_COLOR_TYPE_PALETTE
#define NONE      {0}, 0
#define W3        255, 255, 255
#define G3(value) value, value, value

struct file {
    uint8_t bytes[4096];
    size_t  size;
};

static void append(png_structp png, png_bytep bytes, size_t count)
{
    struct file *file = png_get_io_ptr(png);
    if (count > sizeof file->bytes - file->size)
        png_error(png, "too long");
    memcpy(file->bytes + file->size, bytes, count);
    file->size += count;
}

static void flush(png_structp png)
{
    (void)png;
}

static const png_color palette[4] = {{10, 20, 30}, {40, 50, 60}, {10, 20, 30}, {70, 80, 90}};

static const struct test {
    const char *name;
    int         colour, depth;
    uint32_t    width;
    uint8_t     row[24];
    uint16_t    clear[4]; /* the tRNS chunk: one grey, three colours, or an alpha for each palette entry */
    int         clear_count;
    uint8_t     want[24];
} tests[] = {
    {"1-bit grey", GREY, 1, 8, {0x1b}, NONE, {G3(0), G3(0), G3(0), W3, W3, G3(0), W3, W3}},
    {"1-bit grey, black clear", GREY, 1, 8, {0x1b}, {0}, 1, {W3, W3, W3, W3, W3, W3, W3, W3}},
    {"2-bit grey", GREY, 2, 4, {0x1b}, NONE, {G3(0), G3(85), G3(170), W3}},
    {"2-bit grey, 1 clear: compared unscaled", GREY, 2, 4, {0x1b}, {1}, 1, {G3(0), G3(85), G3(170), W3}},
    {"2-bit grey, 85 clear", GREY, 2, 4, {0x1b}, {85}, 1, {G3(0), W3, G3(170), W3}},
    {"4-bit grey", GREY, 4, 4, {0x01, 0x2e}, NONE, {G3(0), G3(17), G3(34), G3(238)}},
    {"8-bit grey, 5 clear", GREY, 8, 4, {4, 5, 6, 255}, {5}, 1, {G3(4), W3, G3(6), W3}},
    {"8-bit grey, 261 clear", GREY, 8, 4, {4, 5, 6, 255}, {261}, 1, {G3(4), G3(5), G3(6), W3}},
    {"16-bit grey is cut off", GREY, 16, 4, {0, 0, 0, 136, 0, 254, 1, 0}, NONE, {G3(0), G3(136), G3(254), W3}},
    {"16-bit grey, 256 clear", GREY, 16, 4, {0, 0, 0, 136, 0, 254, 1, 0}, {256}, 1, {W3, G3(136), G3(254), W3}},
    {"16-bit grey, 136 clear", GREY, 16, 4, {0, 0, 0, 136, 0, 254, 1, 0}, {136}, 1, {G3(0), G3(136), G3(254), W3}},
    {"grey with alpha", GREY_A, 8, 2, {5, 0, 6, 255}, NONE, {G3(5), G3(6)}},
    {"16-bit grey with alpha", GREY_A, 16, 1, {1, 255, 2, 255}, NONE, {G3(1)}},
    {"RGB, a colour clear", RGB, 8, 2, {1, 2, 3, 4, 5, 6}, {1, 2, 3}, 3, {W3, 4, 5, 6}},
    {"RGB, a colour clear by its low bytes", RGB, 8, 2, {1, 2, 3, 4, 5, 6}, {257, 2, 3}, 3, {W3, 4, 5, 6}},
    {"16-bit RGB", RGB, 16, 2, {1, 255, 2, 255, 3, 255, 0, 4, 0, 5, 0, 6}, {511, 767, 1023}, 3, {1, 2, 3, 0, 0, 0}},
    {"16-bit RGB, eight bits clear", RGB, 16, 2, {1, 255, 2, 255, 3, 255, 0, 4, 0, 5, 0, 6}, {1, 2, 3}, 3, {W3, 0, 0, 0}},
    {"16-bit RGBA", RGBA, 16, 1, {1, 255, 2, 255, 3, 255, 0, 0}, NONE, {1, 2, 3}},
    {"palette", PALETTE, 2, 4, {0x1b}, NONE, {10, 20, 30, 40, 50, 60, 10, 20, 30, 70, 80, 90}},
    {"palette, the colour of a clear entry", PALETTE, 8, 4, {0, 1, 2, 3}, {0}, 1, {W3, 40, 50, 60, W3, 70, 80, 90}},
    {"palette, the second entry clear", PALETTE, 8, 4, {0, 1, 2, 3}, {255, 0, 255}, 3, {10, 20, 30, W3, 10, 20, 30, 70, 80, 90}},
    {"palette, an entry half clear", PALETTE, 8, 4, {0, 1, 2, 3}, {255, 128, 0}, 3, {10, 20, 30, 40, 50, 60, 10, 20, 30, 70, 80, 90}},
    {"palette, two entries clear", PALETTE, 8, 4, {0, 1, 2, 3}, {0, 0}, 2, {10, 20, 30, 40, 50, 60, 10, 20, 30, 70, 80, 90}},
};

/* Written as raw bytes: libpng leaves out a chunk that is out of range, which is some of the cases. */
static void write_clear(png_structp png, const struct test *test)
{
    uint8_t bytes[8];
    size_t  size = 0;
    for (int i = 0; i < test->clear_count; i++) {
        if (test->colour != PALETTE)
            bytes[size++] = (uint8_t)(test->clear[i] >> 8);
        bytes[size++] = (uint8_t)test->clear[i];
    }
    if (size > 0)
        png_write_chunk(png, (png_const_bytep) "tRNS", bytes, size);
}

static void write_file(const struct test *test, struct file *file)
{
    png_structp png  = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop   info = png_create_info_struct(png);
    png_set_write_fn(png, file, append, flush);
    png_set_IHDR(png, info, test->width, 1, test->depth, test->colour, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (test->colour == PALETTE)
        png_set_PLTE(png, info, palette, 4);
    png_write_info(png, info);
    write_clear(png, test);
    png_write_row(png, test->row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
}

int main(void)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        struct file       file = {.size = 0};
        struct nj_picture picture;
        struct nj_error   error = {0};
        write_file(&tests[i], &file);
        nj_status status = nj_picture_decode("file.png", file.bytes, file.size, false, &picture, &error);
        CHECK(status == NJ_OK && picture.width == tests[i].width && memcmp(picture.rgb, tests[i].want, 3 * tests[i].width) == 0, "%s %s",
              tests[i].name, error.text);
        nj_picture_free(&picture);
    }
    return tap_done();
}
