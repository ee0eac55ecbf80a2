/* text.h: strings that grow, and the one way in which odd bytes are shown.
 *
 * An nj_text owns its bytes; zero-initialise it, free it with nj_text_free. Appending never fails half-way: when memory is gone, `failed`
 * is set, later appends do nothing, and the caller checks once at the end. */
#ifndef NJ_BASE_TEXT_H
#define NJ_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_text {
    char  *data; /* always ends in a zero byte when not NULL */
    size_t length, capacity;
    bool   failed;
};

void nj_text_free(struct nj_text *text);
void nj_text_clear(struct nj_text *text);
void nj_text_add(struct nj_text *text, const char *string);
void nj_text_add_bytes(struct nj_text *text, const void *bytes, size_t count);
void nj_text_addf(struct nj_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes as a JSON string with its quotes. Bytes that are not UTF-8 appear as \\xHH (the form of `files.path`, interfaces part 2). */
void nj_text_add_json(struct nj_text *text, const char *bytes, size_t count);

/* The same bytes as plain text: valid UTF-8 stays, any other byte becomes \xHH. */
void nj_text_add_escaped(struct nj_text *text, const char *bytes, size_t count);

/* Length of the UTF-8 sequence that starts at bytes[0] (1..4), 0 if it is not valid (overlong, surrogate, cut, above U+10FFFF).
 * The code point goes to *point unless it is NULL. */
size_t nj_utf8_length(const uint8_t *bytes, size_t count, uint32_t *point);

/* Writes `point` as UTF-8 and returns its length, 1..4. */
size_t nj_utf8_write(uint32_t point, uint8_t out[4]);

/* How many letters one has to change, add or take away to make one of the other, whatever their case: for "did you mean". */
size_t nj_text_distance(const char *a, const char *b);

/* Which of some names a mistyped word stands for: set `word`, try each name, read `best`: NULL if none is near. Borrowed strings. */
struct nj_guess {
    const char *word, *best;
    size_t      gap; /* of the best */
};
void nj_guess_try(struct nj_guess *guess, const char *name);

#endif
