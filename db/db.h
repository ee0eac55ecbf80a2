/* db.h: the typed store. One SQLite file holds all that a station knows; nobody outside db/ writes SQL.
 *
 * The tables are ours, the views (schema.h, interfaces part 3) are the contract with rangers. The store knows nothing of models: an answer is
 * text, numbers and probabilities.
 *
 * Handles    nj_db_open / nj_db_close. One handle belongs to one thread. Several processes may have the file open: readers never wait, writers
 *            wait for each other (at most 30 s, then a sentence). Only one process at a time may decode: it holds nj_db_lock.
 * Writing    every function that writes is one transaction of its own (durable when it returns: WAL, synchronous=FULL), unless the caller
 *            opened one with nj_db_begin: then all of it becomes true together at nj_db_commit. A scan commits every few hundred files.
 * Strings    in: borrowed for the call, NULL means "not known". Out: valid until the callback returns, or until the call named at the field.
 * Paths      bytes as found, with their length; never assumed to be UTF-8. The views show other bytes as \xHH.
 * Times      `taken_at`, `started_at`, `ended_at`: seconds of the camera's own clock read as if it were UTC; NJ_DB_NO_TIME if not known.
 *            Names that end in _ms: milliseconds UTC of the station's clock.
 *
 * States (the statements that move them stand in file.c and burst.c, beside the same picture):
 *
 *   file    seen ──► ready ──► (in a burst: outcome `used`)          pending = seen, or ready and in no burst yet
 *             ├────► rejected(reason)     a picture that cannot be used
 *             └────► ignored(reason)      not a picture, or a copy of one
 *
 *   burst   open ──► ready ──► running ──► done
 *                     ▲ ▲ ▲       │ ├────► failed(reason)      read and not understood, or unreadable: not tried again by itself
 *                     │ │ │       │ └────► deferred(reason)    put off: too little power, too hot, the card is away
 *                     │ │ └───────┘ nj_db_burst_again, nj_db_recover: a cut, a signal, a parked run
 *                     │ └─ deferred, by nj_db_burst_start or nj_db_burst_again
 *                     └─── failed or done, by nj_db_burst_again on a ranger's wish (`run --retry`)
 */
#ifndef NJ_DB_DB_H
#define NJ_DB_DB_H

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_DB_NO_TIME        INT64_MIN
#define NJ_DB_APPLICATION_ID 0x4e4a4152
#define NJ_DB_MAX_FRAMES     16 /* in one burst; ingest.burst_max_frames is at most 4 */
#define NJ_DB_EVENT_ID       16 /* bytes of an event id with its final zero */

struct nj_db;

/* ---- open and close ------------------------------------------------------------------------------------------------------------------- */

enum nj_db_mode {
    NJ_DB_READ,   /* must exist; nothing is written, also on a read-only mount */
    NJ_DB_WRITE,  /* made if absent; an older schema is copied beside itself and migrated */
    NJ_DB_STATION /* as NJ_DB_WRITE, and once a boot the file is checked: a damaged one is set aside (NAME.damaged-TIME), a fresh one begun,
                     and what rangers decided is carried over as far as it can be read. What `watch` and `run` use. */
};

struct nj_db_options {
    enum nj_db_mode mode;
    const char     *station;            /* station.name, for events.station; NULL outside a station */
    const char     *site;               /* station.site */
    double          timezone_offset;    /* hours that the cameras' clocks are ahead of UTC; tells to which night a measurement belongs */
    const struct nj_clock *clock;       /* NULL: nj_clock_system() */
    int64_t                min_free_mb; /* writers refuse to begin new work below this; 0 = do not look */
};

/* Opens `path`; its folder is made if needed. A newer schema, a file of another program, a damaged file: refused with a sentence. */
nj_status nj_db_open(const char *path, const struct nj_db_options *options, struct nj_db **out, struct nj_error *error);
void      nj_db_close(struct nj_db *db);

/* Several writes as one. Calls nest: only the outermost commit writes. After a failed write inside, call nj_db_rollback (it undoes to the
 * outermost begin). */
nj_status nj_db_begin(struct nj_db *db, struct nj_error *error);
nj_status nj_db_commit(struct nj_db *db, struct nj_error *error);
void      nj_db_rollback(struct nj_db *db);

