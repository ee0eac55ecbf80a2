/* report.h: one self-contained HTML page about a night or many: what was seen, when, pictures of what needs review, power, health.
 *
 * No script, no link to elsewhere, a content security policy that forbids both. Every text that came from a card, a camera or a person is escaped.
 * Pictures of events that may show people are left out unless asked for, and the page says how many. */
#ifndef NJ_CLI_REPORT_H
#define NJ_CLI_REPORT_H

#include "base/conf.h"
#include "base/json.h"
#include "base/text.h"
#include "db/db.h"

#define NJ_REPORT_PICTURES 32  /* cards with a picture, the most urgent; the page stays small and quick */
#define NJ_REPORT_ROWS     400 /* rows of the longest lists; what is left out is counted */

struct nj_report_options {
    const struct nj_conf *conf;
    const char           *from, *to; /* nights, both included */
    bool                  people;    /* show them, too */
    int64_t               now_ms;
    const json_t         *words; /* a savanna_sentinel_report_v1 by the model (report_narrative.h), or NULL */
};

/* Appends the page to *out. */
nj_status nj_report_write(struct nj_db *db, const struct nj_report_options *options, struct nj_text *out, struct nj_error *error);

/* Text for HTML: markup is escaped, control characters are shown as \xHH. */
void nj_text_add_html(struct nj_text *text, const char *string);

#endif
