/* A libgpiod 2.x in front of board.h. glob() is here, too: it finds the chip among others in a /dev that is not there. */
#include "tests/gpiod/board.h"

#include <glob.h>
#include <gpiod.h>
#include <stdlib.h>

struct gpiod_chip {
    bool ours;
};
struct gpiod_chip_info {
    bool ours;
};
struct gpiod_line_settings {
    enum gpiod_line_direction direction;
    enum gpiod_line_bias      bias;
    bool                      active_low;
    enum gpiod_line_value     value;
};
struct gpiod_line_config {
    unsigned                   offset;
    struct gpiod_line_settings settings;
};
struct gpiod_request_config {
    const char *consumer;
};
struct gpiod_line_request {
    unsigned offset;
};

static char *paths[] = {"/dev/gpiochip0", BOARD_PATH, NULL};

int glob(const char *pattern, int flags, int (*on_error)(const char *path, int error), glob_t *out)
{
    (void)flags;
    (void)on_error;
    *out = (glob_t){.gl_pathc = 2, .gl_pathv = paths};
    return strcmp(pattern, "/dev/gpiochip*") ? GLOB_NOMATCH : 0;
}

void globfree(glob_t *found)
{
    (void)found;
}

struct gpiod_chip *gpiod_chip_open(const char *path)
{
    static struct gpiod_chip other, ours = {true};
    errno = ENOENT;
    return !strcmp(path, paths[1]) ? &ours : !strcmp(path, paths[0]) ? &other : NULL;
}

void gpiod_chip_close(struct gpiod_chip *chip)
{
    if (chip->ours)
        printf("close\n");
}

struct gpiod_chip_info *gpiod_chip_get_info(struct gpiod_chip *chip)
{
    struct gpiod_chip_info *info = calloc(1, sizeof *info);
    if (info)
        info->ours = chip->ours;
    return info;
}

const char *gpiod_chip_info_get_label(struct gpiod_chip_info *info)
{
    return info->ours ? BOARD_LABEL : "other";
}

size_t gpiod_chip_info_get_num_lines(struct gpiod_chip_info *info)
{
    return info->ours ? BOARD_LINES : 4;
}

void gpiod_chip_info_free(struct gpiod_chip_info *info)
{
    free(info);
}

struct gpiod_line_settings *gpiod_line_settings_new(void)
{
    return calloc(1, sizeof(struct gpiod_line_settings));
}

void gpiod_line_settings_free(struct gpiod_line_settings *settings)
{
    free(settings);
}

int gpiod_line_settings_set_direction(struct gpiod_line_settings *settings, enum gpiod_line_direction direction)
{
    settings->direction = direction;
    return 0;
}

int gpiod_line_settings_set_bias(struct gpiod_line_settings *settings, enum gpiod_line_bias bias)
{
    settings->bias = bias;
    return 0;
}

void gpiod_line_settings_set_active_low(struct gpiod_line_settings *settings, bool active_low)
{
    settings->active_low = active_low;
}

int gpiod_line_settings_set_output_value(struct gpiod_line_settings *settings, enum gpiod_line_value value)
{
    settings->value = value;
    return 0;
}

struct gpiod_line_config *gpiod_line_config_new(void)
{
    return calloc(1, sizeof(struct gpiod_line_config));
}

void gpiod_line_config_free(struct gpiod_line_config *config)
{
    free(config);
}

int gpiod_line_config_add_line_settings(struct gpiod_line_config *config, const unsigned int *offsets, size_t count,
                                        struct gpiod_line_settings *settings)
{
    config->offset   = offsets[0];
    config->settings = *settings;
    return count == 1 ? 0 : -1;
}

struct gpiod_request_config *gpiod_request_config_new(void)
{
    return calloc(1, sizeof(struct gpiod_request_config));
}

void gpiod_request_config_free(struct gpiod_request_config *config)
{
    free(config);
}

void gpiod_request_config_set_consumer(struct gpiod_request_config *config, const char *consumer)
{
    config->consumer = consumer;
}

struct gpiod_line_request *gpiod_chip_request_lines(struct gpiod_chip *chip, struct gpiod_request_config *who,
                                                    struct gpiod_line_config *lines)
{
    (void)chip;
    const struct gpiod_line_settings *settings = &lines->settings;
    if (board_take(lines->offset, who->consumer, settings->direction == GPIOD_LINE_DIRECTION_OUTPUT, settings->value, settings->active_low,
                   settings->bias == GPIOD_LINE_BIAS_PULL_UP) != 0)
        return NULL;
    struct gpiod_line_request *request = calloc(1, sizeof *request);
    if (request)
        request->offset = lines->offset;
    return request;
}

void gpiod_line_request_release(struct gpiod_line_request *request)
{
    printf("release %u\n", request->offset);
    free(request);
}

enum gpiod_line_value gpiod_line_request_get_value(struct gpiod_line_request *request, unsigned int offset)
{
    return request->offset == offset && board_get(offset) ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;
}

int gpiod_line_request_set_value(struct gpiod_line_request *request, unsigned int offset, enum gpiod_line_value value)
{
    if (request->offset != offset) {
        errno = EINVAL;
        return -1;
    }
    board_set(offset, value == GPIOD_LINE_VALUE_ACTIVE);
    return 0;
}

const char *gpiod_api_version(void)
{
    return "2.x-drawn";
}
