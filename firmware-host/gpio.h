/* gpio.h: the few lines between the board and what stands around it.
 *
 * The setting (power.wake_gpio) is a list: `CHIP:LINE` is the wake-enable line, and further ones have a name in front:
 *
 *     wake_gpio = pinctrl-rp1:17, lamp=pinctrl-rp1:22, camera=pinctrl-rp1:23, button=!pinctrl-rp1:24
 *
 *   wake     out, on once an alarm is armed: lets the alarm through to the power switch
 *   lamp     out, on while the station works: do not pull the card now
 *   camera   out, power of the camera: off only while the charge is at the floor
 *   button   in, a person is here and wants to see something: some bursts are read at once, whatever the budget says, above the floor
 *
 * CHIP is the label of the chip (numbers of gpiochips move between kernels) or a path (/dev/gpiochip0). `!` before it: active low, and pulled up where it
 * is an input. A line is held while the handle is open; what it shows afterwards is the driver's affair (a Raspberry Pi keeps the level).
 *
 * libgpiod 1.6 and 2.x are two languages: gpio_libgpiod1.c and gpio_libgpiod2.c speak one each, the Makefile takes the one that is installed
 * (gpio_line.h is what they have in common). With NIGHTJAR_SYSROOT set neither is asked: a line is the file dev/gpio/CHIP/LINE in it, which holds 0 or 1. */
#ifndef NJ_FIRMWARE_HOST_GPIO_H
#define NJ_FIRMWARE_HOST_GPIO_H

#include "base/status.h"

#include <stdbool.h>

enum nj_line { NJ_LINE_WAKE, NJ_LINE_LAMP, NJ_LINE_CAMERA, NJ_LINE_BUTTON, NJ_LINES };
extern const char *const nj_line_names[NJ_LINES];

struct nj_lines;

/* Reads the setting; "" names no line. Lines are taken at their first use. NJ_ERROR only for a setting that cannot be understood. */
nj_status nj_lines_open(const char *setting, struct nj_lines **out, struct nj_error *error);
void      nj_lines_close(struct nj_lines *lines);

/* Whether the setting names this line. */
bool nj_lines_has(const struct nj_lines *lines, enum nj_line line);

/* Drives a line; NJ_OK without doing anything where it is not named. The sentence of a failure tells the remedy. */
nj_status nj_lines_set(struct nj_lines *lines, enum nj_line line, bool on, struct nj_error *error);

/* Reads a line; off where it is not named. */
nj_status nj_lines_get(struct nj_lines *lines, enum nj_line line, bool *on, struct nj_error *error);

/* Whether the line could be taken, without driving it: an output is looked up only. For `doctor`. */
nj_status nj_lines_probe(struct nj_lines *lines, enum nj_line line, struct nj_error *error);

/* "libgpiod 1.6.3", or "files below NIGHTJAR_SYSROOT". */
const char *nj_lines_backend(void);

#endif
