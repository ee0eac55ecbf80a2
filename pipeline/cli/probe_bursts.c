/* probe bursts: how the files of a card would be grouped. Reads the card, touches no database. */
#include "base/clock.h"
#include "base/text.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/ingest/burst.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One file of the card: a frame, or refused with a reason. */
struct item {
    char                  *path, *camera, *reason; /* reason of a frame: what is odd about it, or "" */
    size_t                 path_size, place;       /* place: in the order of the walk */
    enum nj_intake_verdict verdict;
    char                   hash[65];
    struct nj_frame        frame;
};

struct card {
    struct item      *item;
    size_t            count, capacity;
    struct nj_intake *intake;
};

static nj_status remember(void *user, const struct nj_intake_file *file, struct nj_error *error)
{
    struct card *card = user;
    if (card->count == card->capacity) {
        size_t       capacity = card->capacity ? 2 * card->capacity : 256;
        struct item *more     = realloc(card->item, capacity * sizeof *more);
        if (!more)
            return nj_fail(error, "no memory for %zu files", capacity);
        card->item     = more;
        card->capacity = capacity;
    }
    struct item *item = &card->item[card->count];
    *item             = (struct item){.path      = malloc(file->path_size + 1),
                                      .camera    = strdup(file->camera),
                                      .reason    = strdup(file->reason),
                                      .path_size = file->path_size,
                                      .place     = card->count++,
                                      .verdict   = file->verdict};
    if (!item->path || !item->camera || !item->reason)
        return nj_fail(error, "no memory for %zu files", card->count);
    memcpy(item->path, file->path, file->path_size + 1);
    memcpy(item->hash, file->hash, sizeof item->hash);
    item->frame = nj_intake_frame(file);
    return NJ_OK;
}

static nj_status take_in(void *user, const struct nj_walk_entry *entry, struct nj_error *error)
{
    struct card *card = user;
    return nj_intake_give(card->intake, entry, 0, error);
}

static int order_content(const void *left, const void *right)
{
    const struct item *a = *(struct item *const *)left, *b = *(struct item *const *)right;
    int                by_hash = strcmp(a->hash, b->hash);
    return by_hash ? by_hash : (a->place > b->place) - (a->place < b->place);
}

/* The same picture under two names is one finding: the first name keeps it. */
static nj_status leave_out_copies(struct card *card, struct nj_error *error)
{
    struct item **ready = calloc(card->count + 1, sizeof *ready), *first = NULL;
    size_t        count = 0;
    if (!ready)
        return nj_fail(error, "no memory for %zu files", card->count);
    for (size_t i = 0; i < card->count; i++)
        if (card->item[i].verdict == NJ_INTAKE_READY)
            ready[count++] = &card->item[i];
    qsort(ready, count, sizeof *ready, order_content);
    for (size_t i = 0; i < count; i++) {
        if (!first || strcmp(first->hash, ready[i]->hash) != 0) {
            first = ready[i];
            continue;
        }
        struct nj_text reason = {0};
        nj_text_add(&reason, "the same picture as ");
        nj_text_add_escaped(&reason, first->path, first->path_size);
        free(ready[i]->reason);
        ready[i]->verdict = NJ_INTAKE_IGNORED;
        ready[i]->reason  = reason.data;
    }
    free(ready);
    return NJ_OK;
}

/* ---- output ---- */

/* For people: one line whatever the name holds. */
static void add_plain(struct nj_text *out, const char *path, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t length = nj_utf8_length((const uint8_t *)path + i, size - i, NULL);
        if (length == 0 || (unsigned char)path[i] < ' ' || path[i] == 0x7f) {
            nj_text_addf(out, "\\x%02x", (unsigned char)path[i]);
        } else {
            nj_text_add_bytes(out, path + i, length);
            i += length - 1;
        }
    }
}

static void add_time(struct nj_text *out, int64_t time, const char *format, const char *unknown)
{
    char text[NJ_TIME_TEXT];
    if (time == NJ_TIME_UNKNOWN) {
        nj_text_add(out, unknown);
        return;
    }
    nj_time_local(time, text);
    nj_text_addf(out, format, text);
}

static void add_burst_json(struct nj_text *out, size_t number, const struct nj_frame *frames, const struct nj_burst *burst)
{
    nj_text_addf(out, "{\"burst\": %zu, \"frames\": [", number);
    for (unsigned i = 0; i < burst->length; i++) {
        nj_text_add(out, i ? ", " : "");
        nj_text_add_json(out, frames[i].path, frames[i].path_size);
    }
    nj_text_addf(out, "], \"trigger\": \"%s\", \"grouped_by\": \"%s\", \"started_at\": ", nj_trigger_name(burst->trigger),
                 burst->by_sequence ? "sequence" : "time");
    add_time(out, burst->started_at, "\"%s\"", "null");
    nj_text_add(out, ", \"ended_at\": ");
    add_time(out, burst->ended_at, "\"%s\"", "null");
    nj_text_addf(out, ", \"closed_by\": \"%s\"}\n", nj_burst_end_name(burst->end));
}

