#include "base/conf.h"
#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONF_LIMIT ((size_t)1 << 20) /* bytes of a settings file */

enum kind { TEXT, LABELS, NUMBER, WHOLE, YES_NO, SOFT_TOKENS, ONE_OF, SOURCE };

struct key {
    const char *section, *name;
    enum kind   kind;
    size_t      offset, size;
    const char *normal;    /* default, in the form of the file */
    double      low, high; /* TEXT: `low` bytes at least */
    const char *choices;   /* ONE_OF: separated by '|'; SOURCE: so, too, a colon behind those that go on (`kind:where`) */
    const char *help;      /* with the unit */
};

#define AT(field) offsetof(struct nj_conf, field), sizeof(((struct nj_conf *)0)->field)

static const struct key keys[] = {
    {"station", "name", TEXT, AT(station.name), "nightjar", 0, 0, NULL, "Name of this station, as rangers call it."},
    {"station", "site", TEXT, AT(station.site), "A01", 0, 0, NULL, "Site code that appears in every event."},
    {"station", "latitude", NUMBER, AT(station.latitude), "", -90, 90, NULL, "Degrees north. Helps to plan for winter; may stay empty."},
    {"station", "longitude", NUMBER, AT(station.longitude), "", -180, 180, NULL, "Degrees east. May stay empty."},
    {"station", "timezone_offset", NUMBER, AT(station.timezone_offset), "0", -14, 14, NULL,
     "Hours that the camera's clock is ahead of UTC."},
    {"station", "camera", TEXT, AT(station.camera), "", 0, 0, NULL, "Name for cameras that do not tell their serial number."},
    {"ingest", "cards", TEXT, AT(ingest.cards), "/media/nightjar/*", 0, 0, NULL, "Directories to watch, a glob. Each match is one card."},
    {"ingest", "settle_seconds", NUMBER, AT(ingest.settle_seconds), "10", 0, 3600, NULL,
     "Seconds without a change before a file counts as complete."},
    {"ingest", "burst_gap_seconds", NUMBER, AT(ingest.burst_gap_seconds), "5", 0, 3600, NULL,
     "Seconds between two frames of one burst, at most."},
    {"ingest", "burst_max_frames", WHOLE, AT(ingest.burst_max_frames), "3", 1, 4, NULL, "Frames in a burst, at most."},
    {"ingest", "min_free_mb", WHOLE, AT(ingest.min_free_mb), "200", 0, 1e9, NULL, "Megabytes that stay free beside the database."},
    {"model", "path", TEXT, AT(model.path), "/var/lib/nightjar/model.nj", 0, 0, NULL, "The packed model file (nightjar convert makes it)."},
    {"model", "adapter", TEXT, AT(model.adapter), "", 0, 0, NULL, "Directory of a LoRA adapter that is added at run time; empty for none."},
    {"model", "action_adapter", TEXT, AT(model.action_adapter), "", 0, 0, NULL,
     "Directory of a LoRA adapter that says what animals do, asked in a second pass; its actions.txt may list the answers."},
    {"model", "threads", WHOLE, AT(model.threads), "0", 0, 256, NULL, "Threads; 0 uses all cores."},
    {"model", "soft_tokens", SOFT_TOKENS, AT(model.soft_tokens), "auto", 0, 0, NULL,
     "Image tokens a picture: 70, 140, 280, 560, 1120, or auto (the scheduler chooses; a model made for fewer than 280 gets its own "
     "number)."},
    {"model", "power_saver", YES_NO, AT(model.power_saver), "no", 0, 0, NULL,
     "8-bit activations: less energy an event, coarser answers (nightjar eval says by how much)."},
    {"model", "think", YES_NO, AT(model.think), "no", 0, 0, NULL, "Let the model think before it answers (slower)."},
    {"model", "seed", WHOLE, AT(model.seed), "751", 0, 9e15, NULL, "Seed of sampled answers."},
    {"sentinel", "prompt", ONE_OF, AT(sentinel.prompt), "live", 0, 0, "live|trained",
     "Wording of the question: live (shape and labels written out) or trained (short)."},
    {"sentinel", "rare_species", LABELS, AT(sentinel.rare_species),
     "mongoose,secretaryBird,waterbuck,leopard,zorilla,genet,rhinoceros,civet,honeyBadger,wildcat,aardvark,aardwolf,batEaredFox,bushbuck,"
     "caracal,hare,"
     "hyenaStriped,porcupine,reptiles,rodents,serval,vervetMonkey",
     0, 0, NULL, "Labels that always go to review."},
    {"sentinel", "high_count_bins", LABELS, AT(sentinel.high_count_bins), "11-50,51+", 0, 0, NULL, "Count bins that always go to review."},
    {"sentinel", "review_confidence", NUMBER, AT(sentinel.review_confidence), "0.5", 0, 1, NULL,
     "A species less probable than this goes to review (0 to 1)."},
    {"sentinel", "store_probabilities", YES_NO, AT(sentinel.store_probabilities), "yes", 0, 0, NULL,
     "Keep the probability of every choice."},
    {"sentinel", "second_look", YES_NO, AT(sentinel.second_look), "no", 0, 0, NULL,
     "Ask the model, too, whether an expert should look (nearly twice the energy)."},
    {"power", "battery", SOURCE, AT(power.battery), "none", 0, 0, "sysfs:|hwmon:|vedirect:|file:|none",
     "Where the state of charge comes from: sysfs:DIR, hwmon:NAME, vedirect:TTY, file:JSON or none."},
    {"power", "battery_wh", NUMBER, AT(power.battery_wh), "100", 0.1, 1e6, NULL, "Usable capacity, Wh."},
    {"power", "reserve_percent", NUMBER, AT(power.reserve_percent), "25", 0, 100, NULL, "Charge kept for dark days, %."},
    {"power", "floor_percent", NUMBER, AT(power.floor_percent), "10", 0, 100, NULL, "No work below this charge, %."},
    {"power", "panel_wp", NUMBER, AT(power.panel_wp), "20", 0, 1e5, NULL, "Peak power of the panel, W."},
    {"power", "panel_derate", NUMBER, AT(power.panel_derate), "0.75", 0, 1, NULL, "Share of it that arrives (dirt, angle, wiring)."},
    {"power", "idle_w", NUMBER, AT(power.idle_w), "0.2", 0, 1000, NULL, "Drawn while asleep, W."},
    {"power", "awake_w", NUMBER, AT(power.awake_w), "3", 0, 1000, NULL, "Drawn while awake without work, W."},
    {"power", "busy_w", NUMBER, AT(power.busy_w), "9", 0, 1000, NULL, "Drawn while the model works, W: a first guess, the station learns."},
    {"power", "wake", SOURCE, AT(power.wake), "none", 0, 0, "rtc:|command:|none",
     "Alarm that wakes the board: rtc:FILE, command:PROGRAM or none."},
    {"power", "wake_gpio", TEXT, AT(power.wake_gpio), "", 0, 0, NULL,
     "GPIO lines: CHIP:LINE lets the alarm through; also lamp=, camera=, button= CHIP:LINE, a comma between."},
    {"power", "max_temp_c", NUMBER, AT(power.max_temp_c), "70", -40, 120, NULL, "No work above this temperature, degrees Celsius."},
    {"uplink", "transport", ONE_OF, AT(uplink.transport), "none", 0, 0, "none|directory|mqtt|serial",
     "How summaries leave: none, directory, mqtt or serial."},
    {"uplink", "target", TEXT, AT(uplink.target), "", 0, 0, NULL,
     "Directory, mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC or /dev/tty…, as the transport needs."},
    {"uplink", "station_id", TEXT, AT(uplink.station_id), "1", 0, 0, NULL, "Short id of this station in radio messages."},
    {"uplink", "daily_bytes", WHOLE, AT(uplink.daily_bytes), "20000", 0, 1e12, NULL, "Bytes a day, at most."},
    {"uplink", "send_people", YES_NO, AT(uplink.send_people), "no", 0, 0, NULL, "Also send events that may show people."},
    {"uplink", "dictionary", TEXT, AT(uplink.dictionary), "", 0, 0, NULL, "zstd dictionary for messages; empty for the built-in one."},
    {"database", "path", TEXT, AT(database.path), "/var/lib/nightjar/nightjar.db", 1, 0, NULL, "The one SQLite file."},
    {"database", "keep_json", YES_NO, AT(database.keep_json), "yes", 0, 0, NULL, "Keep each event's JSON record."},
    {"sim", "joules_per_event", NUMBER, AT(sim.joules_per_event), "1500", 0, 1e9, NULL, NULL},
    {"sim", "seconds_per_event", NUMBER, AT(sim.seconds_per_event), "150", 1e-3, 1e9, NULL, NULL},
    {"sim", "battery_start_percent", NUMBER, AT(sim.battery_start_percent), "80", 0, 100, NULL, NULL},
    {"sim", "wake_seconds", NUMBER, AT(sim.wake_seconds), "30", 0, 1e6, NULL, NULL},
    {"sim", "clock_jump", TEXT, AT(sim.clock_jump), "", 0, 0, NULL, NULL},
};
#define KEYS (sizeof keys / sizeof keys[0])

