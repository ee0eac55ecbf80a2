#include "pipeline/cli/power_words.h"
#include "base/json.h"
#include "pipeline/schedule/ledger.h"

#include <stdlib.h>
#include <string.h>

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void add_ledger(const struct nj_ledger *ledger, struct nj_power_words *out)
{
    static const char *const by[]    = {"by the gauge", "by the fall of the charge",
                                        "by the settings: no gauge measures what the board draws"};
    double                   seconds = 0, wh = 0;
    if (ledger->events < 1)
        return;
    for (int i = 0; i < NJ_STAGES; i++) {
        seconds += ledger->seconds[i];
        wh += ledger->wh[i];
        nj_text_addf(&out->stages, "%s%s %.2f s %.4f Wh", i ? ", " : "An event: ", nj_stage_names[i], ledger->seconds[i] / ledger->events,
                     ledger->wh[i] / ledger->events);
    }
    nj_text_add(&out->stages, ".");
    nj_text_addf(&out->cost, "%.1f s and %.3f Wh an event, all stages together (%s).", seconds / ledger->events, wh / ledger->events,
                 by[ledger->by]);
}

void nj_power_words(struct nj_db *db, struct nj_power_words *out)
{
    struct nj_ledger ledger;
    void            *value   = NULL;
    size_t           size    = 0;
    json_t          *outlook = NULL;
    *out                     = (struct nj_power_words){0};
    nj_ledger_load(&ledger, db);
    add_ledger(&ledger, out);
    if (nj_db_state_get(db, "outlook", &value, &size, NULL) != NJ_OK || nj_json_parse("outlook", value, size, &outlook, NULL) != NJ_OK) {
        free(value);
        return;
    }
    const char *by = json_string_value(json_object_get(outlook, "charge_by"));
    nj_text_addf(
        &out->autonomy,
        "%.0f days without any sun until the floor, if nothing is read (%.1f Wh stored, by %s; %.1f Wh a day at rest); the sun usually "
        "brings %.0f Wh a day.",
        number(outlook, "autonomy_days"), number(outlook, "stored_wh"),
        by && !strcmp(by, "gauge")     ? "its gauge"
        : by && !strcmp(by, "voltage") ? "its voltage"
                                       : "the clock",
        number(outlook, "resting_wh_a_day"), number(outlook, "sun_wh_a_day"));
    json_decref(outlook);
    free(value);
}

void nj_power_words_free(struct nj_power_words *words)
{
    nj_text_free(&words->cost);
    nj_text_free(&words->stages);
    nj_text_free(&words->autonomy);
}
