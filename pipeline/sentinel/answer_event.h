/* answer_event.h: what an object of any dialect, or of none, says of an event (answer.h). */
#ifndef NJ_SENTINEL_ANSWER_EVENT_H
#define NJ_SENTINEL_ANSWER_EVENT_H

#include "pipeline/sentinel/answer.h"

/* false: nothing in it tells of an event. Repairs that were needed are added to *repairs; a coarse group in place of a label to *group. */
bool nj_answer_event(const json_t *document, struct nj_event *out, uint32_t *repairs, const char **group);

#endif
