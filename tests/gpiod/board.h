/* board.h: one chip of 28 lines called pinctrl-test at /dev/gpiochip4, behind both drawn libgpiods. What is done to it is printed, so that both
 * generations can be held against one list. Line 7 belongs to somebody else. */
#ifndef NJ_TESTS_GPIOD_BOARD_H
#define NJ_TESTS_GPIOD_BOARD_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BOARD_PATH  "/dev/gpiochip4"
#define BOARD_LABEL "pinctrl-test"
#define BOARD_LINES 28
#define BOARD_TAKEN 7

static int board_level[BOARD_LINES]; /* volts, not meaning */
static int board_low[BOARD_LINES];

static inline int board_take(unsigned line, const char *who, int output, int value, int low, int pulled_up)
{
    if (line == BOARD_TAKEN) {
        errno = EBUSY;
        return -1;
    }
    board_low[line] = low;
    if (output)
        board_level[line] = value != low;
    else
        board_level[line] = pulled_up;
    printf("take %u for %s as %s%s%s%s\n", line, who, output ? "output" : "input", low ? ", active low" : "",
           pulled_up ? ", pulled up" : "", output ? (board_level[line] ? ", high" : ", low") : "");
    return 0;
}

static inline void board_set(unsigned line, int value)
{
    board_level[line] = value != board_low[line];
    printf("set %u %s\n", line, board_level[line] ? "high" : "low");
}

static inline int board_get(unsigned line)
{
    return board_level[line] != board_low[line];
}

#endif
