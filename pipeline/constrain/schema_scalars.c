/* Limits of scalars to automata and literals. The same limits give the same automaton. */
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_LITERAL 65536u

struct nj_memo { /* an automaton that was built for these limits already */
    struct nj_memo *next;
    uint64_t        hash;
    char           *key;
    uint32_t        lexeme; /* NJ_NONE: nothing satisfies them */
};

nj_status nj_pool(struct nj_compiler *c, const char *text, size_t size, struct nj_literal *out)
{
    if (size > LONGEST_LITERAL)
        return nj_fail(c->error, "%s: a constant or name of more than %u bytes", c->name, LONGEST_LITERAL);
    if (!NJ_ROOM(c->g->bytes, size + 1))
        return nj_no_memory(c);
    *out = (struct nj_literal){c->g->bytes.count, (uint32_t)size};
    memcpy(c->g->bytes.data + out->text, text, size);
    c->g->bytes.count += (uint32_t)size;
    return NJ_OK;
}

/* --- lexemes --- */

uint64_t nj_text_hash(const char *text)
{
    uint64_t hash = NJ_KEY_HASH_START;
    while (*text)
        hash = nj_key_hash(hash, (uint8_t)*text++);
    return hash;
}

static struct nj_memo *recall(struct nj_compiler *c, const char *key)
{
    uint64_t hash = nj_text_hash(key);
    for (struct nj_memo *m = c->memos; m; m = m->next)
        if (m->hash == hash && !strcmp(m->key, key))
            return m;
    return NULL;
}

static nj_status memorise(struct nj_compiler *c, const char *key, uint32_t lexeme)
{
    size_t          size = strlen(key) + 1;
    struct nj_memo *m    = nj_compiler_memory(c, sizeof *m + size);
    if (!m)
        return nj_no_memory(c);
    *m = (struct nj_memo){.next = c->memos, .hash = nj_text_hash(key), .key = (char *)(m + 1), .lexeme = lexeme};
    memcpy(m->key, key, size);
    c->memos = m;
    return NJ_OK;
}

static nj_status add_lexeme(struct nj_compiler *c, uint32_t dfa, uint64_t min, uint64_t max, uint32_t *lexeme)
{
    if (!NJ_ROOM(c->g->lexemes, 1))
        return nj_no_memory(c);
    *lexeme                     = c->g->lexemes.count++;
    c->g->lexemes.data[*lexeme] = (struct nj_lexeme){.kind = NJ_LEX_DFA, .at = dfa, .min = (uint32_t)min, .max = (uint32_t)max};
    return NJ_OK;
}

/* What the patterns allow together, and the lengths that they and the other keywords leave. */
static nj_status all_patterns(struct nj_compiler *c, const struct nj_shape *s, struct nj_chars *out, struct nj_lengths *lengths)
{
    nj_status status = NJ_OK;
    *out             = (struct nj_chars){0};
    *lengths         = (struct nj_lengths){s->min_length, s->max_length};
    for (uint32_t i = 0; i < s->pattern_count && status == NJ_OK; i++) {
        struct nj_chars one = {0}, both = {0};
        struct nj_error why  = {{0}};
        uint32_t        work = 1500;
        status               = nj_chars_from_pattern(s->patterns[i], strlen(s->patterns[i]), c->g->any_order, &one, lengths, &work, &why);
        if (status == NJ_OK && i > 0)
            status = nj_chars_intersect(out, &one, &both, &why);
        else {
            both = one;
            one  = (struct nj_chars){0};
        }
        nj_chars_free(&one);
        nj_chars_free(out);
        *out = both;
        if (status != NJ_OK)
            status = nj_refuse(c, s->pattern_place[i], "%s", why.text);
        else
            status = nj_spend(c, work / 10 + both.states * UINT64_C(4));
    }
    return status;
}

