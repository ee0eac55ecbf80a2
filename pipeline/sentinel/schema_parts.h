/* schema_parts.h: the few shapes of JSON Schema that the answers are made of. Each takes over the references that it is given and gives a new one; a NULL
 * anywhere makes the whole NULL, so that only the end result needs to be looked at. */
#ifndef NJ_SENTINEL_SCHEMA_PARTS_H
#define NJ_SENTINEL_SCHEMA_PARTS_H

#include "pipeline/sentinel/review.h"

json_t *nj_schema_constant(json_t *value);
json_t *nj_schema_boolean(void);
json_t *nj_schema_one_of(const char *const *words, size_t count);
json_t *nj_schema_object(const char *first, ...); /* exactly these keys, in this order: name, schema, name, schema, …, NULL */
json_t *nj_schema_array(json_t *items, int least, int most);
json_t *nj_schema_empty_array(void);
json_t *nj_schema_text(int most); /* 1 to `most` code points */
json_t *nj_schema_unique(json_t *schema);

/* All lists of trained reasons, in their order, that give this priority, hold all reasons of `with` and none of `without` (bits of enum nj_reason). */
json_t *nj_schema_reasons(enum nj_priority priority, uint32_t with, uint32_t without);

#endif
