/* gpio_libgpiod2.c: gpio_line.h in the words of libgpiod 2.x (Debian 13): chips are opened by path, lines come as requests. */
#include "firmware-host/gpio_line.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gpiod.h>

struct nj_gpio_line {
    struct gpiod_line_request *request;
    unsigned                   offset;
    char                       name[160];
};

/* Whether `chip` is called `label`, and how many lines it has. */
static bool is_called(struct gpiod_chip *chip, const char *label, size_t *lines)
{
    struct gpiod_chip_info *info  = gpiod_chip_get_info(chip);
    bool                    found = info && (!label || !strcmp(gpiod_chip_info_get_label(info), label));
    *lines                        = info ? gpiod_chip_info_get_num_lines(info) : 0;
    if (info)
        gpiod_chip_info_free(info);
    return found;
}

/* The chip with this label: version 2 leaves the search to its users. */
static struct gpiod_chip *open_by_label(const char *label, size_t *lines, bool *forbidden)
{
    glob_t             found;
    struct gpiod_chip *chip = NULL;
    if (glob("/dev/gpiochip*", 0, NULL, &found) != 0)
        return NULL;
    for (size_t i = 0; i < found.gl_pathc && !chip; i++) {
        chip = gpiod_chip_open(found.gl_pathv[i]);
        *forbidden |= !chip && (errno == EACCES || errno == EPERM);
        if (chip && !is_called(chip, label, lines)) {
            gpiod_chip_close(chip);
            chip = NULL;
        }
    }
    globfree(&found);
    return chip;
}

static nj_status find(const struct nj_gpio_request *request, struct gpiod_chip **chip, struct nj_error *error)
{
    size_t lines     = 0;
    bool   forbidden = false;
    if (request->chip[0] == '/') {
        *chip     = gpiod_chip_open(request->chip);
        forbidden = !*chip && (errno == EACCES || errno == EPERM);
        if (*chip)
            is_called(*chip, NULL, &lines);
    } else
        *chip = open_by_label(request->chip, &lines, &forbidden);
    if (!*chip && forbidden)
        return nj_fail(error, "%s: no right to open it; add the user to the group gpio", request->chip);
    if (!*chip)
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: no GPIO chip has this label; `gpiodetect` lists those that are there", request->chip);
    if (request->offset >= lines) {
        gpiod_chip_close(*chip);
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: no line %u; it has %zu", request->chip, request->offset, lines);
    }
    return NJ_OK;
}

/* The request itself; NULL and errno when the kernel or memory says no. */
static struct gpiod_line_request *ask(struct gpiod_chip *chip, const struct nj_gpio_request *request)
{
    struct gpiod_line_settings  *settings = gpiod_line_settings_new();
    struct gpiod_line_config    *lines    = gpiod_line_config_new();
    struct gpiod_request_config *who      = gpiod_request_config_new();
    struct gpiod_line_request   *got      = NULL;
    if (settings && lines && who) {
        gpiod_request_config_set_consumer(who, "nightjar");
        gpiod_line_settings_set_active_low(settings, request->active_low);
        gpiod_line_settings_set_direction(settings, request->output ? GPIOD_LINE_DIRECTION_OUTPUT : GPIOD_LINE_DIRECTION_INPUT);
        if (request->output)
            gpiod_line_settings_set_output_value(settings, request->on ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
        else if (request->active_low)
            gpiod_line_settings_set_bias(settings, GPIOD_LINE_BIAS_PULL_UP);
        if (gpiod_line_config_add_line_settings(lines, &request->offset, 1, settings) == 0)
            got = gpiod_chip_request_lines(chip, who, lines);
    }
    int why = errno;
    gpiod_request_config_free(who);
    gpiod_line_config_free(lines);
    gpiod_line_settings_free(settings);
    errno = why;
    return got;
}

nj_status nj_gpio_take(const struct nj_gpio_request *request, struct nj_gpio_line **out, struct nj_error *error)
{
    struct gpiod_chip *chip;
    *out = NULL;
    NJ_TRY(find(request, &chip, error));
    struct nj_gpio_line *line = calloc(1, sizeof *line);
    if (!line) {
        gpiod_chip_close(chip);
        return nj_fail(error, "no memory for a GPIO line");
    }
    snprintf(line->name, sizeof line->name, "%s:%u", request->chip, request->offset);
    line->offset  = request->offset;
    line->request = ask(chip, request);
    int why       = errno;
    gpiod_chip_close(chip); /* the request lives on without it */
    if (!line->request) {
        nj_status status = nj_fail_errno(error, why, "%s: cannot be taken (`gpioinfo` says who has it)", line->name);
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
    gpiod_line_request_release(line->request);
    free(line);
}

nj_status nj_gpio_set(struct nj_gpio_line *line, bool on, struct nj_error *error)
{
    enum gpiod_line_value level = on ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;
    return gpiod_line_request_set_value(line->request, line->offset, level) == 0
               ? NJ_OK
               : nj_fail_errno(error, errno, "%s: cannot be driven", line->name);
}

nj_status nj_gpio_get(struct nj_gpio_line *line, bool *on, struct nj_error *error)
{
    enum gpiod_line_value level = gpiod_line_request_get_value(line->request, line->offset);
    *on                         = level == GPIOD_LINE_VALUE_ACTIVE;
    return level != GPIOD_LINE_VALUE_ERROR ? NJ_OK : nj_fail_errno(error, errno, "%s: cannot be read", line->name);
}

nj_status nj_gpio_find(const struct nj_gpio_request *request, struct nj_error *error)
{
    struct gpiod_chip *chip;
    NJ_TRY(find(request, &chip, error));
    gpiod_chip_close(chip);
    return NJ_OK;
}

const char *nj_gpio_version(void)
{
    return gpiod_api_version();
}
