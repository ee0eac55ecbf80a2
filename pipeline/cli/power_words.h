/* power_words.h: what the station's energy goes into and how long it lasts, in sentences for `status` and the report. */
#ifndef NJ_CLI_POWER_WORDS_H
#define NJ_CLI_POWER_WORDS_H

#include "base/text.h"
#include "db/db.h"

/* Sentences with a full stop each; a member stays empty where nothing is known. Free with nj_power_words_free. */
struct nj_power_words {
    struct nj_text cost, stages, autonomy;
};
void nj_power_words(struct nj_db *db, struct nj_power_words *out);
void nj_power_words_free(struct nj_power_words *words);

#endif
