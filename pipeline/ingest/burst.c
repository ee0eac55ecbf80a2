#include "pipeline/ingest/burst.h"

#include "pipeline/ingest/name.h"

#include <stdlib.h>
#include <string.h>

#define CLOCK_TOLERANCE 2    /* seconds that a clock may go back inside a burst */
#define LONGEST_PAUSE   3600 /* seconds between two pictures of one trigger; an event number that comes again later is another event */

enum kind { BY_SEQUENCE, BY_TIME, ALONE };

const char *nj_burst_end_name(enum nj_burst_end end)
{
    static const char *const names[] = {"last picture", "k = n", "full", "stands alone", "next trigger", "gap", "clock jumped back"};
    return names[end];
}

/* ---- order ---- */

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* NJ_TIME_UNKNOWN is the smallest time. */
static int order_time(const struct nj_frame *a, const struct nj_frame *b)
{
    return (a->taken_at > b->taken_at) - (a->taken_at < b->taken_at);
}

static int order_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int difference = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return difference ? difference : order(a_size, b_size);
}

static int order_name(const struct nj_frame *a, const struct nj_frame *b)
{
    return order_bytes(a->path, a->path_size, b->path, b->path_size);
}

static int order_origin(const struct nj_frame *a, const struct nj_frame *b)
{
    int by_folder = order_bytes(a->path, a->work.folder, b->path, b->work.folder);
    return by_folder ? by_folder : strcmp(a->camera, b->camera);
}

/* The order in which the camera wrote the files. Names without a number do not tell: they come last. */
static int order_written(const void *left, const void *right)
{
    const struct nj_frame *a = left, *b = right;
    int                    by_origin = order_origin(a, b);
    if (by_origin)
        return by_origin;
    int by_number = order(a->work.number, b->work.number);
    return by_number ? by_number : order_name(a, b);
}

/* The order in which frames that may belong together stand side by side. */
static int order_grouped(const void *left, const void *right)
{
    const struct nj_frame *a = left, *b = right;
    int                    by = order_origin(a, b);
    if (!by)
        by = order(a->work.kind, b->work.kind);
    if (!by)
        by = order(a->work.stretch, b->work.stretch);
    if (!by && a->work.kind == BY_SEQUENCE) {
        by = order(a->event, b->event);
        if (!by)
            by = order(a->work.number, b->work.number);
    }
    if (!by)
        by = order_time(a, b);
    if (!by)
        by = order(a->k, b->k);
    if (!by)
        by = order(a->work.number, b->work.number);
    return by ? by : order_name(a, b);
}

/* ---- stretches of the clock ---- */

#define NO_NUMBER UINT64_MAX

static struct nj_name_number number_of(const struct nj_frame *frame)
{
    return nj_name_number(frame->path + frame->work.folder, frame->path_size - frame->work.folder);
}

static void prepare(struct nj_frame *frame)
{
    frame->work.folder           = nj_name_folder(frame->path, frame->path_size);
    struct nj_name_number number = number_of(frame);
    frame->work.number           = number.known ? number.value : NO_NUMBER;
    frame->work.stretch          = 0;
    frame->work.kind             = frame->timelapse ? ALONE : frame->n ? BY_SEQUENCE : frame->taken_at == NJ_TIME_UNKNOWN ? ALONE : BY_TIME;
}

/* 9999 is followed by 1: the pictures at the front of the numbering were written after those at its end. */
static bool rolls_over(const struct nj_frame *last, const struct nj_frame *first)
{
    uint64_t end = 1;
    for (unsigned i = number_of(last).digits; i > 0 && end < UINT64_MAX / 10; i--)
        end *= 10;
    return last->work.number == end - 1 && first->work.number <= 1 && first->taken_at >= last->taken_at - CLOCK_TOLERANCE;
}

/* `frames`: those of one folder and camera, as written. Each jump back of the clock begins a new stretch. Frames without a number count with the
 * first one, frames without a time with the one around them. */
