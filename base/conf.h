/* conf.h: the settings of a station, read once from one INI file.
 *
 * The table in conf.c is the only list of keys: name, unit, default, allowed range and the sentence for the commented nightjar.conf, which
 * `nj_conf_print_sample` writes from it. An unknown section or key or a bad value is refused with file, line and the nearest valid name.
 * Strings belong to the struct (fixed arrays). `sim.` keys (interfaces part 5) are accepted by nj_conf_set only, never in a file. */
#ifndef NJ_BASE_CONF_H
#define NJ_BASE_CONF_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NJ_CONF_TEXT 1024

/* Says whether `value` is a good list for rare_species or high_count_bins, whose words this room does not know. */
typedef nj_status nj_conf_check_labels(const char *key, const char *value, struct nj_error *error);

struct nj_conf {
    nj_conf_check_labels *check_labels; /* set it after nj_conf_defaults; NULL takes any words */
    struct {
        char   name[64], site[64], camera[64];
        double latitude, longitude; /* degrees, north and east positive; NAN when not given */
        double timezone_offset;     /* hours east of UTC of the camera's clock */
    } station;
    struct {
        char    cards[NJ_CONF_TEXT]; /* glob of directories to watch */
        double  settle_seconds, burst_gap_seconds;
        int64_t burst_max_frames, min_free_mb;
    } ingest;
    struct {
        char    path[NJ_CONF_TEXT];
        char    adapter[NJ_CONF_TEXT];        /* directory of an unmerged LoRA adapter, or "" */
        char    action_adapter[NJ_CONF_TEXT]; /* the same, for the question what the animals do */
        int64_t threads;                      /* 0 = all cores */
        int64_t soft_tokens;                  /* 0 = auto, else 70 140 280 560 1120 */
        bool    power_saver;                  /* 8-bit activations */
        bool    think;
        int64_t seed;
    } model;
    struct {
        char   prompt[16];                 /* "live" or "trained" */
        char   rare_species[NJ_CONF_TEXT]; /* labels, comma-separated */
        char   high_count_bins[NJ_CONF_TEXT];
        double review_confidence; /* 0..1: a species less probable than this goes to review */
        bool   store_probabilities;
        bool   second_look; /* ask the model, too, whether an expert should look */
    } sentinel;
    struct {
        char   battery[NJ_CONF_TEXT]; /* source, kind:where */
        double battery_wh, reserve_percent, floor_percent, panel_wp, panel_derate;
        double idle_w, awake_w, busy_w;
        char   wake[NJ_CONF_TEXT], wake_gpio[NJ_CONF_TEXT];
        double max_temp_c;
    } power;
    struct {
        char    transport[16], target[NJ_CONF_TEXT], station_id[64], dictionary[NJ_CONF_TEXT];
        int64_t daily_bytes;
        bool    send_people;
    } uplink;
    struct {
        char path[NJ_CONF_TEXT];
        bool keep_json;
    } database;
    struct { /* the simulator's world; not in the file */
        double joules_per_event, seconds_per_event, battery_start_percent, wake_seconds;
        char   clock_jump[NJ_CONF_TEXT];
    } sim;
};

/* All defaults. */
void nj_conf_defaults(struct nj_conf *conf);

/* Reads `path` over what is already in *conf. */
nj_status nj_conf_read(struct nj_conf *conf, const char *path, struct nj_error *error);

/* One `section.key=value`, as in --set. */
nj_status nj_conf_set(struct nj_conf *conf, const char *assignment, struct nj_error *error);

/* A path of the settings as it is meant: a default one, and one that is relative, lies below NIGHTJAR_SYSROOT (tests, simulators); any other is where
 * its owner says. False if it does not fit. */
bool nj_conf_place(char *out, size_t size, const char *value);

/* The complete commented sample, every key with its default and unit. */
void nj_conf_print_sample(FILE *out);

/* Whether `item` is in a comma-separated list (spaces around items do not count). */
bool nj_list_has(const char *list, const char *item);

#endif
