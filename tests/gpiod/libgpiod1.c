/* A libgpiod 1.6 in front of board.h. */
#include "tests/gpiod/board.h"

#include <gpiod.h>

struct gpiod_line {
    unsigned offset;
};
struct gpiod_chip {
    struct gpiod_line line[BOARD_LINES];
};

static struct gpiod_chip the_chip;

struct gpiod_chip *gpiod_chip_open(const char *path)
{
    errno = ENOENT;
    return strcmp(path, BOARD_PATH) ? NULL : &the_chip;
}

struct gpiod_chip *gpiod_chip_open_by_label(const char *label)
{
    errno = ENOENT;
    return strcmp(label, BOARD_LABEL) ? NULL : &the_chip;
}

unsigned gpiod_chip_num_lines(struct gpiod_chip *chip)
{
    (void)chip;
    return BOARD_LINES;
}

struct gpiod_line *gpiod_chip_get_line(struct gpiod_chip *chip, unsigned offset)
{
    if (offset >= BOARD_LINES) {
        errno = EINVAL;
        return NULL;
    }
    chip->line[offset].offset = offset;
    return &chip->line[offset];
}

void gpiod_chip_close(struct gpiod_chip *chip)
{
    (void)chip;
    printf("close\n");
}

int gpiod_line_request(struct gpiod_line *line, const struct gpiod_line_request_config *config, int value)
{
    return board_take(line->offset, config->consumer, config->request_type == GPIOD_LINE_REQUEST_DIRECTION_OUTPUT, value,
                      !!(config->flags & GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW), !!(config->flags & GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP));
}

int gpiod_line_set_value(struct gpiod_line *line, int value)
{
    board_set(line->offset, value);
    return 0;
}

int gpiod_line_get_value(struct gpiod_line *line)
{
    return board_get(line->offset);
}

void gpiod_line_release(struct gpiod_line *line)
{
    printf("release %u\n", line->offset);
}

const char *gpiod_version_string(void)
{
    return "1.6-drawn";
}
