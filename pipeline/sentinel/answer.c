/* answer.c: from the text of an answer to one JSON object, by our rules and by those of the published scorers. What the object says is read in answer_event.c
 * and authors.c. */
#include "pipeline/sentinel/answer.h"
#include "base/text.h"
#include "pipeline/sentinel/answer_event.h"
#include "pipeline/sentinel/authors.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *const nj_repair_names[NJ_REPAIRS] = {"thought removed",   "fence removed", "words around the object removed", "bracket mended",
                                                 "bare units quoted", "names mapped",  "blank and detections disagree"};

struct span {
    const char *at, *end;
};

static struct span trim(struct span s)
{
    while (s.at < s.end && isspace((unsigned char)*s.at))
        s.at++;
    while (s.end > s.at && isspace((unsigned char)s.end[-1]))
        s.end--;
    return s;
}

static const char *find(struct span s, const char *word)
{
    return s.end > s.at ? memmem(s.at, (size_t)(s.end - s.at), word, strlen(word)) : NULL;
}

static bool starts(struct span s, const char *word)
{
    return (size_t)(s.end - s.at) >= strlen(word) && !memcmp(s.at, word, strlen(word));
}

/* Parses the whole span; NULL when it is not JSON. */
static json_t *parse(struct span s)
{
    return json_loadb(s.at, (size_t)(s.end - s.at), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* A leading ``` line and a closing fence, each if it is there. */
static struct span without_fence(struct span s, bool *removed)
{
    s = trim(s);
    if (starts(s, "```")) {
        const char *line = memchr(s.at, '\n', (size_t)(s.end - s.at));
        s.at             = line ? line + 1 : s.end;
        *removed         = true;
        s                = trim(s);
        if (s.end - s.at >= 3 && !memcmp(s.end - 3, "```", 3))
            s.end -= 3;
    }
    return trim(s);
}

/* Thought channels (shortest match) and end tokens. An unclosed thought leaves nothing. Appends what stays to `out`. */
static void without_thoughts(struct span s, struct nj_text *out, bool *removed, bool *unclosed)
{
    static const char *const marks[] = {"<|channel>final", "<eos>", "<turn|>", "<|tool_response>", "<channel|>"};
    while (s.at < s.end) {
        const char *open = find(s, "<|channel>thought"), *next = open;
        size_t      skip = 0;
        for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
            const char *mark = find(s, marks[i]);
            if (mark && (!next || mark < next)) {
                next = mark;
                skip = strlen(marks[i]);
            }
        }
        nj_text_add_bytes(out, s.at, (size_t)((next ? next : s.end) - s.at));
        if (!next)
            return;
        *removed = true;
        if (next == open) {
            const char *close = find((struct span){open, s.end}, "<channel|>");
            *unclosed         = !close;
            s.at              = close ? close + strlen("<channel|>") : s.end;
        } else
            s.at = next + skip;
    }
}

/* From an opening bracket to behind its partner, strings respected, kinds matched; NULL when it does not balance. */
static const char *balanced(struct span s)
{
    char   stack[256];
    size_t depth = 0;
    bool   text  = false;
    for (const char *c = s.at; c < s.end; c++) {
        if (text) {
            if (*c == '\\')
                c++;
            else if (*c == '"')
                text = false;
        } else if (*c == '"')
            text = true;
        else if (*c == '{' || *c == '[') {
            if (depth == sizeof stack)
                return NULL;
            stack[depth++] = *c == '{' ? '}' : ']';
        } else if (*c == '}' || *c == ']') {
            if (depth == 0 || stack[--depth] != *c)
                return NULL;
            if (depth == 0)
                return c + 1;
        }
    }
    return NULL;
}

/* The authors' lenient test: the first bracket, anywhere, whose brackets balance. */
static struct span first_balanced(struct span s, bool objects_only)
{
    for (const char *c = s.at; c < s.end; c++) {
        if (*c != '{' && (objects_only || *c != '['))
            continue;
        const char *end = balanced((struct span){c, s.end});
        if (end)
            return (struct span){c, end};
    }
    return (struct span){s.end, s.end};
}

/* Closes what is open where a bracket of the wrong kind stands, once; drops one that closes nothing. Gives whether the text then balances. */
static bool mend_brackets(struct span s, struct nj_text *out)
{
    char   stack[256];
    size_t depth = 0;
    bool   text = false, mended = false;
    for (const char *c = s.at; c < s.end; c++) {
        if (text) {
            nj_text_add_bytes(out, c, 1);
            if (*c == '\\' && c + 1 < s.end)
                nj_text_add_bytes(out, ++c, 1);
            else if (*c == '"')
                text = false;
            continue;
        }
        if (*c == '"')
            text = true;
        else if (*c == '{' || *c == '[') {
            if (depth == sizeof stack)
                return false;
            stack[depth++] = *c == '{' ? '}' : ']';
        } else if (*c == '}' || *c == ']') {
            if (depth == 0)
                return false;
            if (stack[depth - 1] != *c) {
                if (mended)
                    return false;
                mended = true;
                /* `] ]` where `] }` belongs: the wrong one is taken for the right one; `]` where `} ]` belongs: the right one was forgotten. */
                nj_text_add_bytes(out, &stack[--depth], 1);
                struct span rest = trim((struct span){c + 1, s.end});
                if (depth && stack[depth - 1] == *c && !(rest.at < rest.end && *rest.at == stack[depth - 1])) {
                    nj_text_add_bytes(out, c, 1);
                    depth--;
                }
                if (depth == 0)
                    return true;
                continue;
            }
            depth--;
        }
        nj_text_add_bytes(out, c, 1);
        if (depth == 0 && (*c == '}' || *c == ']'))
            return mended;
    }
    return false;
}

