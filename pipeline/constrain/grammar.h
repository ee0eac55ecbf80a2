/* grammar.h: a JSON Schema as a grammar over bytes: which bytes may come next in a document that is valid under it.
 *
 * Compiled once, in a few milliseconds; read-only for its users afterwards. A constraint (constraint.h) walks it.
 *
 * Understood: type (one or a list), enum, const, anyOf, oneOf whose alternatives provably exclude each other, allOf, $ref within the document with
 * recursion, $defs, properties, required, additionalProperties, minProperties and maxProperties where the other keywords already imply them, items,
 * prefixItems (and the older array form of items with additionalItems), minItems, maxItems, uniqueItems where the items have at most 64 possible
 * values, minLength, maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf of whole numbers, boolean schemas.
 * As in the standard a keyword concerns its own type only: {"minimum": 3} allows every string. Annotations (title, description, default,
 * examples, format, $comment, …, x-…) are read over; contentEncoding and contentMediaType
 * are where $schema names a draft that calls them so. Everything else is refused with its name and JSON pointer, never ignored; so are schemas
 * that are malformed, that no document satisfies, or that are too large. The older meaning of a $ref beside other keywords (draft-07 and before) is
 * refused, too.
 *
 * What documents look like (the canonical form; everything that is allowed is valid, nothing else is ever allowed):
 *   - declared properties in schema order, base before allOf; names that only `required` mentions behind them; then further keys, if the object is open.
 *     A key is never repeated, however it is spelled;
 *   - strings hold raw UTF-8 except controls, DEL, `"` and `\`; escapes \" \\ \b \f \n \r \t, and \u00XX for controls and DEL only;
 *     constants, enum values and declared keys have one spelling: raw where possible, the short escape where there is one;
 *   - integers without fraction or exponent; numbers with both, without exponent where they have bounds;
 *   - lengths count code points; a pattern searches the unescaped text (ECMA-262; pattern.h lists what is refused in patterns). */
#ifndef NJ_CONSTRAIN_GRAMMAR_H
#define NJ_CONSTRAIN_GRAMMAR_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>

enum nj_json_form {
    NJ_JSON_COMPACT, /* {"a":1,"b":[]}: the trained form */
    NJ_JSON_SPACED   /* up to 64 bytes of white space wherever JSON allows it inside the document */
};

struct nj_grammar_options {
    enum nj_json_form form;
    bool              any_order; /* keys of an object in any order: for reading what others wrote, not for generating */
};

struct nj_grammar;

/* `name` stands in sentences ("NAME: #/properties/a: ..."). options NULL: compact, schema order. The caller owns *out. */
nj_status nj_grammar_compile(const char *name, const json_t *schema, const struct nj_grammar_options *options, struct nj_grammar **out,
                             struct nj_error *error);
/* The same from text of at most 4 MiB. */
nj_status nj_grammar_compile_text(const char *name, const char *text, size_t size, const struct nj_grammar_options *options,
                                  struct nj_grammar **out, struct nj_error *error);
void      nj_grammar_close(struct nj_grammar *grammar);

/* The same through a cache folder, for schemas that stay the same from run to run: reads FOLDER/<hash of text and options>.grammar if it is whole and of this
 * version, else compiles and writes it, as one step. A folder that cannot be written is no failure. Schemas with the ids and times of one event in them
 * do not belong there: each would leave a file. */
nj_status nj_grammar_open(const char *folder, const char *name, const char *text, size_t size, const struct nj_grammar_options *options,
                          struct nj_grammar **out, struct nj_error *error);

/* Replaces the schema of one place by a constant, before compiling: fields that the caller knows are forced, not believed. `path` is a JSON pointer into
 * the documents ("/event/site_id"; "-" steps into the items of an array). Follows $ref by copying its target. Changes `schema` in place; takes no
 * reference to `value` from the caller. Fails if the schema declares no such place. */
nj_status nj_schema_force(json_t *schema, const char *path, json_t *value, struct nj_error *error);

#endif
