/* chat_internal.h: what the files of the chat template share. */
#ifndef NJ_MODEL_CHAT_INTERNAL_H
#define NJ_MODEL_CHAT_INTERNAL_H

#include "pipeline/model/chat.h"

#define NJ_QUOTE "<|\"|>" /* the token that quotes strings in tool text */

/* Text as it grows, and where in it the template itself wrote special tokens. */
struct nj_chat_writer {
    struct nj_text text;
    struct nj_chat_span {
        size_t at, length;
    } * markers;
    size_t           marker_count, marker_capacity;
    struct nj_error *error;
};

void nj_chat_writer_free(struct nj_chat_writer *writer);

/* Appends a special token by its spelling; nj_text_add and its siblings on writer->text append everything else. */
void nj_chat_marker(struct nj_chat_writer *writer, const char *spelling);

/* A string, whatever bytes it holds. */
void nj_chat_add_string(struct nj_chat_writer *writer, const json_t *string);

/* Python's truth of a value: not missing, null, false, zero or empty. */
bool nj_chat_is_true(const json_t *value);

/* One tool as `declaration:...` (spec 7.4). */
nj_status nj_chat_declaration(struct nj_chat_writer *writer, const json_t *tool);

/* One value of a call or a response (spec 7.5): strings in quote tokens, keys bare or in quote tokens too. A missing
 * value is an empty list, which is what the template takes it for. */
void nj_chat_value(struct nj_chat_writer *writer, const json_t *value, bool quote_keys);

/* The members of a map, `key:value` with commas, keys sorted without regard to ASCII case. */
void nj_chat_members(struct nj_chat_writer *writer, const json_t *map, bool quote_keys);

/* A value as Python's str() prints it, ASCII letters in upper case if `upper`. A missing value prints nothing. */
void nj_chat_python(struct nj_chat_writer *writer, const json_t *value, bool upper);

/* The members of a map in the order of the template's dictsort. The caller frees the list; NULL when there is no memory. */
struct nj_chat_member {
    const char *key;
    size_t      key_length, index;
    json_t     *value;
};
struct nj_chat_member *nj_chat_sorted(const json_t *map, size_t *count);

#endif
