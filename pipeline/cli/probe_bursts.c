/* probe bursts: how the files of a card would be grouped. Reads the card, touches no database. */
#include "base/clock.h"
#include "base/text.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/card_bursts.h"
#include "pipeline/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void add_refused(struct nj_text *out, const struct nj_card_item *item, bool json)
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

static nj_status print(const struct nj_card_bursts *card, bool json, struct nj_error *error)
{
    struct found  *found  = calloc(card->burst_count + 1, sizeof *found);
    struct nj_text out    = {0};
    size_t         at     = 0;
    nj_status      status = found ? NJ_OK : nj_fail(error, "no memory for %zu files", card->count);
    for (size_t i = 0; i < card->burst_count && found; at += card->burst[i++].length)
        found[i] = (struct found){&card->frame[at], &card->burst[i]};
    if (card->burst_count && found)
        qsort(found, card->burst_count, sizeof *found, order_found);
    for (size_t i = 0; i < card->burst_count && found; i++)
        (json ? add_burst_json : add_burst_line)(&out, i + 1, found[i].frames, found[i].burst);
    for (size_t i = 0; i < card->count; i++)
        if (card->item[i].verdict != NJ_INTAKE_READY)
            add_refused(&out, &card->item[i], json);
    if (status == NJ_OK && out.failed)
        status = nj_fail(error, "no memory for the list of %zu files", card->count);
    if (status == NJ_OK && out.length)
        fwrite(out.data, 1, out.length, stdout);
    nj_text_free(&out);
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
    struct nj_card_bursts card   = {0};
    nj_status             status = nj_card_bursts_read(argv[1], &rules, &card, &cli->error);
    if (status == NJ_OK)
        status = print(&card, json, &cli->error);
    nj_card_bursts_free(&card);
    return nj_exit(status);
}
