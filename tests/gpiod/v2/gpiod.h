/* The part of libgpiod 2.x's interface that firmware-host/gpio_libgpiod2.c uses, so that it can be tested wherever the other generation is installed. */
#ifndef NJ_TESTS_GPIOD_V2_H
#define NJ_TESTS_GPIOD_V2_H

#include <stdbool.h>
#include <stddef.h>

struct gpiod_chip;
struct gpiod_chip_info;
struct gpiod_line_settings;
struct gpiod_line_config;
struct gpiod_request_config;
struct gpiod_line_request;

enum gpiod_line_value { GPIOD_LINE_VALUE_ERROR = -1, GPIOD_LINE_VALUE_INACTIVE = 0, GPIOD_LINE_VALUE_ACTIVE = 1 };
enum gpiod_line_direction { GPIOD_LINE_DIRECTION_AS_IS = 1, GPIOD_LINE_DIRECTION_INPUT, GPIOD_LINE_DIRECTION_OUTPUT };
enum gpiod_line_bias {
    GPIOD_LINE_BIAS_AS_IS = 1,
    GPIOD_LINE_BIAS_UNKNOWN,
    GPIOD_LINE_BIAS_DISABLED,
    GPIOD_LINE_BIAS_PULL_UP,
    GPIOD_LINE_BIAS_PULL_DOWN
};

struct gpiod_chip      *gpiod_chip_open(const char *path);
void                    gpiod_chip_close(struct gpiod_chip *chip);
struct gpiod_chip_info *gpiod_chip_get_info(struct gpiod_chip *chip);
const char             *gpiod_chip_info_get_label(struct gpiod_chip_info *info);
size_t                  gpiod_chip_info_get_num_lines(struct gpiod_chip_info *info);
void                    gpiod_chip_info_free(struct gpiod_chip_info *info);

struct gpiod_line_settings *gpiod_line_settings_new(void);
void                        gpiod_line_settings_free(struct gpiod_line_settings *settings);
int                         gpiod_line_settings_set_direction(struct gpiod_line_settings *settings, enum gpiod_line_direction direction);
int                         gpiod_line_settings_set_bias(struct gpiod_line_settings *settings, enum gpiod_line_bias bias);
void                        gpiod_line_settings_set_active_low(struct gpiod_line_settings *settings, bool active_low);
int                         gpiod_line_settings_set_output_value(struct gpiod_line_settings *settings, enum gpiod_line_value value);

struct gpiod_line_config *gpiod_line_config_new(void);
void                      gpiod_line_config_free(struct gpiod_line_config *config);
int                       gpiod_line_config_add_line_settings(struct gpiod_line_config *config, const unsigned int *offsets, size_t count,
                                                              struct gpiod_line_settings *settings);

struct gpiod_request_config *gpiod_request_config_new(void);
void                         gpiod_request_config_free(struct gpiod_request_config *config);
void                         gpiod_request_config_set_consumer(struct gpiod_request_config *config, const char *consumer);

struct gpiod_line_request *gpiod_chip_request_lines(struct gpiod_chip *chip, struct gpiod_request_config *who,
                                                    struct gpiod_line_config *lines);
void                       gpiod_line_request_release(struct gpiod_line_request *request);
enum gpiod_line_value      gpiod_line_request_get_value(struct gpiod_line_request *request, unsigned int offset);
int gpiod_line_request_set_value(struct gpiod_line_request *request, unsigned int offset, enum gpiod_line_value value);

const char *gpiod_api_version(void);

#endif
