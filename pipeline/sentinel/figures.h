/* figures.h: sentences whose figures cannot be invented: a digit may only stand in a figure that the station returned, a number, day, time or id exactly as it
 * was returned, between spaces.
 *
 * Everything else is Latin letters and plain punctuation, so no other script's digits, no percent sign, no 3-5 or 1/2 made of two figures, never two figures
 * behind each other. Number words ("seven") are words: they are not checked. */
#ifndef NJ_SENTINEL_FIGURES_H
#define NJ_SENTINEL_FIGURES_H

#include "base/json.h"

#define NJ_FIGURES 300 /* the first of them; others cannot be written */

/* Adds every number in `value`, and every word with a digit in its texts, to the keys of the object `figures`. */
void nj_figures_add(json_t *figures, const json_t *value);

/* A number as nj_figures_add spells it; whoever shows numbers to a model that may quote them spells them so. The caller frees it; NULL: no memory. */
char *nj_figures_spell(const json_t *value);

/* Patterns (ECMA-262) of one sentence, and of a text of several lines, which may be empty. The caller frees them; NULL: no memory. */
char *nj_figures_sentence(const json_t *figures);
char *nj_figures_text(const json_t *figures);

#endif