/* The right to decode, or to ingest: an flock on PATH.WHAT.lock ("run", "watch"). NJ_STOPPED with a sentence that names the holder if another
 * process has it. Released by nj_db_unlock or by the end of the process, however it ends. */
struct nj_db_lock {
    int fd;
};
nj_status nj_db_lock(const char *path, const char *what, struct nj_db_lock *out, struct nj_error *error);
void      nj_db_unlock(struct nj_db_lock *lock);

/* Looks at every page. said: "ok", or the first thing that is wrong. */
nj_status nj_db_check(struct nj_db *db, char said[256], struct nj_error *error);

/* After nj_db_lock("run"): puts what a cut left `running` back to `ready` and says how many there were. */
nj_status nj_db_recover(struct nj_db *db, int64_t *count, struct nj_error *error);

/* ---- cards and files ------------------------------------------------------------------------------------------------------------------ */

/* `identity` tells cards apart wherever they are mounted (volume serial, or the path where there is none); `mount` is where it is now.
 * Makes the row or updates mount and last-seen time; gives its number. */
nj_status nj_db_card(struct nj_db *db, const char *identity, const char *name, const char *mount, int64_t *card, struct nj_error *error);

enum nj_db_file_state { NJ_DB_SEEN, NJ_DB_READY, NJ_DB_REJECTED, NJ_DB_IGNORED };

/* A file as the scan finds it, and all that is known of it. */
struct nj_db_file {
    int64_t               file; /* row number, 0 before it has one */
    int64_t               card;
    const char           *path; /* relative to the card, not zero-terminated by contract */
    size_t                path_size;
    int64_t               bytes, mtime_ns;
    uint64_t              inode;
    enum nj_db_file_state state;
    const char           *reason;          /* a sentence; for ready: NULL, or what is odd about it */
    const char           *hash;            /* SHA-256, 64 hex digits; NULL while not read */
    int64_t               taken_at;        /* NJ_DB_NO_TIME if not known */
    const char           *taken_at_source; /* "exif" "makernote" "name" "mtime" or NULL */
    int64_t               width, height;   /* pixels; 0 = not known */
    const char           *camera;          /* serial number or the like; "" if it does not say */
    /* what grouping needs to know again at the next scan */
    int64_t sequence_k, sequence_n, sequence_event; /* frame k of n of camera event; 0 0 0 if it does not say */
    bool    timelapse;
    int64_t event; /* 0 while in no burst */
    int64_t first_seen_ms;
};

/* What the store knows of `path` on `card`: the newest row for that path. NJ_NOT_FOUND (without a sentence) if there is none. Strings in *out
 * are valid until the next call on this handle. Unchanged (bytes, mtime_ns, inode equal) and not `seen` means: nothing to do. */
nj_status nj_db_file_find(struct nj_db *db, int64_t card, const char *path, size_t path_size, struct nj_db_file *out,
                          struct nj_error *error);

/* Writes a file's row. file->file 0 makes one (state `seen` is a fine first state) and fills file->file; else that row is replaced. A file whose
 * content changed (other hash) under the same path gets a new row: call with file 0; the old row keeps its event and its history.
 * A file that is in a burst keeps it; its frames may no longer be changed to another state than ready once the burst has left `open`. */
nj_status nj_db_file_put(struct nj_db *db, struct nj_db_file *file, struct nj_error *error);

/* A ready file with this content on this card, other than `except`: NJ_NOT_FOUND if there is none. For "a copy of …". */
nj_status nj_db_file_same(struct nj_db *db, int64_t card, const char *hash, int64_t except, struct nj_db_file *out, struct nj_error *error);

/* Frames that grouping may still move: ready, and in no burst or in an open one. In order of path. The callback must not write to `db`;
 * any status but NJ_OK ends the walk and is returned. */
typedef nj_status nj_db_on_file(void *user, const struct nj_db_file *file);
nj_status         nj_db_files_loose(struct nj_db *db, int64_t card, nj_db_on_file *callback, void *user, struct nj_error *error);

/* Files of a card that are still `seen` (not read yet, or still growing). */
nj_status nj_db_files_seen(struct nj_db *db, int64_t card, nj_db_on_file *callback, void *user, struct nj_error *error);

/* ---- bursts --------------------------------------------------------------------------------------------------------------------------- */

/* A burst as grouping found it. Its event id is made from card, first frame's path and its content, so that the same card read again, also into
 * another database, gives the same ids. */
