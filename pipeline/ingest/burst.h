/* burst.h: groups the pictures of one card into bursts.
 *
 * A burst is what one trigger of the camera left behind: one to four pictures, in order. Grouping looks at metadata only, allocates nothing, and
 * gives the same bursts for the same pictures whatever order they were found in.
 *
 * Rules, strongest first (docs/architecture.md#bursts):
 *   1. never across two folders or two cameras
 *   2. time-lapse pictures stand alone, and so do pictures without a time of their own, unless the camera numbers them
 *   3. the camera's own "k of n": same event number, k rising. The gap does not matter (up to an hour, past which it is another event of that number)
 *   4. a gap of at most `gap_seconds` to the picture before
 *   5. a clock that jumps back by more than 2 s, in the order in which the pictures were written (the number in the name), begins a new burst
 *   6. more than `max_frames` pictures are cut, in order, into bursts of that many and a rest
 * Order inside a burst: time, k, number in the name, name; where the camera says k of n, by k. */
#ifndef NJ_INGEST_BURST_H
#define NJ_INGEST_BURST_H

#include "pipeline/picture/metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One picture as the grouping sees it. Borrowed: `path` and `camera` must outlive the call. */
struct nj_frame {
    const char *path; /* relative to the card, bytes as found */
    size_t      path_size;
    const char *camera;    /* serial number or the like (nj_metadata_camera), or "" */
    int64_t     taken_at;  /* seconds, local camera time; NJ_TIME_UNKNOWN if none (the time of the file is none) */
    uint16_t    k, n;      /* picture k of n of this trigger, 1-based; 0, 0 if the camera does not say */
    uint32_t    event;     /* the camera's number of that trigger */
    bool        timelapse; /* the camera says that nothing moved */
    int64_t     file;      /* the caller's own */
    struct {               /* the grouping's own */
        size_t   folder;
        uint64_t number;
        uint32_t stretch; /* of the clock: counts its jumps back */
        uint8_t  kind;
    } work;
};

struct nj_burst_rules {
    double   gap_seconds;
    unsigned max_frames; /* at least 1 */
};

/* Why nothing more belongs to a burst. */
enum nj_burst_end {
    NJ_END_LAST,     /* it is the newest of its camera and folder: more may come, until gap and settling time have passed */
    NJ_END_COMPLETE, /* k = n */
    NJ_END_FULL,     /* max_frames are there */
    NJ_END_ALONE,    /* time-lapse, or no time of its own */
    NJ_END_TRIGGER,  /* k starts again, or the next event number */
    NJ_END_GAP,
    NJ_END_CLOCK /* the clock jumped back */
};

struct nj_burst {
    unsigned          length;
    bool              by_sequence; /* the camera said so; false: by time */
    enum nj_trigger   trigger;
    enum nj_burst_end end;
    int64_t           started_at, ended_at; /* NJ_TIME_UNKNOWN */
};

/* Sorts `frames` in place and describes each burst, in order, in `bursts`.
 *   bursts     [count], filled from the front
 *   returns    number of bursts; 0 when count is 0. Never fails. */
size_t nj_group_bursts(struct nj_frame *frames, size_t count, const struct nj_burst_rules *rules, struct nj_burst *bursts);

/* "k = n", "gap", … for people and for `probe bursts`. */
const char *nj_burst_end_name(enum nj_burst_end end);

#endif
