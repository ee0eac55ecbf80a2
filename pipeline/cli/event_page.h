/* event_page.h: all that is known of one event, in words on stdout: what is in it, why it waits or failed, who decided what, its pictures. */
#ifndef NJ_CLI_EVENT_PAGE_H
#define NJ_CLI_EVENT_PAGE_H

#include "db/db.h"

/* `id` is whole. choices: with the probability of every choice that the model made. */
nj_status nj_event_page(struct nj_db *db, const char *id, bool choices, struct nj_error *error);

#endif