/* An automaton for the patterns and as much of the lengths as cannot be counted beside it. */
static nj_status pattern_lexeme(struct nj_compiler *c, const struct nj_shape *s, uint32_t *lexeme)
{
    struct nj_chars   found = {0}, least = {0}, both = {0};
    struct nj_error   why     = {{0}};
    struct nj_lengths counted = {0};
    uint32_t          dfa     = 0;
    nj_status         status  = all_patterns(c, s, &found, &counted);
    if (status != NJ_OK)
        goto cleanup;
    if (counted.min > counted.max)
        status = NJ_NOT_FOUND;
    if (status == NJ_OK && !nj_chars_is_repetition(&found)) {
        const uint32_t min = (uint32_t)counted.min, max = (uint32_t)counted.max;
        if (min > 0)
            status = nj_chars_limit(&found, min, UINT32_MAX, &least, &why);
        if (status == NJ_OK && max != NJ_UNLIMITED && !nj_chars_open_ended(min ? &least : &found)) {
            status      = nj_chars_limit(&found, min, max, &both, &why);
            counted.max = NJ_UNLIMITED;
        }
        counted.min = 0;
    }
    const struct nj_chars *chars = both.states ? &both : least.states ? &least : &found;
    if (status == NJ_OK)
        status = nj_dfa_string(chars, c->g, &dfa, &why);
    if (status == NJ_OK && c->g->dfa_states.data[c->g->dfas.data[dfa].info + c->g->dfas.data[dfa].start].chars > counted.max)
        status = NJ_NOT_FOUND;
    *lexeme = NJ_NONE;
    if (status == NJ_NOT_FOUND)
        status = NJ_OK;
    else if (status != NJ_OK)
        status = nj_refuse(c, s->pattern_place[0], "%s", why.text);
    else {
        status = nj_spend(c, 100 + c->g->dfas.data[dfa].states * UINT64_C(10));
        if (status == NJ_OK)
            status = add_lexeme(c, dfa, counted.min, counted.max, lexeme);
    }
cleanup:
    nj_chars_free(&found);
    nj_chars_free(&least);
    nj_chars_free(&both);
    return status;
}

nj_status nj_string_lexeme(struct nj_compiler *c, const struct nj_shape *s, uint32_t *lexeme)
{
    struct nj_text key = {0};
    *lexeme            = NJ_NONE;
    if (s->min_length > s->max_length)
        return NJ_OK;
    nj_text_addf(&key, "s %llu %llu", (unsigned long long)s->min_length, (unsigned long long)s->max_length);
    for (uint32_t i = 0; i < s->pattern_count; i++)
        nj_text_addf(&key, "\n%s", s->patterns[i]);
    nj_status       status = key.failed ? nj_no_memory(c) : nj_spend(c, 100);
    struct nj_memo *memo   = key.failed ? NULL : recall(c, key.data);
    if (memo)
        *lexeme = memo->lexeme;
    else if (status == NJ_OK) {
        status = s->pattern_count ? pattern_lexeme(c, s, lexeme) : add_lexeme(c, NJ_FREE_STRING, s->min_length, s->max_length, lexeme);
        if (status == NJ_OK)
            status = memorise(c, key.data, *lexeme);
    }
    nj_text_free(&key);
    return status;
}

static void describe_bound(struct nj_text *key, const struct nj_decimal *bound)
{
    nj_text_add(key, !bound->given ? " -" : bound->exclusive ? " x" : " i");
    if (!bound->given)
        return;
    nj_text_add(key, bound->negative ? "-" : "+");
    for (unsigned i = 0; i < (unsigned)bound->whole + bound->fraction; i++)
        nj_text_addf(key, "%s%u", i == bound->whole ? "." : "", bound->digits[i]);
    nj_text_addf(key, "w%u", bound->whole);
}

nj_status nj_number_lexeme(struct nj_compiler *c, const struct nj_shape *s, uint32_t *lexeme)
{
    struct nj_text         key   = {0};
    struct nj_number_rules rules = s->number;
    struct nj_error        why   = {{0}};
    uint32_t               dfa   = 0;
    if (rules.integer && rules.low.given)
        nj_decimal_round(&rules.low, true);
    if (rules.integer && rules.high.given)
        nj_decimal_round(&rules.high, false);
    nj_text_addf(&key, "n %d %u", rules.integer, rules.multiple);
    describe_bound(&key, &rules.low);
    describe_bound(&key, &rules.high);
    nj_status       status = key.failed ? nj_no_memory(c) : nj_spend(c, 200);
    struct nj_memo *memo   = key.failed ? NULL : recall(c, key.data);
    *lexeme                = memo ? memo->lexeme : NJ_NONE;
    if (!memo && status == NJ_OK) {
        status = nj_spend(c, 2000 + rules.low.whole + rules.low.fraction + rules.high.whole + rules.high.fraction + rules.multiple * 10);
        if (status == NJ_OK)
            status = nj_dfa_number(&rules, c->g, &dfa, &why);
        if (status == NJ_OK)
            status = add_lexeme(c, dfa, 0, NJ_UNLIMITED, lexeme);
        else if (status == NJ_NOT_FOUND)
            status = NJ_OK;
        else if (why.text[0])
            status = nj_fail(c->error, "%s: the limits of a number: %s", c->name, why.text);
        if (status == NJ_OK)
            status = memorise(c, key.data, *lexeme);
    }
    nj_text_free(&key);
    return status;
}