/* A word of a list, or one of its words that end in a colon with something behind it. The nearest one is named where none fits. */
static nj_status store_choice(char *field, const struct key *key, const char *value, struct nj_error *error)
{
    const char *colon = key->kind == SOURCE ? strchr(value, ':') : NULL;
    size_t      given = colon ? (size_t)(colon - value) + 1 : strlen(value), gap = SIZE_MAX;
    char        word[32], nearest[32]                                            = "", start[32];
    snprintf(start, sizeof start, "%.*s", (int)(given < sizeof start ? given : sizeof start - 1), value);
    if (strlen(value) >= key->size)
        return nj_fail(error, "%s: longer than %zu bytes", key->name, key->size - 1);
    for (const char *at = key->choices; at;) {
        const char *bar = strchr(at, '|');
        snprintf(word, sizeof word, "%.*s", (int)(bar ? (size_t)(bar - at) : strlen(at)), at);
        if (!strcmp(start, word) && (!colon || colon[1])) {
            memcpy(field, value, strlen(value) + 1);
            return NJ_OK;
        }
        if (nj_text_distance(start, word) < gap) {
            gap = nj_text_distance(start, word);
            memcpy(nearest, word, sizeof nearest);
        }
        at = bar ? bar + 1 : NULL;
    }
    if (!strcmp(start, nearest))
        return nj_fail(error, "%s = %s: something is expected behind %s", key->name, value, nearest);
    return nj_fail(error, "%s = %s: one of %s is expected; did you mean %s?", key->name, value, key->choices, nearest);
}

