/* The part of libgpiod 1.6's interface that firmware-host/gpio_libgpiod1.c uses, so that it can be tested wherever the other generation is installed. */
#ifndef NJ_TESTS_GPIOD_V1_H
#define NJ_TESTS_GPIOD_V1_H

struct gpiod_chip;
struct gpiod_line;

enum { GPIOD_LINE_REQUEST_DIRECTION_AS_IS, GPIOD_LINE_REQUEST_DIRECTION_INPUT, GPIOD_LINE_REQUEST_DIRECTION_OUTPUT };
enum { GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW = 1 << 2, GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP = 1 << 5 };

struct gpiod_line_request_config {
    const char *consumer;
    int         request_type, flags;
};

struct gpiod_chip *gpiod_chip_open(const char *path);
struct gpiod_chip *gpiod_chip_open_by_label(const char *label);
unsigned           gpiod_chip_num_lines(struct gpiod_chip *chip);
struct gpiod_line *gpiod_chip_get_line(struct gpiod_chip *chip, unsigned offset);
void               gpiod_chip_close(struct gpiod_chip *chip);
int                gpiod_line_request(struct gpiod_line *line, const struct gpiod_line_request_config *config, int value);
int                gpiod_line_set_value(struct gpiod_line *line, int value);
int                gpiod_line_get_value(struct gpiod_line *line);
void               gpiod_line_release(struct gpiod_line *line);
const char        *gpiod_version_string(void);

#endif