static void number_stretches(struct nj_frame *frames, size_t count)
{
    const struct nj_frame *before = NULL, *first = NULL;
    uint32_t               stretch = 0;
    for (size_t i = 0; i < count && frames[i].work.number != NO_NUMBER; i++) {
        if (frames[i].taken_at != NJ_TIME_UNKNOWN) {
            if (before && frames[i].taken_at < before->taken_at - CLOCK_TOLERANCE)
                stretch++;
            before = &frames[i];
            first  = first ? first : before;
        }
        frames[i].work.stretch = stretch;
    }
    if (stretch && rolls_over(before, first))
        for (size_t i = 0; i < count && frames[i].work.stretch == 0; i++)
            frames[i].work.stretch = stretch;
}

static void find_stretches(struct nj_frame *frames, size_t count)
{
    qsort(frames, count, sizeof *frames, order_written);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && !order_origin(&frames[begin], &frames[end]);)
            end++;
        number_stretches(frames + begin, end - begin);
    }
}

/* ---- bursts ---- */

/* Whether `b` goes on where `a`, the frame before it, stands. If not, *end says why. */
static bool continues(const struct nj_frame *a, const struct nj_frame *b, double gap_seconds, enum nj_burst_end *end)
{
    bool    timed = a->taken_at != NJ_TIME_UNKNOWN && b->taken_at != NJ_TIME_UNKNOWN;
    int64_t gap   = timed ? b->taken_at - a->taken_at : 0;
    if (a->work.kind == ALONE)
        *end = NJ_END_ALONE;
    else if (order_origin(a, b) || a->work.kind != b->work.kind)
        *end = NJ_END_LAST;
    else if (a->work.stretch != b->work.stretch)
        *end = NJ_END_CLOCK;
    else if (a->work.kind == BY_SEQUENCE && (a->event != b->event || a->n != b->n || a->k >= b->k))
        *end = NJ_END_TRIGGER;
    else if ((double)gap > (a->work.kind == BY_SEQUENCE ? LONGEST_PAUSE : gap_seconds))
        *end = NJ_END_GAP;
    else
        return true;
    return false;
}

static struct nj_burst describe(const struct nj_frame *frames, unsigned length, enum nj_burst_end end)
{
    const struct nj_frame *last  = &frames[length - 1];
    struct nj_burst        burst = {.length      = length,
                                    .by_sequence = frames->n || frames->timelapse,
                                    .end         = end,
                                    .started_at  = NJ_TIME_UNKNOWN,
                                    .ended_at    = NJ_TIME_UNKNOWN};
    for (const struct nj_frame *frame = frames; frame <= last; frame++) {
        if (frame->taken_at == NJ_TIME_UNKNOWN)
            continue;
        if (burst.started_at == NJ_TIME_UNKNOWN || frame->taken_at < burst.started_at)
            burst.started_at = frame->taken_at;
        if (frame->taken_at > burst.ended_at)
            burst.ended_at = frame->taken_at;
    }
    burst.trigger = frames->timelapse ? NJ_TRIGGER_TIMELAPSE : frames->n ? NJ_TRIGGER_MOTION : NJ_TRIGGER_UNKNOWN;
    if (frames->work.kind == BY_SEQUENCE && last->k == last->n)
        burst.end = NJ_END_COMPLETE;
    return burst;
}

size_t nj_group_bursts(struct nj_frame *frames, size_t count, const struct nj_burst_rules *rules, struct nj_burst *bursts)
{
    size_t made = 0;
    for (size_t i = 0; i < count; i++)
        prepare(&frames[i]);
    find_stretches(frames, count);
    qsort(frames, count, sizeof *frames, order_grouped);
    for (size_t begin = 0; begin < count;) {
        enum nj_burst_end end    = frames[begin].work.kind == ALONE ? NJ_END_ALONE : NJ_END_LAST;
        unsigned          length = 1;
        while (begin + length < count && length < rules->max_frames &&
               continues(&frames[begin + length - 1], &frames[begin + length], rules->gap_seconds, &end))
            length++;
        if (length == rules->max_frames && end == NJ_END_LAST)
            end = NJ_END_FULL;
        bursts[made++] = describe(frames + begin, length, end);
        begin += length;
    }
    return made;
}