static nj_status store(struct nj_conf *conf, const struct key *key, const char *value, struct nj_error *error)
{
    char *field = (char *)conf + key->offset, *end;
    switch (key->kind) {
    case TEXT:
    case LABELS:
        if (strlen(value) >= key->size)
            return nj_fail(error, "%s: longer than %zu bytes", key->name, key->size - 1);
        if ((double)strlen(value) < key->low)
            return nj_fail(error, "%s: may not be empty", key->name);
        memcpy(field, value, strlen(value) + 1);
        return key->kind == LABELS && conf->check_labels ? conf->check_labels(key->name, value, error) : NJ_OK;
    case NUMBER: {
        if (!*value && !*key->normal) {
            *(double *)field = NAN;
            return NJ_OK;
        }
        double number = strtod(value, &end);
        if (end == value || *end || !(number >= key->low && number <= key->high))
            return nj_fail(error, "%s = %s: a number from %g to %g is expected", key->name, value, key->low, key->high);
        *(double *)field = number;
        return NJ_OK;
    }
    case WHOLE: {
        errno            = 0;
        long long number = strtoll(value, &end, 10);
        if (end == value || *end || errno || (double)number < key->low || (double)number > key->high)
            return nj_fail(error, "%s = %s: a whole number from %.0f to %.0f is expected", key->name, value, key->low, key->high);
        *(int64_t *)field = number;
        return NJ_OK;
    }
    case YES_NO: {
        bool yes = !strcasecmp(value, "yes") || !strcasecmp(value, "true") || !strcmp(value, "1") || !strcasecmp(value, "on");
        bool no  = !strcasecmp(value, "no") || !strcasecmp(value, "false") || !strcmp(value, "0") || !strcasecmp(value, "off");
        if (!yes && !no)
            return nj_fail(error, "%s = %s: yes or no is expected", key->name, value);
        *(bool *)field = yes;
        return NJ_OK;
    }
    case SOFT_TOKENS: {
        static const char *const words[] = {"auto", "70", "140", "280", "560", "1120"};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (!strcmp(value, words[i])) {
                *(int64_t *)field = i ? strtoll(value, NULL, 10) : 0;
                return NJ_OK;
            }
        return nj_fail(error, "%s = %s: one of auto, 70, 140, 280, 560, 1120 is expected", key->name, value);
    }
    case ONE_OF:
    case SOURCE:
        return store_choice(field, key, value, error);
    }
    return NJ_ERROR;
}

