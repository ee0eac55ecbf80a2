/* gpio_libgpiod1.c: gpio_line.h in the words of libgpiod 1.6 (Debian 12). */
#include "firmware-host/gpio_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gpiod.h>

struct nj_gpio_line {
    struct gpiod_chip *chip;
    struct gpiod_line *line; /* belongs to the chip */
    char               name[160];
};

static nj_status find(const struct nj_gpio_request *request, struct gpiod_chip **chip, struct gpiod_line **line, struct nj_error *error)
{
    *chip = request->chip[0] == '/' ? gpiod_chip_open(request->chip) : gpiod_chip_open_by_label(request->chip);
    if (!*chip && (errno == EACCES || errno == EPERM))
        return nj_fail(error, "%s: no right to open it; add the user to the group gpio", request->chip);
    if (!*chip)
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: no GPIO chip has this label; `gpiodetect` lists those that are there", request->chip);
    *line = gpiod_chip_get_line(*chip, request->offset);
    if (!*line) {
        unsigned count = gpiod_chip_num_lines(*chip);
        gpiod_chip_close(*chip);
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: no line %u; it has %u", request->chip, request->offset, count);
    }
    return NJ_OK;
}

nj_status nj_gpio_take(const struct nj_gpio_request *request, struct nj_gpio_line **out, struct nj_error *error)
{
    *out                      = NULL;
    struct nj_gpio_line *line = calloc(1, sizeof *line);
    if (!line)
        return nj_fail(error, "no memory for a GPIO line");
    nj_status status = find(request, &line->chip, &line->line, error);
    if (status != NJ_OK) {
        free(line);
        return status;
    }
    snprintf(line->name, sizeof line->name, "%s:%u", request->chip, request->offset);
    struct gpiod_line_request_config config = {
        .consumer     = "nightjar",
        .request_type = request->output ? GPIOD_LINE_REQUEST_DIRECTION_OUTPUT : GPIOD_LINE_REQUEST_DIRECTION_INPUT,
        .flags        = (request->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0) |
                 (request->active_low && !request->output ? GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP : 0)};
    if (gpiod_line_request(line->line, &config, request->on) != 0) {
        status = nj_fail_errno(error, errno, "%s: cannot be taken (`gpioinfo` says who has it)", line->name);
        gpiod_chip_close(line->chip);
        free(line);
        return status;
    }
    *out = line;
    return NJ_OK;
}

void nj_gpio_release(struct nj_gpio_line *line)
{
    if (!line)
        return;
    gpiod_line_release(line->line);
    gpiod_chip_close(line->chip);
    free(line);
}

nj_status nj_gpio_set(struct nj_gpio_line *line, bool on, struct nj_error *error)
{
    return gpiod_line_set_value(line->line, on) == 0 ? NJ_OK : nj_fail_errno(error, errno, "%s: cannot be driven", line->name);
}

nj_status nj_gpio_get(struct nj_gpio_line *line, bool *on, struct nj_error *error)
{
    int level = gpiod_line_get_value(line->line);
    *on       = level > 0;
    return level >= 0 ? NJ_OK : nj_fail_errno(error, errno, "%s: cannot be read", line->name);
}

nj_status nj_gpio_find(const struct nj_gpio_request *request, struct nj_error *error)
{
    struct gpiod_chip *chip;
    struct gpiod_line *line;
    nj_status          status = find(request, &chip, &line, error);
    if (status == NJ_OK)
        gpiod_chip_close(chip);
    return status;
}

const char *nj_gpio_version(void)
{
    return gpiod_version_string();
}