struct nj_db_burst {
    int64_t     card;
    const char *camera;
    int64_t     started_at, ended_at; /* NJ_DB_NO_TIME if not known */
    const char *trigger;              /* "motion" "timelapse" "unknown" */
    const char *grouped_by;           /* "sequence" "time" */
    bool        closed;               /* true: complete, `ready` to decode; false: `open`, more frames may come */
};

/* Writes a burst with its frames in order (1..NJ_DB_MAX_FRAMES ready files). Idempotent: an open burst that holds any of these frames is
 * reused, open bursts left without frames vanish. Frames of a burst that is no longer open are refused. */
nj_status nj_db_burst_put(struct nj_db *db, const struct nj_db_burst *burst, const int64_t *files, size_t count, int64_t *event,
                          struct nj_error *error);

/* Cheap first guess of how likely something is in it, 0..1, and its reasons in words (NULL = none). people: -1 not known, 0 no, 1 possible. */
nj_status nj_db_burst_triage(struct nj_db *db, int64_t event, double interest, const char *words, struct nj_error *error);

struct nj_db_frame {
    int64_t     file;
    const char *path; /* relative to the card, zero-terminated, bytes as found */
    size_t      path_size;
    int64_t     taken_at, width, height;
    const char *hash;
};

/* A burst that waits, with all that deciding and decoding need. Owned by the list. */
struct nj_db_waiting {
    int64_t            event;
    char               event_id[NJ_DB_EVENT_ID];
    int64_t            card;
    const char        *card_name, *mount; /* mount: directory where the card was last seen */
    const char        *camera;
    int64_t            started_at, ended_at, first_seen_ms;
    const char        *trigger;
    double             interest;             /* 0..1; -1 before triage */
    int64_t            attempts;             /* how often decoding was begun */
    const char        *parked;               /* file with the parked decode, or NULL */
    double             seconds, energy_wh;   /* spent on it so far */
    const char        *state, *state_reason; /* "ready" or "deferred" */
    size_t             frame_count;
    struct nj_db_frame frame[NJ_DB_MAX_FRAMES];
};

struct nj_db_waiting_list {
    struct nj_db_waiting *item;
    size_t                count;
    void                 *memory;
};

/* At most `limit` waiting bursts, ready or deferred (0 = all), parked ones first, then in order of interest, then oldest first. Those that this handle put off
 * one by one (nj_db_burst_defer) are left out until nj_db_waiting_anew. Free with nj_db_waiting_free. */
nj_status nj_db_waiting(struct nj_db *db, size_t limit, struct nj_db_waiting_list *out, struct nj_error *error);
nj_status nj_db_waiting_anew(struct nj_db *db, struct nj_error *error);
void      nj_db_waiting_free(struct nj_db_waiting_list *list);
nj_status nj_db_waiting_count(struct nj_db *db, int64_t *ready, int64_t *deferred, struct nj_error *error);

/* ready|deferred → running. NJ_NOT_FOUND if it is in neither state (someone else took it). */
nj_status nj_db_burst_start(struct nj_db *db, int64_t event, struct nj_error *error);
/* running → ready with what was spent so far and, if it was parked, the file that holds it. Also failed|done|deferred → ready. */
nj_status nj_db_burst_again(struct nj_db *db, int64_t event, const char *parked, double seconds, double energy_wh, struct nj_error *error);
/* All that are ready → deferred, for a reason in words that holds for all; those of an interest below `low` say that, too. Of those that are deferred already
 * the first `fresh` in the queue get the new words: a long queue is not written anew at each waking. */
nj_status nj_db_put_off(struct nj_db *db, const char *reason, double low, size_t fresh, struct nj_error *error);
/* running|ready → failed | deferred, with a reason in words. */
nj_status nj_db_burst_fail(struct nj_db *db, int64_t event, const char *reason, double seconds, double energy_wh, struct nj_error *error);
nj_status nj_db_burst_defer(struct nj_db *db, int64_t event, const char *reason, struct nj_error *error);

/* ---- answers -------------------------------------------------------------------------------------------------------------------------- */

#define NJ_DB_UNKNOWN (-1)

/* One choice that the model made: where in the record (JSON pointer, "/detections/0/species"), what, how sure, and what came second. */
struct nj_db_choice {
    const char *at, *value, *runner_up;
    double      probability, runner_up_probability; /* < 0: not known */
};

