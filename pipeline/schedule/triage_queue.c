#include "pipeline/schedule/triage_queue.h"
#include "pipeline/schedule/frame_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTION     16 /* bursts that become true together */
#define EVEN        0.5
#define BACKGROUNDS 8 /* cameras, by day and by night, in memory */

struct known {
    char                 key[192];
    struct nj_background background;
};

struct pass {
    struct nj_db     *db;
    struct nj_worker *worker;
    struct nj_view   *views; /* [NJ_TRIAGE_FRAMES] */
    struct known     *known; /* [BACKGROUNDS], the one used last in front */
};

static nj_status put_back(struct pass *pass, const struct known *known, struct nj_error *error)
{
    if (!known->key[0])
        return NJ_OK;
    return nj_db_state_put(pass->db, known->key, &known->background, sizeof known->background, error);
}

/* The background of this camera and light, from memory or from the store, now in front. */
static nj_status find_background(struct pass *pass, const struct nj_db_waiting *burst, bool infrared, struct nj_background **out,
                                 struct nj_error *error)
{
    struct known *front = malloc(sizeof *front);
    int           at    = 0;
    if (!front)
        return nj_fail(error, "no memory for the background of a camera");
    snprintf(front->key, sizeof front->key, "background %s %.140s", infrared ? "infrared" : "day",
             burst->camera && *burst->camera ? burst->camera : burst->card_name);
    while (at < BACKGROUNDS - 1 && strcmp(pass->known[at].key, front->key))
        at++;
    nj_status status = NJ_OK;
    if (!strcmp(pass->known[at].key, front->key))
        *front = pass->known[at];
    else {
        void  *value = NULL;
        size_t size  = 0;
        status       = put_back(pass, &pass->known[at], error);
        memset(&front->background, 0, sizeof front->background);
        if (nj_db_state_get(pass->db, front->key, &value, &size, NULL) == NJ_OK && size == sizeof front->background)
            memcpy(&front->background, value, size);
        free(value);
    }
    memmove(pass->known + 1, pass->known, (size_t)at * sizeof *pass->known);
    pass->known[0] = *front;
    free(front);
    *out = &pass->known[0].background;
    return status;
}

/* The frames of a burst as views. */
static nj_status see(struct pass *pass, const struct nj_db_waiting *burst, size_t *count, struct nj_error *error)
{
    *count = 0;
    for (size_t i = 0; i < burst->frame_count && i < NJ_TRIAGE_FRAMES; i++) {
        struct nj_picture picture = {0};
        size_t            size    = 0;
        NJ_TRY(nj_frame_file_load(pass->worker, burst, &burst->frame[i], &size, error));
        NJ_TRY(nj_worker_small(pass->worker, burst->frame[i].path, size, NJ_TRIAGE_DECODED, &picture, error));
        nj_view_make(&picture, &pass->views[(*count)++]);
        nj_picture_free(&picture);
    }
    return NJ_OK;
}

static nj_status score(struct pass *pass, const struct nj_db_waiting *burst, size_t *looked, struct nj_error *error)
{
    struct nj_error       why = {{0}};
    struct nj_triage      triage;
    struct nj_background *background = NULL;
    char                  words[sizeof why.text + 32];
    size_t                count;
    nj_status             status = see(pass, burst, &count, &why);
    if (status == NJ_NOT_FOUND)
        return NJ_OK;
    if (status == NJ_OK) {
        NJ_TRY(find_background(pass, burst, count && pass->views[0].infrared, &background, error));
        NJ_TRY(nj_triage_burst(pass->views, count, background, &triage, error));
        snprintf(words, sizeof words, "%s", triage.words);
    } else {
        triage.interest = EVEN;
        snprintf(words, sizeof words, "could not be looked at: %s", why.text);
    }
    ++*looked;
    return nj_db_burst_triage(pass->db, burst->event, triage.interest, words, error);
}

static nj_status score_all(struct pass *pass, const struct nj_db_waiting_list *list, const struct nj_triage_options *options,
                           size_t *looked, struct nj_error *error)
{
    nj_status status = nj_db_begin(pass->db, error);
    for (size_t i = 0; status == NJ_OK && i < list->count; i++) {
        if (list->item[i].interest >= 0)
            continue;
        if (options->alive)
            options->alive(options->alive_arg);
        if (options->stop && *options->stop)
            break;
        status = score(pass, &list->item[i], looked, error);
        if (status == NJ_OK && *looked % PORTION == PORTION - 1) {
            status = nj_db_commit(pass->db, error);
            if (status == NJ_OK)
                status = nj_db_begin(pass->db, error);
        }
    }
    for (int i = 0; status == NJ_OK && i < BACKGROUNDS; i++)
        status = put_back(pass, &pass->known[i], error);
    if (status != NJ_OK) {
        nj_db_rollback(pass->db);
        return status;
    }
    return nj_db_commit(pass->db, error);
}

nj_status nj_triage_waiting(struct nj_db *db, const struct nj_triage_options *options, size_t *looked, struct nj_error *error)
{
    struct nj_db_waiting_list list;
    struct pass               pass = {.db = db};
    *looked                        = 0;
    NJ_TRY(nj_db_waiting(db, 0, &list, error));
    bool any = false;
    for (size_t i = 0; i < list.count; i++)
        any = any || list.item[i].interest < 0;
    nj_status status = NJ_OK;
    if (!any)
        goto cleanup;
    pass.views = malloc(NJ_TRIAGE_FRAMES * sizeof *pass.views);
    pass.known = calloc(BACKGROUNDS, sizeof *pass.known);
    status     = pass.views && pass.known ? nj_worker_open(&(struct nj_worker_limits){.quiet = true}, &pass.worker, error)
                                          : nj_fail(error, "no memory to look at what waits");
    if (status == NJ_OK)
        status = score_all(&pass, &list, options, looked, error);
    if (status == NJ_OK && options->stop && *options->stop)
        status = nj_fail_as(NJ_STOPPED, error, "stopped by a signal; what waits is looked at in the next run");
cleanup:
    nj_worker_close(pass.worker);
    free(pass.views);
    free(pass.known);
    nj_db_waiting_free(&list);
    return status;
}
