/* Drives the four lines of a station and prints what it was told; test_gpio.sh builds it once with each generation. */
#include "firmware-host/gpio.h"

#include <stdio.h>

static void tell(const char *what, nj_status status, const struct nj_error *error)
{
    printf("%s: %s%s\n", what, status == NJ_OK ? "ok" : "failed: ", status == NJ_OK ? "" : error->text);
}

static void try_one(const char *setting)
{
    struct nj_lines *lines;
    struct nj_error  error = {{0}};
    if (nj_lines_open(setting, &lines, &error) != NJ_OK) {
        tell(setting, NJ_ERROR, &error);
        return;
    }
    tell(setting, nj_lines_set(lines, NJ_LINE_WAKE, true, &error), &error);
    nj_lines_close(lines);
}

int main(void)
{
    struct nj_lines *lines;
    struct nj_error  error = {{0}};
    bool             on    = true;
    tell("open", nj_lines_open("pinctrl-test:17, lamp=!pinctrl-test:22,camera=/dev/gpiochip4:23, button=!pinctrl-test:24", &lines, &error),
         &error);
    tell("probe", nj_lines_probe(lines, NJ_LINE_CAMERA, &error), &error);
    tell("wake on", nj_lines_set(lines, NJ_LINE_WAKE, true, &error), &error);
    tell("lamp on", nj_lines_set(lines, NJ_LINE_LAMP, true, &error), &error);
    tell("lamp off", nj_lines_set(lines, NJ_LINE_LAMP, false, &error), &error);
    tell("camera off", nj_lines_set(lines, NJ_LINE_CAMERA, false, &error), &error);
    tell("button", nj_lines_get(lines, NJ_LINE_BUTTON, &on, &error), &error);
    printf("button is %s\n", on ? "pressed" : "not pressed");
    nj_lines_close(lines);
    try_one("pinctrl-gone:1");
    try_one("pinctrl-test:28");
    try_one("pinctrl-test:7");
    try_one("pinctrl-test");
    try_one("pinctrl-test:17x");
    try_one("horn=pinctrl-test:3");
    try_one("pinctrl-test:3,wake=pinctrl-test:4");
    return 0;
}
