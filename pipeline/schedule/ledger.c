#include "pipeline/schedule/ledger.h"
#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEY "ledger"

const char *const        nj_stage_names[NJ_STAGES] = {"taking in", "first score", "opening the model", "pictures", "vision", "answer"};
static const char *const basis_names[]             = {"gauge", "charge", "settings"};

void nj_ledger_load(struct nj_ledger *ledger, struct nj_db *db)
{
    void   *value;
    size_t  size;
    json_t *saved = NULL;
    *ledger       = (struct nj_ledger){.by = NJ_WATTS_SETTINGS};
    if (nj_db_state_get(db, KEY, &value, &size, NULL) != NJ_OK)
        return;
    if (nj_json_parse(KEY, value, size, &saved, NULL) == NJ_OK) {
        const json_t *stages = json_object_get(saved, "stages"), *by = json_object_get(saved, "by");
        ledger->events = json_number_value(json_object_get(saved, "events"));
        for (int i = 0; i < NJ_STAGES; i++) {
            const json_t *stage = json_object_get(stages, nj_stage_names[i]);
            ledger->seconds[i]  = json_number_value(json_object_get(stage, "seconds"));
            ledger->wh[i]       = json_number_value(json_object_get(stage, "wh"));
        }
        for (int i = 0; i < 3; i++)
            if (json_is_string(by) && !strcmp(json_string_value(by), basis_names[i]))
                ledger->by = (enum nj_watts_basis)i;
    }
    json_decref(saved);
    free(value);
}

void nj_ledger_save(const struct nj_ledger *ledger, struct nj_db *db)
{
    struct nj_text json = {0};
    nj_text_addf(&json, "{\"events\":%.1f,\"by\":\"%s\",\"stages\":{", ledger->events, basis_names[ledger->by]);
    for (int i = 0; i < NJ_STAGES; i++)
        nj_text_addf(&json, "%s\"%s\":{\"seconds\":%.3f,\"wh\":%.6f}", i ? "," : "", nj_stage_names[i], ledger->seconds[i], ledger->wh[i]);
    nj_text_add(&json, "}}");
    if (!json.failed)
        nj_db_state_put(db, KEY, json.data, json.length, NULL);
    nj_text_free(&json);
}

void nj_ledger_add(struct nj_ledger *ledger, enum nj_stage stage, double seconds, double watts, enum nj_watts_basis by)
{
    if (!(seconds > 0) || !(watts >= 0))
        return;
    ledger->seconds[stage] += seconds;
    ledger->wh[stage] += seconds * watts / 3600;
    ledger->by = by;
}

void nj_ledger_events(struct nj_ledger *ledger, size_t count)
{
    ledger->events += (double)count;
    if (ledger->events < NJ_LEDGER_EVENTS)
        return;
    ledger->events /= 2;
    for (int i = 0; i < NJ_STAGES; i++) {
        ledger->seconds[i] /= 2;
        ledger->wh[i] /= 2;
    }
}