/* --- literals --- */

nj_status nj_add_literal(struct nj_compiler *c, struct nj_form *form, const json_t *value)
{
    struct nj_text    text = {0};
    struct nj_literal literal;
    nj_spell_scalar(&text, value);
    nj_status status =
        text.failed || !NJ_ROOM(c->form_literals, 1) ? nj_no_memory(c) : nj_spend(c, (json_is_real(value) ? 16 : 1) + text.length / 4);
    if (status == NJ_OK)
        status = nj_pool(c, text.data, text.length, &literal);
    if (status == NJ_OK) {
        c->form_literals.data[c->form_literals.count++] = literal;
        form->literals.count++;
    }
    nj_text_free(&text);
    return status;
}

struct string_rules { /* of a shape; the automaton is that of its patterns, if it has any */
    struct nj_chars   patterns;
    struct nj_lengths lengths;
};

static nj_status string_fits(struct nj_compiler *c, const struct nj_shape *s, const struct string_rules *rules, const json_t *value,
                             bool *fits)
{
    const uint8_t         *text     = (const uint8_t *)json_string_value(value);
    size_t                 size     = json_string_length(value);
    uint64_t               count    = 0;
    const struct nj_chars *patterns = &rules->patterns;
    uint32_t               state    = patterns->start;
    for (size_t i = 0; i < size; count++) {
        uint32_t point = 0;
        i += nj_utf8_length(text + i, size - i, &point);
        if (s->pattern_count && state)
            state = patterns->next[state * patterns->classes + nj_chars_class(patterns, point)];
    }
    *fits = count >= rules->lengths.min && count <= rules->lengths.max && (!s->pattern_count || (state && patterns->accept[state]));
    return nj_spend(c, size / 8);
}

static bool number_fits(const struct nj_shape *s, const json_t *value)
{
    struct nj_decimal d;
    if (!nj_json_decimal(value, &d) || (d.fraction && s->number.integer))
        return false;
    int low  = s->number.low.given ? nj_decimal_compare(&d, &s->number.low) : 1;
    int high = s->number.high.given ? nj_decimal_compare(&d, &s->number.high) : -1;
    if (low < 0 || (low == 0 && s->number.low.exclusive) || high > 0 || (high == 0 && s->number.high.exclusive))
        return false;
    uint32_t remainder = 0;
    for (unsigned i = 0; i < d.whole && s->number.multiple; i++)
        remainder = (remainder * 10 + d.digits[i]) % s->number.multiple;
    return remainder == 0;
}

static nj_status scalar_fits(struct nj_compiler *c, const struct nj_shape *s, const struct string_rules *rules, const json_t *value,
                             bool *fits)
{
    *fits = false;
    if (json_is_null(value))
        *fits = s->types & NJ_TYPE_NULL;
    else if (json_is_boolean(value))
        *fits = s->types & NJ_TYPE_BOOLEAN;
    else if (json_is_number(value))
        *fits = (s->types & NJ_TYPE_NUMBER) && number_fits(s, value);
    else if (json_is_string(value) && (s->types & NJ_TYPE_STRING))
        return string_fits(c, s, rules, value, fits);
    return NJ_OK;
}

nj_status nj_lower_literals(struct nj_compiler *c, const struct nj_shape *s, struct nj_form *form)
{
    struct string_rules rules;
    nj_status           status = all_patterns(c, s, &rules.patterns, &rules.lengths);
    for (size_t i = 0; i < json_array_size(s->values) && status == NJ_OK; i++) {
        const json_t *value = json_array_get(s->values, i);
        bool          fits;
        status = scalar_fits(c, s, &rules, value, &fits);
        if (status == NJ_OK && fits)
            status = nj_add_literal(c, form, value);
    }
    nj_chars_free(&rules.patterns);
    return status;
}
