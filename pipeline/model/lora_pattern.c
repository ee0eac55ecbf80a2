#include "pipeline/model/lora_pattern.h"
#include "base/text.h"

#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PATTERN_LIMIT 4096
#define PATTERN_COUNT 4096  /* of one map */
#define UNROLLED      16384 /* bytes of a pattern times its counted repeats, which the library writes out before it compiles them */
#define OPEN_GROUPS   100

static const char *class_of(char letter, bool in_class)
{
    static const struct {
        char        letter;
        const char *outside, *inside;
    } classes[] = {{'d', "[0-9]", "0-9"},        {'w', "[0-9A-Za-z_]", "0-9A-Za-z_"},
                   {'s', "[ \t]", " "},          {'D', "[^0-9]", NULL},
                   {'W', "[^0-9A-Za-z_]", NULL}, {'S', "[^ \t]", NULL},
                   {'b', "\\b", NULL},           {'B', "\\B", NULL}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (classes[i].letter == letter)
            return in_class ? classes[i].inside : classes[i].outside;
    return NULL;
}

/* What compiling costs: groups nest, and {m,n} multiplies what stands before it. */
static nj_status check_cost(const char *pattern, struct nj_error *error)
{
    uint64_t copies = 1, open = 0, deepest = 0;
    for (const char *p = pattern; *p; p++) {
        unsigned low = 0, high = 0;
        open += *p == '(';
        deepest = open > deepest ? open : deepest;
        if (*p == '{' && sscanf(p, "{%5u,%5u", &low, &high) > 0)
            copies *= (low > high ? low : high) + 1;
        if (copies * strlen(pattern) > UNROLLED || deepest > OPEN_GROUPS)
            return nj_fail(error, "pattern %.100s: too many repeats or groups to be the name of a module", pattern);
        open -= *p == ')' && open > 0;
    }
    return NJ_OK;
}

/* Python's spelling in that of POSIX: `(?:` becomes `(`, lazy repeats greedy ones (only whole matches are asked for), \d and friends classes. */
static nj_status translate(const char *pattern, struct nj_text *out, struct nj_error *error)
{
    bool in_class = false;
    for (const char *p = pattern; *p; p++) {
        if (*p == '\\') {
            char next = *++p;
            if (class_of(next, in_class))
                nj_text_add(out, class_of(next, in_class));
            else if (next && strchr(".-+*?()[]{}|^$\\/_", next)) {
                if (!in_class)
                    nj_text_add(out, "\\");
                nj_text_add_bytes(out, &next, 1);
            } else
                return nj_fail(error, "pattern %.100s: \\%c is not supported", pattern, next ? next : ' ');
            continue;
        }
        if (!in_class && !strncmp(p, "(?:", 3)) {
            nj_text_add(out, "(");
            p += 2;
            continue;
        }
        if (!in_class && !strncmp(p, "(?", 2))
            return nj_fail(error, "pattern %.100s: (%.2s is not supported", pattern, p + 1);
        if (!in_class && p > pattern && *p == '?' && strchr("*+?", p[-1]) && (p - pattern < 2 || p[-2] != '\\'))
            continue;
        in_class = in_class ? *p != ']' : *p == '[';
        nj_text_add_bytes(out, p, 1);
    }
    return NJ_OK;
}

nj_status nj_pattern_full(const char *pattern, const char *name, bool *matches, struct nj_error *error)
{
    struct nj_text text = {0};
    regex_t        compiled;
    nj_status      status = NJ_OK;
    *matches              = false;
    if (strlen(pattern) > PATTERN_LIMIT)
        return nj_fail(error, "a pattern of %zu bytes; at most %d are read", strlen(pattern), PATTERN_LIMIT);
    NJ_TRY(check_cost(pattern, error));
    nj_text_add(&text, "^(");
    status = translate(pattern, &text, error);
    nj_text_add(&text, ")$");
    if (status == NJ_OK && text.failed)
        status = nj_fail(error, "no memory for a pattern");
    if (status == NJ_OK && regcomp(&compiled, text.data, REG_EXTENDED | REG_NOSUB) != 0)
        status = nj_fail(error, "pattern %.100s: not a regular expression that is supported", pattern);
    else if (status == NJ_OK) {
        *matches = regexec(&compiled, name, 0, NULL, 0) == 0;
        regfree(&compiled);
    }
    nj_text_free(&text);
    return status;
}

/* Keys are mostly the end of a name, where the only sign with a meaning is the dot: any one character. */
static bool is_plain(const char *key)
{
    return *key && !key[strspn(key, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.")];
}

static bool plain_match(const char *key, const char *name)
{
    size_t length = strlen(name), tail = strlen(key);
    if (length < tail || (length > tail && name[length - tail - 1] != '.'))
        return false;
    for (size_t i = 0; i < tail; i++)
        if (key[i] != '.' && key[i] != name[length - tail + i])
            return false;
    return true;
}

nj_status nj_pattern_value(const json_t *map, const char *name, double otherwise, double *out, struct nj_error *error)
{
    const char *key;
    json_t     *value;
    *out = otherwise;
    if (json_object_size(map) > PATTERN_COUNT)
        return nj_fail(error, "%zu patterns; at most %d are read", json_object_size(map), PATTERN_COUNT);
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        char pattern[PATTERN_LIMIT + 1];
        bool matches = plain_match(key, name);
        if ((size_t)snprintf(pattern, sizeof pattern, "(.*\\.)?(%s)", key) >= sizeof pattern || !json_is_number(value))
            return nj_fail(error, "pattern %.100s: too long, or its value is not a number", key);
        if (!is_plain(key))
            NJ_TRY(nj_pattern_full(pattern, name, &matches, error));
        if (matches) {
            *out = json_number_value(value);
            return NJ_OK;
        }
    }
    return NJ_OK;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    return length >= tail && !strcmp(name + length - tail, suffix) && (length == tail || name[length - tail - 1] == '.');
}

nj_status nj_pattern_targets(const json_t *targets, const char *name, bool *matches, struct nj_error *error)
{
    *matches = false;
    if (json_is_string(targets) && !strcmp(json_string_value(targets), "all-linear")) {
        *matches = strcmp(name, "lm_head") != 0;
        return NJ_OK;
    }
    if (json_is_string(targets))
        return nj_pattern_full(json_string_value(targets), name, matches, error);
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const char *suffix = json_string_value(json_array_get(targets, i));
        *matches |= suffix && ends_in(name, suffix);
    }
    return NJ_OK;
}
