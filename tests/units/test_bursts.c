/* Runs tests/units/bursts.table: see there for its form. Then what names say. */
#include "pipeline/ingest/burst.h"
#include "pipeline/ingest/name.h"
#include "tests/tap.h"

#include <ctype.h>

#define MOST 32

struct stanza {
    char                  title[512], want[512];
    char                  line[MOST][512]; /* the frames point into it */
    struct nj_frame       frame[MOST];
    size_t                count;
    struct nj_burst_rules rules;
};

static int64_t read_time(const char *word)
{
    unsigned date[6];
    if (sscanf(word, "%u-%u-%uT%u:%u:%u", &date[0], &date[1], &date[2], &date[3], &date[4], &date[5]) == 6)
        return nj_metadata_time(date[0], date[1], date[2], date[3], date[4], date[5]);
    if (sscanf(word, "%u:%u:%u", &date[3], &date[4], &date[5]) == 3)
        return nj_metadata_time(2016, 4, 19, date[3], date[4], date[5]);
    return NJ_TIME_UNKNOWN;
}

static void read_frame(struct stanza *stanza, const char *line)
{
    char            *text = stanza->line[stanza->count], *save = NULL;
    struct nj_frame *frame = &stanza->frame[stanza->count++];
    unsigned         k, n;
    snprintf(text, sizeof stanza->line[0], "%s", line);
    *frame           = (struct nj_frame){.path = strtok_r(text, " ", &save), .camera = ""};
    frame->path_size = strlen(frame->path);
    frame->taken_at  = read_time(strtok_r(NULL, " ", &save));
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        if (sscanf(word, "%u/%u", &k, &n) == 2)
            frame->k = (uint16_t)k, frame->n = (uint16_t)n;
        else if (!strncmp(word, "event=", 6))
            frame->event = (uint32_t)atoi(word + 6);
        else if (!strncmp(word, "camera=", 7))
            frame->camera = word + 7;
        else if (!strcmp(word, "timelapse"))
            frame->timelapse = true;
        else
            CHECK(0, "%s: %s is no word of the table", stanza->title, word);
    }
}

static const char *end_word(enum nj_burst_end end)
{
    static const char *const words[] = {"last", "k=n", "full", "alone", "trigger", "gap", "clock"};
    return words[end];
}

/* The bursts as lines of the table, sorted, since their order means nothing. */
static int order_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t split_want(const char *want, char out[MOST][512])
{
    char   copy[512], *save = NULL;
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", want);
    for (char *part = strtok_r(copy, "|", &save); part && count < MOST; part = strtok_r(NULL, "|", &save)) {
        while (*part == ' ')
            part++;
        for (size_t size = strlen(part); size && part[size - 1] == ' '; size--)
            part[size - 1] = 0;
        if (*part)
            snprintf(out[count++], sizeof out[0], "%s", part);
    }
    qsort(out, count, sizeof out[0], order_text);
    return count;
}

static bool group_and_compare(const struct stanza *stanza, const size_t *order)
{
    struct nj_frame frame[MOST];
    struct nj_burst burst[MOST];
    char            want[MOST][512], got[MOST][512];
    for (size_t i = 0; i < stanza->count; i++)
        frame[i] = stanza->frame[order[i]];
    size_t made = nj_group_bursts(frame, stanza->count, &stanza->rules, burst), at = 0;
    for (size_t i = 0; i < made; i++) {
        got[i][0] = 0;
        for (unsigned j = 0; j < burst[i].length; j++, at++)
            snprintf(got[i] + strlen(got[i]), sizeof got[0] - strlen(got[i]), "%s ", frame[at].path);
        snprintf(got[i] + strlen(got[i]), sizeof got[0] - strlen(got[i]), "%s", end_word(burst[i].end));
    }
    qsort(got, made, sizeof got[0], order_text);
    bool same = made == split_want(stanza->want, want) && at == stanza->count;
    for (size_t i = 0; same && i < made; i++)
        same = !strcmp(want[i], got[i]);
    for (size_t i = 0; !same && i < made; i++)
        printf("#   got: %s\n", got[i]);
    return same;
}