static void add_burst_line(struct nj_text *out, size_t number, const struct nj_frame *frames, const struct nj_burst *burst)
{
    nj_text_addf(out, "burst %zu  ", number);
    add_time(out, burst->started_at, "%s", "no time            ");
    nj_text_add(out, " to ");
    add_time(out, burst->ended_at, "%s", "no time            ");
    nj_text_addf(out, "  %-9s  by %-8s  closed by: %-17s ", nj_trigger_name(burst->trigger), burst->by_sequence ? "sequence" : "time",
                 nj_burst_end_name(burst->end));
    for (unsigned i = 0; i < burst->length; i++) {
        nj_text_add(out, " ");
        add_plain(out, frames[i].path, frames[i].path_size);
    }
    nj_text_add(out, "\n");
}

static void add_refused(struct nj_text *out, const struct item *item, bool json)
{
    const char *outcome = item->verdict == NJ_INTAKE_IGNORED ? "ignored" : "rejected";
    if (json) {
        nj_text_add(out, "{\"file\": ");
        nj_text_add_json(out, item->path, item->path_size);
        nj_text_addf(out, ", \"outcome\": \"%s\", \"reason\": ", outcome);
        nj_text_add_json(out, item->reason, strlen(item->reason));
        nj_text_add(out, "}\n");
    } else {
        nj_text_addf(out, "%s  ", outcome);
        add_plain(out, item->path, item->path_size);
        nj_text_add(out, ": ");
        add_plain(out, item->reason, strlen(item->reason));
        nj_text_add(out, "\n");
    }
}

struct found {
    const struct nj_frame *frames;
    const struct nj_burst *burst;
};

/* By the place of the first frame on the card. */
static int order_found(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    return (a->frames->file > b->frames->file) - (a->frames->file < b->frames->file);
}

static nj_status print(struct card *card, const struct nj_burst_rules *rules, bool json, struct nj_error *error)
{
    struct nj_frame *frame  = calloc(card->count + 1, sizeof *frame);
    struct nj_burst *burst  = calloc(card->count + 1, sizeof *burst);
    struct found    *found  = calloc(card->count + 1, sizeof *found);
    struct nj_text   out    = {0};
    size_t           frames = 0, at = 0;
    nj_status        status = frame && burst && found ? NJ_OK : nj_fail(error, "no memory for %zu files", card->count);
    for (size_t i = 0; i < card->count && status == NJ_OK; i++) {
        struct item *item = &card->item[i];
        if (item->verdict != NJ_INTAKE_READY)
            continue;
        item->frame.path   = item->path;
        item->frame.camera = item->camera;
        item->frame.file   = (int64_t)item->place;
        frame[frames++]    = item->frame;
    }
    size_t bursts = status == NJ_OK ? nj_group_bursts(frame, frames, rules, burst) : 0;
    for (size_t i = 0; i < bursts; at += burst[i++].length)
        found[i] = (struct found){&frame[at], &burst[i]};
    if (bursts)
        qsort(found, bursts, sizeof *found, order_found);
    for (size_t i = 0; i < bursts; i++)
        (json ? add_burst_json : add_burst_line)(&out, i + 1, found[i].frames, found[i].burst);
    for (size_t i = 0; i < card->count && status == NJ_OK; i++)
        if (card->item[i].verdict != NJ_INTAKE_READY)
            add_refused(&out, &card->item[i], json);
    if (status == NJ_OK && out.failed)
        status = nj_fail(error, "no memory for the list of %zu files", card->count);
    if (status == NJ_OK && out.length)
        fwrite(out.data, 1, out.length, stdout);
    nj_text_free(&out);
    free(frame);
    free(burst);
    free(found);
    return status;
}

int nj_probe_bursts(struct nj_cli *cli, int argc, char **argv)
{
    bool                     json      = false;
    const struct nj_argument options[] = {{"--json", NJ_ARG_FLAG, &json}, {NULL, 0, NULL}};
    int                      words     = nj_arguments(argc, argv, options);
    if (words != 2)
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "name one card: the folder where it is mounted");
    struct nj_burst_rules rules  = {cli->conf.ingest.burst_gap_seconds, (unsigned)cli->conf.ingest.burst_max_frames};
    struct card           card   = {0};
    nj_status             status = nj_intake_open(0, remember, &card, &card.intake, &cli->error);
    if (status == NJ_OK)
        status = nj_walk(argv[1], take_in, &card, &cli->error);
    if (status == NJ_OK)
        status = nj_intake_flush(card.intake, &cli->error);
    if (status == NJ_OK)
        status = leave_out_copies(&card, &cli->error);
    if (status == NJ_OK)
        status = print(&card, &rules, json, &cli->error);
    nj_intake_close(card.intake);
    for (size_t i = 0; i < card.count; i++) {
        free(card.item[i].path);
        free(card.item[i].camera);
        free(card.item[i].reason);
    }
    free(card.item);
    return nj_exit(status);
}
