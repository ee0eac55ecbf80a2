#include "pipeline/cli/event_page.h"
#include "pipeline/cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void line(const char *title, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *title, const char *format, ...)
{
    struct nj_text shown = {0};
    char           buffer[4096];
    va_list        args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    nj_text_add_visible(&shown, buffer);
    printf("%s%-10s%s %s\n", nj_paint(NJ_BOLD), title, nj_paint(NJ_PLAIN), shown.data ? shown.data : "");
    nj_text_free(&shown);
}

#define TEXT(name)   nj_row_value(name, names, values, count)->text
#define NUMBER(name) nj_row_value(name, names, values, count)->integer
#define REAL(name)   nj_row_value(name, names, values, count)->real
#define IS_SET(name) (nj_row_value(name, names, values, count)->type != NJ_DB_NULL)

/* The answer to "why was this event not decoded?", in one sentence. */
static void explain_state(const char *const *names, const struct nj_db_value *values, size_t count)
{
    const char *state = TEXT("state"), *reason = TEXT("state_reason");
    if (!strcmp(state, "open"))
        line("State", "open: more frames may come; it is closed when its folder has been quiet for [ingest] settle_seconds");
    else if (!strcmp(state, "ready"))
        line("State", "ready: not read yet; %lld before it in the queue%s%s%s%s", (long long)NUMBER("ahead"), *reason ? "; " : "", reason,
             IS_SET("parked") ? "; a part of the work is parked in " : "", TEXT("parked"));
    else if (!strcmp(state, "running"))
        line("State", "running: the model is reading it now");
    else if (!strcmp(state, "deferred"))
        line("State", "put off: %s; %lld before it in the queue%s%s", *reason ? reason : "no reason was noted", (long long)NUMBER("ahead"),
             IS_SET("parked") ? "; a part of the work is parked in " : "", TEXT("parked"));
    else if (!strcmp(state, "failed"))
        line("State", "failed: %s", *reason ? reason : "no reason was noted");
    else
        line("State", "done: read by %s at %lld image tokens a picture, %.0f s, %.3f Wh, finished %s", TEXT("model"),
             (long long)NUMBER("soft_tokens"), REAL("seconds"), REAL("energy_wh"), TEXT("finished_utc"));
    if (REAL("interest") >= 0)
        line("Interest", "%.2f%s%s", REAL("interest"), IS_SET("interest_words") ? ": " : "", TEXT("interest_words"));
    if (NUMBER("attempts") > 1)
        line("Attempts", "%lld", (long long)NUMBER("attempts"));
}

static void show_corrected_clock(const char *started_at, int64_t offset)
{
    char    text[NJ_TIME_TEXT];
    int64_t started;
    if (offset == 0 || !nj_time_read(started_at, &started))
        return;
    nj_time_local(started + offset, text);
    line("Corrected", "%s (%+lld s, as a ranger set it; so in reports and exports)", text, (long long)offset);
}

/* What the head tells the lines below it. */
struct page {
    bool waits, calibrated;
};

static nj_status show_head(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    static const char mark[] = " (calibrated)";
    struct page      *page   = user;
    size_t            length = strlen(TEXT("model")), size = sizeof mark - 1;
    page->waits      = strcmp(TEXT("state"), "done") != 0 && strcmp(TEXT("state"), "failed") != 0;
    page->calibrated = length > size && !strcmp(TEXT("model") + length - size, mark);
    line("Event", "%s  station %s, card %s%s%s", TEXT("event_id"), TEXT("station"), TEXT("card"), *TEXT("camera") ? ", camera " : "",
         TEXT("camera"));
    if (IS_SET("started_at"))
        line("Time", "%s to %s, night of %s (the camera's clock%s)", TEXT("started_at"), TEXT("ended_at"), TEXT("night"),
             NUMBER("clock_offset") ? ", as read; a correction is noted" : "");
    else
        line("Time", "not known: the pictures bear no date");
    show_corrected_clock(TEXT("started_at"), NUMBER("clock_offset"));
    line("Burst", "%lld frame%s, trigger %s, grouped by %s", (long long)NUMBER("frame_count"), NUMBER("frame_count") == 1 ? "" : "s",
         TEXT("trigger"), TEXT("grouped_by"));
    explain_state(names, values, count);
    if (IS_SET("blank") && NUMBER("blank"))
        line("Seen", "blank: no animal (%s)", TEXT("decided_by"));
    if (IS_SET("people") && NUMBER("people"))
        line("People", "may be in the pictures: they are left out of reports, exports and messages");
    if (IS_SET("review_status"))
        line("Review", "%s, priority %s", TEXT("review_status"), TEXT("priority"));
    else if (!strcmp(TEXT("state"), "done"))
        line("Review", "not needed");
    return NJ_OK;
}

static void add_word(struct nj_text *text, const struct nj_db_value *value, const char *word)
{
    if (value->type == NJ_DB_INTEGER && value->integer)
        nj_text_addf(text, ", %s", word);
}