/* Forwards, backwards, and in ten shuffled orders. */
static void run_stanza(const struct stanza *stanza)
{
    size_t   order[MOST];
    bool     same = true;
    uint32_t seed = 1;
    for (unsigned round = 0; round < 12 && same; round++) {
        for (size_t i = 0; i < stanza->count; i++)
            order[i] = round ? stanza->count - 1 - i : i;
        for (size_t i = stanza->count; round > 1 && i > 1; i--) {
            seed         = seed * 1664525 + 1013904223;
            size_t other = (seed >> 8) % i, kept = order[i - 1];
            order[i - 1] = order[other];
            order[other] = kept;
        }
        same = group_and_compare(stanza, order);
    }
    CHECK(same, "%s", stanza->title);
}

static void run_table(const char *path)
{
    static struct stanza stanza;
    char                 line[512];
    FILE                *file = fopen(path, "r");
    if (!CHECK(file != NULL, "%s is there", path))
        return;
    stanza = (struct stanza){.rules = {5, 3}};
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "# ", 2) && !stanza.count)
            snprintf(stanza.title, sizeof stanza.title, "%s", line + 2);
        else if (!strncmp(line, "=>", 2)) {
            snprintf(stanza.want, sizeof stanza.want, "%s", line + 2);
            run_stanza(&stanza);
            stanza = (struct stanza){.rules = {5, 3}};
        } else if (sscanf(line, "gap=%lf", &stanza.rules.gap_seconds) != 1 && sscanf(line, "max=%u", &stanza.rules.max_frames) != 1 &&
                   line[0] && line[0] != '#' && stanza.count < MOST)
            read_frame(&stanza, line);
    }
    fclose(file);
}

static void check_number(const char *name, long long want)
{
    struct nj_name_number number = nj_name_number(name, strlen(name));
    CHECK(number.known ? (long long)number.value == want : want < 0, "the number in %s is %lld", name, want);
}

static void check_time(const char *name, int64_t want)
{
    CHECK(nj_name_time(name, strlen(name)) == want, "the time in %s", name);
}

static void check_ignored(const char *path, const char *why)
{
    const char *reason = nj_name_ignored(path, strlen(path));
    CHECK(why ? reason && strstr(reason, why) : !reason, "%s: %s", path, reason ? reason : "may be a picture");
}

int main(void)
{
    run_table("tests/units/bursts.table");

    check_number("IMG_0042.JPG", 42);
    check_number("EK000100.JPG", 100);
    check_number("S1_D04_R6_PICT0020.JPG", 20);
    check_number("EK000001 (1).JPG", 1);
    check_number("EK000007 (12).JPG", 7);
    check_number("2021-06-30_SYFR0218_cougar.JPG", 218);
    check_number("20210630_123456_007.jpg", 7);
    check_number("20210630_123456.jpg", -1);
    check_number("(1).JPG", 1);
    check_number("lower.jpg", -1);
    check_number(".JPG", -1);
    check_number("", -1);
    check_number("99999999999999999999999999.JPG", -1);

    check_time("IMG_20210630_123456.jpg", nj_metadata_time(2021, 6, 30, 12, 34, 56));
    check_time("2021-06-30 12-34-56.jpg", nj_metadata_time(2021, 6, 30, 12, 34, 56));
    check_time("20210630123456.jpg", nj_metadata_time(2021, 6, 30, 12, 34, 56));
    check_time("2021-06-30_SYFR0218_cougar.JPG", NJ_TIME_UNKNOWN);
    check_time("20211330_123456.jpg", NJ_TIME_UNKNOWN);
    check_time("120210630123456.jpg", NJ_TIME_UNKNOWN);
    check_time("202106301234567.jpg", NJ_TIME_UNKNOWN);
    check_time("IMG_0042.JPG", NJ_TIME_UNKNOWN);

    check_ignored("DCIM/100RECNX/IMG_0001.JPG", NULL);
    check_ignored("a.jpeg", NULL);
    check_ignored("DCIM/100EK113/EK000009.AVI", "video");
    check_ignored("DCIM/.DS_Store", "operating system");
    check_ignored("DCIM/100MEDIA/._IMG_0001.JPG", "operating system");
    check_ignored(".Trash-1000/files/IMG_0001.JPG", "trash");
    check_ignored("$RECYCLE.BIN/IMG_0001.JPG", "trash");
    check_ignored("FOUND.000/FILE0000.CHK", "disk check");
    check_ignored("FOUND.000/FILE0000.JPG", "disk check");
    check_ignored("MISC/notes.txt", "not a JPEG");
    check_ignored("JPG", "not a JPEG");
    check_ignored("", "not a JPEG");
    return tap_done();
}