/* Puts `12.5 mm` and `0.0%` in quotes where a value stands. */
static bool quote_units(struct span s, struct nj_text *out)
{
    bool text = false, quoted = false;
    char before = 0;
    for (const char *c = s.at; c < s.end; c++) {
        if (!text && (before == ':' || before == '[' || before == ',') && (isdigit((unsigned char)*c) || *c == '-')) {
            const char *end = c;
            while (end < s.end && *end != ',' && *end != '}' && *end != ']' && *end != '\n')
                end++;
            struct span value = trim((struct span){c, end});
            char       *stop;
            char        copy[64];
            size_t      length = (size_t)(value.end - value.at);
            if (length < sizeof copy) {
                memcpy(copy, value.at, length);
                copy[length] = 0;
                (void)strtod(copy, &stop);
                if (*stop && stop != copy && !memchr(copy, '"', length)) {
                    nj_text_addf(out, "\"%s\"", copy);
                    c      = value.end - 1;
                    before = '"';
                    quoted = true;
                    continue;
                }
            }
        }
        nj_text_add_bytes(out, c, 1);
        if (text && *c == '\\' && c + 1 < s.end)
            nj_text_add_bytes(out, ++c, 1);
        else if (*c == '"')
            text = !text;
        if (!isspace((unsigned char)*c))
            before = *c;
    }
    return quoted;
}

/* The object in the text, by ever stronger repairs. */
static json_t *dig_out(struct span s, uint32_t *repairs)
{
    json_t *found = parse(s);
    if (found)
        return found;
    const char *open = memchr(s.at, '{', (size_t)(s.end - s.at));
    if (!open)
        return NULL;
    const char *end = balanced((struct span){open, s.end});
    if (end && (found = parse((struct span){open, end}))) {
        *repairs |= 1u << NJ_REPAIR_SURROUNDINGS;
        return found;
    }
    struct nj_text brackets = {0}, units = {0};
    struct span    rest = {open, s.end};
    if (mend_brackets(rest, &brackets)) {
        *repairs |= 1u << NJ_REPAIR_BRACKET;
        rest  = (struct span){brackets.data, brackets.data + brackets.length};
        found = parse(rest);
    } else if (end)
        rest.end = end;
    if (!found && (brackets.data || end) && quote_units(rest, &units) &&
        (found = parse((struct span){units.data, units.data + units.length})))
        *repairs |= 1u << NJ_REPAIR_UNITS;
    nj_text_free(&brackets);
    nj_text_free(&units);
    return found;
}

void nj_answer_read(const char *text, size_t size, struct nj_answer_text *out)
{
    struct nj_text plain = {0};
    bool           fence = false, thought = false, unclosed = false;
    struct span    whole = {text, text + size};
    *out                 = (struct nj_answer_text){.outcome = NJ_ANSWER_BROKEN};

    struct span bare = without_fence(whole, &fence);
    json_t     *all  = parse(bare);
    out->strict      = all != NULL;
    json_decref(all);

    without_thoughts(whole, &plain, &thought, &unclosed);
    fence         = false;
    struct span s = without_fence((struct span){plain.data, plain.data ? plain.data + plain.length : NULL}, &fence);
    if (thought)
        out->repairs |= 1u << NJ_REPAIR_THOUGHT;
    if (fence)
        out->repairs |= 1u << NJ_REPAIR_FENCE;
    if (s.at < s.end && !unclosed)
        out->document = dig_out(s, &out->repairs);
    if (out->document)
        out->outcome = nj_answer_event(out->document, &out->event, &out->repairs, &out->group) ? NJ_ANSWER_READ : NJ_ANSWER_OTHER;
    else if (unclosed || (s.at < s.end && memchr(s.at, '{', (size_t)(s.end - s.at))))
        out->outcome = NJ_ANSWER_TRUNCATED;
    nj_text_free(&plain);
}

json_t *nj_authors_document(const char *scorer, const char *text, size_t size)
{
    bool        fence = false;
    struct span s     = without_fence((struct span){text, text + size}, &fence);
    if (scorer && !strcmp(scorer, "curation")) {
        const char *open = memchr(text, '{', size), *close = text + size;
        while (open && close > open && close[-1] != '}')
            close--;
        s = open && close > open ? (struct span){open, close} : (struct span){text, text};
    }
    json_t *found = parse(s);
    if (!found && !(scorer && !strcmp(scorer, "curation"))) {
        struct span piece = first_balanced(s, false);
        found             = piece.at < piece.end ? parse(piece) : NULL;
        if (json_is_array(found)) { /* a list counts only if it is all there is */
            json_decref(found);
            return NULL;
        }
    }
    if (json_is_object(found) || (json_is_array(found) && scorer && !strcmp(scorer, "scorer 1")))
        return found;
    json_decref(found);
    return NULL;
}

void nj_answer_free(struct nj_answer_text *answer)
{
    json_decref(answer->document);
    *answer = (struct nj_answer_text){0};
}