void nj_conf_defaults(struct nj_conf *conf)
{
    memset(conf, 0, sizeof *conf);
    for (size_t i = 0; i < KEYS; i++)
        store(conf, &keys[i], keys[i].normal, NULL);
}

static nj_status set(struct nj_conf *conf, const char *section, const char *name, const char *value, bool from_file, struct nj_error *error)
{
    const struct key *nearest       = NULL;
    size_t            nearest_gap   = SIZE_MAX;
    bool              section_known = false;
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *key = &keys[i];
        if (from_file && !key->help)
            continue;
        bool here = !strcmp(key->section, section);
        section_known |= here;
        if (here && !strcmp(key->name, name))
            return store(conf, key, value, error);
        size_t gap = nj_text_distance(name, key->name) + (here ? 0 : 2);
        /* "burst_gap" means burst_gap_seconds more than it means burst_max_frames */
        if (!strncmp(key->name, name, strlen(name)))
            gap = here ? 1 : 3;
        if (gap < nearest_gap) {
            nearest_gap = gap;
            nearest     = key;
        }
    }
    if (!section_known) {
        const char *near = "station";
        size_t      gap  = SIZE_MAX;
        for (size_t i = 0; i < KEYS; i++)
            if ((!from_file || keys[i].help) && nj_text_distance(section, keys[i].section) < gap) {
                gap  = nj_text_distance(section, keys[i].section);
                near = keys[i].section;
            }
        return nj_fail(error, "[%s]: no such section; did you mean [%s]?", section, near);
    }
    return nj_fail(error, "%s = %s: no such key in [%s]; did you mean %s%s%s?", name, value, section,
                   strcmp(nearest->section, section) ? nearest->section : "", strcmp(nearest->section, section) ? "." : "", nearest->name);
}

/* Takes white space off both ends, in place. */
static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = 0;
    return text;
}

/* One line, which is changed: empty, a comment, [section], or key = value. " ;" begins a comment behind a value. */
static nj_status read_line(struct nj_conf *conf, char *line, char section[64], struct nj_error *error)
{
    char *text = trim(line), *equals = strchr(text, '='), *comment;
    if (!*text || *text == '#' || *text == ';')
        return NJ_OK;
    if (*text == '[') {
        char *end = strchr(text, ']');
        if (!end || end - text - 1 >= 64)
            return nj_fail(error, "%s: a section is [name]", text);
        *end = 0;
        snprintf(section, 64, "%s", text + 1);
        return NJ_OK;
    }
    if (!equals)
        return nj_fail(error, "%s: neither [section] nor key = value", text);
    *equals     = 0;
    char *value = trim(equals + 1);
    for (comment = strchr(value, ';'); comment; comment = strchr(comment + 1, ';'))
        if (comment == value || comment[-1] == ' ' || comment[-1] == '\t') {
            *comment = 0;
            break;
        }
    if (!*section)
        return nj_fail(error, "%s: stands before the first [section]", trim(text));
    return set(conf, section, trim(text), trim(value), true, error);
}