static nj_status show_seen(const char *title, const struct page *page, const char *const *names, const struct nj_db_value *values,
                           size_t count)
{
    static const char *const behaviours[] = {"standing", "resting", "moving", "eating", "interacting"};
    struct nj_text           text         = {0};
    nj_text_addf(&text, "%s%s x %s", strcmp(title, "Seen") ? "the model said " : "", *TEXT("count_bin") ? TEXT("count_bin") : "?",
                 *TEXT("display_name") ? TEXT("display_name") : TEXT("species"));
    for (size_t i = 0; i < sizeof behaviours / sizeof behaviours[0]; i++)
        add_word(&text, nj_row_value(behaviours[i], names, values, count), behaviours[i]);
    add_word(&text, nj_row_value("young_present", names, values, count), "with young");
    if (*TEXT("confidence"))
        nj_text_addf(&text, "; confidence %s", TEXT("confidence"));
    if (IS_SET("probability"))
        nj_text_addf(&text, ", %sprobability %.2f", page->calibrated ? "" : "raw ", REAL("probability"));
    if (*TEXT("runner_up"))
        nj_text_addf(&text, " (next: %s %.2f)", TEXT("runner_up"), REAL("runner_up_probability"));
    line(title, "%s", text.data ? text.data : "");
    nj_text_free(&text);
    return NJ_OK;
}

static nj_status show_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    return show_seen("Seen", user, names, values, count);
}

static nj_status show_model_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    return show_seen("Model", user, names, values, count);
}

static nj_status show_behaviour(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    if (IS_SET("behaviour_probability"))
        line("Behaviour", "%s (probability %.2f)", TEXT("behaviour"), REAL("behaviour_probability"));
    else
        line("Behaviour", "%s", TEXT("behaviour"));
    return NJ_OK;
}

static nj_status show_reason(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    const char *from = !strcmp(TEXT("kind"), "rule") ? "a rule" : !strcmp(TEXT("kind"), "model") ? "the model" : "a probability";
    if (strcmp(TEXT("words"), TEXT("code")) != 0)
        line("  because", "%s [%s, %s]", TEXT("words"), TEXT("code"), from);
    else /* a reason of the model's own, which no table explains */
        line("  because", "%s [%s]", TEXT("words"), from);
    return NJ_OK;
}

static nj_status show_review(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    struct nj_text fields = {0};
    for (const char *at = TEXT("fields"); *at; at++)
        nj_text_addf(&fields, "%c", *at == '\n' ? ' ' : *at);
    line("  ranger", "%s: %s by %s%s%s%s%s%s", TEXT("at_utc"), TEXT("action"), TEXT("by_whom"), fields.length ? ": " : "",
         fields.data ? fields.data : "", IS_SET("notes") ? " - " : "", TEXT("notes"), NUMBER("undone") ? " (taken back)" : "");
    nj_text_free(&fields);
    return NJ_OK;
}

static nj_status show_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    line("Frame", "%lld  %s  %lldx%lld  %s%s%s%s  sha256 %.12s…", (long long)NUMBER("frame_index"), TEXT("place"),
         (long long)NUMBER("width"), (long long)NUMBER("height"), IS_SET("taken_at") ? TEXT("taken_at") : "no date",
         IS_SET("taken_at_source") ? " (" : "", TEXT("taken_at_source"), IS_SET("taken_at_source") ? ")" : "", TEXT("hash"));
    return NJ_OK;
}

static nj_status show_decision(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    line("Scheduler", "%s: %s: %s", TEXT("at_utc"), TEXT("what"), TEXT("reason"));
    return NJ_OK;
}

static nj_status show_choice(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)user;
    line("  choice", "%s = %s (%.3f)%s%s", TEXT("at"), TEXT("value"), REAL("probability"), *TEXT("runner_up") ? ", next " : "",
         TEXT("runner_up"));
    return NJ_OK;
}

nj_status nj_event_page(struct nj_db *db, const char *id, bool choices, struct nj_error *error)
{
    struct page page = {0};
    const struct {
        const char   *view;
        nj_db_on_row *callback;
        void         *user;
        bool          wanted;
    } parts[] = {
        {"detections", show_detection, &page, true}, {"model_detections", show_model_detection, &page, true},
        {"behaviours", show_behaviour, NULL, true},  {"reasons", show_reason, NULL, true},
        {"reviews", show_review, NULL, true},        {"frames", show_frame, NULL, true},
        {"choices", show_choice, NULL, choices},     {"event_decisions", show_decision, NULL, true},
    };
    struct nj_db_query query  = {.view = "event_head", .event_id = id};
    nj_status          status = nj_db_select(db, &query, show_head, &page, error);
    for (size_t i = 0; status == NJ_OK && i < sizeof parts / sizeof parts[0]; i++) {
        query.view = parts[i].view;
        if (parts[i].wanted)
            status = nj_db_select(db, &query, parts[i].callback, parts[i].user, error);
    }
    /* what the scheduler did lately says why nothing is read at all */
    struct nj_db_query lately = {.view = "decisions", .newest_first = true, .limit = 3};
    if (status == NJ_OK && page.waits)
        status = nj_db_select(db, &lately, show_decision, NULL, error);
    return status;
}