struct nj_db_detection {
    const char *species, *display_name; /* species: label, or "unknown"; raw text of an unknown one in display_name */
    const char *count_bin;              /* "1".."10" "11-50" "51+" or NULL */
    int64_t     count_min, count_max;   /* NJ_DB_UNKNOWN; count_max also where it is open */
    int         standing, resting, moving, eating, interacting, young_present; /* 0, 1, NJ_DB_UNKNOWN */
    const char *confidence;                                                    /* "high" "medium" "low" or NULL */
    double      probability, runner_up_probability;                            /* of the species; < 0: not known */
    const char *runner_up;
};

enum nj_db_reason_kind { NJ_DB_RULE, NJ_DB_MODEL, NJ_DB_PROBABILITY };

struct nj_db_reason {
    enum nj_db_reason_kind kind;
    const char            *code;  /* "night_event" */
    const char            *words; /* "taken at night" */
};

struct nj_db_answer {
    int                           blank;  /* 0, 1, NJ_DB_UNKNOWN */
    int                           people; /* may show people: 0, 1, NJ_DB_UNKNOWN */
    bool                          review_needed;
    const char                   *priority;              /* "none" "medium" "high" */
    const char                   *json;                  /* the savanna_sentinel_event_v1 record; NULL where database.keep_json is off */
    const char                   *raw;                   /* what the model wrote, where it differs from json; NULL if it does not */
    const char                   *model;                 /* name of the model, and of its adapter */
    const char                   *behaviour;             /* what the animals do, in the words of an adapter for actions; NULL: not asked */
    double                        behaviour_probability; /* NAN: not known */
    int64_t                       soft_tokens;           /* a picture */
    double                        seconds, energy_wh;    /* of this run; what parked runs spent is added by the store */
    const struct nj_db_detection *detections;
    size_t                        detection_count;
    const struct nj_db_reason    *reasons;
    size_t                        reason_count;
    const struct nj_db_choice    *choices; /* [choice_count]; 0 where sentinel.store_probabilities is off */
    size_t                        choice_count;
};

/* running → done: event, detections, reasons and choices in one transaction. A parked file named in the row is forgotten (the caller removes it). */
nj_status nj_db_finish(struct nj_db *db, int64_t event, const struct nj_db_answer *answer, struct nj_error *error);

/* ---- rangers -------------------------------------------------------------------------------------------------------------------------- */

enum nj_db_review_action { NJ_DB_ACCEPT, NJ_DB_CORRECT, NJ_DB_ESCALATE, NJ_DB_UNDO };

struct nj_db_review {
    enum nj_db_review_action      action;
    const char                   *by, *notes; /* notes may be NULL */
    const char                   *fields;     /* CORRECT: the FIELD=VALUE words as given, one a line */
    int                           blank, people;
    const char                   *json;       /* CORRECT: the whole corrected record */
    const struct nj_db_detection *detections; /* CORRECT: all detections as they should be */
    size_t                        detection_count;
};

/* Adds one decision; the latest holds, UNDO takes the latest that still holds back. The model's answer is never touched. NJ_NOT_FOUND with a
 * sentence if the event does not exist, is not done, or has nothing to undo. */
nj_status nj_db_review(struct nj_db *db, int64_t event, const struct nj_db_review *review, struct nj_error *error);

/* Event ids as rangers type them: whole, or the first letters if they name one event only. And the whole id of an event. */
nj_status nj_db_event_find(struct nj_db *db, const char *id, int64_t *event, struct nj_error *error);
nj_status nj_db_event_id(struct nj_db *db, int64_t event, char out[NJ_DB_EVENT_ID], struct nj_error *error);

/* ---- what the station remembers --------------------------------------------------------------------------------------------------------- */

/* Small named values: bytes under a key. NJ_NOT_FOUND without a sentence. *value is malloc'd, with a zero byte behind it.
 * `status` shows two of them, when the scheduler leaves them: "next_wake_utc" (2010-08-16T14:51:32Z) and "budget" (a sentence about tonight). */
nj_status nj_db_state_get(struct nj_db *db, const char *key, void **value, size_t *size, struct nj_error *error);
nj_status nj_db_state_put(struct nj_db *db, const char *key, const void *value, size_t size, struct nj_error *error);

/* Why the station did what it did: "sleep until 18:05", "low battery". Shown by status and events show. event 0 = none. */
nj_status nj_db_decision(struct nj_db *db, int64_t at_ms, const char *what, const char *reason, int64_t event, struct nj_error *error);