nj_status nj_conf_read(struct nj_conf *conf, const char *path, struct nj_error *error)
{
    uint8_t *bytes;
    size_t   size;
    char     section[64] = "";
    unsigned number      = 0;
    if (!strcmp(path, "/dev/null")) /* how people say: no settings */
        return NJ_OK;
    nj_status status = nj_file_read(path, CONF_LIMIT, &bytes, &size, error);
    if (status != NJ_OK)
        return status;
    if (memchr(bytes, 0, size))
        status = nj_fail(error, "%s: holds zero bytes: it was damaged by a loss of power; write it again (`nightjar conf` prints a sample)",
                         path);
    char *at = (char *)bytes;
    if (size >= 3 && !memcmp(at, "\xEF\xBB\xBF", 3)) /* Notepad's mark */
        at += 3;
    while (status == NJ_OK && at) {
        char *end = strchr(at, '\n');
        if (end)
            *end = 0;
        number++;
        status = read_line(conf, at, section, error);
        if (status != NJ_OK)
            nj_error_prefix(error, "%s:%u", path, number);
        at = end ? end + 1 : NULL;
    }
    free(bytes);
    return status;
}

nj_status nj_conf_set(struct nj_conf *conf, const char *assignment, struct nj_error *error)
{
    char        section[64], name[64];
    const char *dot = strchr(assignment, '.'), *equals = strchr(assignment, '=');
    if (!dot || !equals || dot > equals || (size_t)(dot - assignment) >= sizeof section || (size_t)(equals - dot) > sizeof name)
        return nj_fail(error, "--set %s: section.key=value is expected", assignment);
    memcpy(section, assignment, (size_t)(dot - assignment));
    section[dot - assignment] = 0;
    memcpy(name, dot + 1, (size_t)(equals - dot - 1));
    name[equals - dot - 1] = 0;
    nj_status status       = set(conf, section, name, equals + 1, false, error);
    if (status != NJ_OK)
        nj_error_prefix(error, "--set %s", assignment);
    return status;
}

bool nj_conf_place(char *out, size_t size, const char *value)
{
    bool ours = *value && *value != '/';
    for (size_t i = 0; i < KEYS && !ours; i++)
        ours = keys[i].kind == TEXT && *keys[i].normal == '/' && !strcmp(keys[i].normal, value);
    return ours ? nj_sysroot_path(out, size, value) : (size_t)snprintf(out, size, "%s", value) < size;
}

void nj_conf_print_sample(FILE *out)
{
    fputs("# nightjar.conf: every key with its default. Remove the # in front of a key to change it.\n", out);
    const char *section = "";
    for (size_t i = 0; i < KEYS && keys[i].help; i++) {
        if (strcmp(section, keys[i].section)) {
            section = keys[i].section;
            fprintf(out, "\n[%s]\n", section);
        }
        fprintf(out, "# %s\n#%s = %s\n", keys[i].help, keys[i].name, keys[i].normal);
    }
}

bool nj_list_has(const char *list, const char *item)
{
    size_t length = strlen(item);
    for (const char *at = list; at;) {
        while (*at == ' ')
            at++;
        const char *comma = strchr(at, ',');
        size_t      size  = comma ? (size_t)(comma - at) : strlen(at);
        while (size && at[size - 1] == ' ')
            size--;
        if (size == length && !memcmp(at, item, size))
            return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}
