/* lora_pattern.h: the patterns of adapter_config.json, which are Python regular expressions or suffixes. */
#ifndef NJ_MODEL_LORA_PATTERN_H
#define NJ_MODEL_LORA_PATTERN_H

#include "base/json.h"

#include <stdbool.h>

/* Whether `name` matches the whole of a Python pattern. The usual part of the language is known: classes, groups (also `(?:`), alternatives, repeats,
 * \d \w \s \. and anchors. NJ_ERROR for what is not. */
nj_status nj_pattern_full(const char *pattern, const char *name, bool *matches, struct nj_error *error);

/* rank_pattern and alpha_pattern: the value of the first key that is the end of the name, as the pattern (.*\.)?(KEY); `otherwise` if none is. */
nj_status nj_pattern_value(const json_t *map, const char *name, double otherwise, double *out, struct nj_error *error);

/* target_modules and exclude_modules: a list of names or suffixes, or one pattern. */
nj_status nj_pattern_targets(const json_t *targets, const char *name, bool *matches, struct nj_error *error);

#endif
