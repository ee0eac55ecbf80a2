/* gpio_line.h: one line of one chip, as either generation of libgpiod gives it. Between gpio.c and gpio_libgpiod1.c or gpio_libgpiod2.c, nobody else. */
#ifndef NJ_FIRMWARE_HOST_GPIO_LINE_H
#define NJ_FIRMWARE_HOST_GPIO_LINE_H

#include "base/status.h"

#include <stdbool.h>

struct nj_gpio_request {
    const char *chip; /* label, or a path that begins with / */
    unsigned    offset;
    bool        output, on; /* on: the level with which an output begins */
    bool        active_low; /* an active-low input is pulled up */
};

struct nj_gpio_line;

/* NJ_NOT_FOUND: no such chip, or it has no such line. NJ_ERROR: it cannot be had (in use, no right). */
nj_status nj_gpio_take(const struct nj_gpio_request *request, struct nj_gpio_line **out, struct nj_error *error);
void      nj_gpio_release(struct nj_gpio_line *line);
nj_status nj_gpio_set(struct nj_gpio_line *line, bool on, struct nj_error *error);
nj_status nj_gpio_get(struct nj_gpio_line *line, bool *on, struct nj_error *error);

/* Whether the chip is there and has the line; takes nothing. */
nj_status nj_gpio_find(const struct nj_gpio_request *request, struct nj_error *error);

const char *nj_gpio_version(void);

#endif