/* Measurements, written in batches to spare the card. NAN where there is none. */
struct nj_db_sample {
    int64_t at_ms;
    double  battery_percent, battery_v, panel_w, load_w, temp_c;
};
nj_status nj_db_samples(struct nj_db *db, const struct nj_db_sample *samples, size_t count, struct nj_error *error);

/* A camera whose clock was wrong: `seconds` are added to its times in reports and exports; the times as read stay. camera NULL: the whole card.
 * Holds for times from..to (NJ_DB_NO_TIME: open). */
nj_status nj_db_clock_offset(struct nj_db *db, int64_t card, const char *camera, int64_t from, int64_t to, int64_t seconds, const char *by,
                             struct nj_error *error);
/* The same for the card and the camera of an event, without bounds. */
nj_status nj_db_clock_offset_event(struct nj_db *db, int64_t event, int64_t seconds, const char *by, struct nj_error *error);

/* ---- outbox --------------------------------------------------------------------------------------------------------------------------- */

struct nj_db_item {
    int64_t     item;
    const char *kind;     /* "event" "alert" "status" … */
    int64_t     event;    /* 0 = none */
    int64_t     priority; /* larger leaves first */
    const void *payload;
    size_t      bytes;
    int64_t     attempts, next_try_ms, created_ms;
};

/* item->item is filled. */
nj_status nj_db_outbox_put(struct nj_db *db, struct nj_db_item *item, struct nj_error *error);
/* Events that are done and were never put into the outbox, oldest first; those that may show people only if `people`. The callback must not write. */
typedef nj_status nj_db_on_event(void *user, int64_t event, const char *event_id);
nj_status nj_db_outbox_missing(struct nj_db *db, bool people, size_t limit, nj_db_on_event *callback, void *user, struct nj_error *error);
/* Items that are not acknowledged and due at now_ms, by priority, then newest first; those about events that may show people only if `people`. */
typedef nj_status nj_db_on_item(void *user, const struct nj_db_item *item);
nj_status         nj_db_outbox_due(struct nj_db *db, int64_t now_ms, bool people, size_t limit, nj_db_on_item *callback, void *user,
                                   struct nj_error *error);
/* One attempt: sent_ms 0 = it failed. sent_bytes: what it took on the way. next_try_ms: when to try (or to send again, if no acknowledgement came). */
nj_status nj_db_outbox_tried(struct nj_db *db, int64_t item, int64_t sent_ms, int64_t sent_bytes, int64_t next_try_ms,
                             struct nj_error *error);
nj_status nj_db_outbox_acknowledged(struct nj_db *db, int64_t item, int64_t at_ms, struct nj_error *error);
/* Bytes sent since then, for the daily budget. */
nj_status nj_db_outbox_sent_since(struct nj_db *db, int64_t since_ms, int64_t *bytes, struct nj_error *error);

/* ---- reading the views ---------------------------------------------------------------------------------------------------------------- */

enum nj_db_type { NJ_DB_NULL, NJ_DB_INTEGER, NJ_DB_REAL, NJ_DB_TEXT };

struct nj_db_value {
    enum nj_db_type type;
    int64_t         integer;
    double          real;
    const char     *text; /* UTF-8, zero-terminated; "" unless NJ_DB_TEXT */
    size_t          text_size;
};

/* Which rows of which view. A NULL or 0 member does not select. Besides the views of the contract there are, for our own pages (view.c): event_details,
 * event_head (the same with its place in the queue), event_frames, event_detections, review_details, rejected, frames, reasons, choices, model_detections,
 * model_answers, reviews, decisions, event_decisions, samples, cards, counts, spending. */
struct nj_db_query {
    const char *view;
    const char *night;           /* YYYY-MM-DD */
    const char *from, *to;       /* nights, both included */
    const char *species, *state; /* state: of events; status of review_queue; outcome of files */
    const char *event_id;
    bool        newest_first;
    bool        names_first; /* call the callback once before the rows, with values NULL */
    int64_t     limit;
};

typedef nj_status nj_db_on_row(void *user, const char *const *names, const struct nj_db_value *values, size_t count);
nj_status nj_db_select(struct nj_db *db, const struct nj_db_query *query, nj_db_on_row *callback, void *user, struct nj_error *error);

#endif
