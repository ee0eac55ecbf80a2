/* Ranges of numbers, each compared with plain arithmetic over all integers and hundredths around it. */
#include "pipeline/constrain/constraint.h"
#include "tests/tap.h"

static uint32_t state = 99;

static int32_t any(int32_t from, int32_t to)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return from + (int32_t)(state % (uint32_t)(to - from + 1));
}

struct range { /* in hundredths */
    int32_t low, high, multiple;
    bool    has_low, has_high, low_out, high_out, integer;
};

static void print_hundredths(char *out, size_t size, int32_t value, unsigned places)
{
    int32_t magnitude = abs(value);
    int     used      = snprintf(out, size, "%s%d", value < 0 ? "-" : "", (int)(magnitude / 100));
    if (places)
        snprintf(out + used, size - (size_t)used, ".%02d%s", (int)(magnitude % 100), places > 2 ? "0" : "");
    if (places == 1)
        out[strlen(out) - 1] = 0;
}

static bool inside(const struct range *r, int32_t value)
{
    if (r->integer && value % 100)
        return false;
    if (r->multiple && value / 100 % r->multiple)
        return false;
    return !(r->has_low && (value < r->low || (value == r->low && r->low_out))) &&
           !(r->has_high && (value > r->high || (value == r->high && r->high_out)));
}

static void write_schema(const struct range *r, char *out, size_t size)
{
    char   bound[32];
    size_t used = (size_t)snprintf(out, size, "{\"type\":\"%s\"", r->integer ? "integer" : "number");
    if (r->has_low) {
        print_hundredths(bound, sizeof bound, r->low, 2);
        used += (size_t)snprintf(out + used, size - used, ",\"%s\":%s", r->low_out ? "exclusiveMinimum" : "minimum", bound);
    }
    if (r->has_high) {
        print_hundredths(bound, sizeof bound, r->high, 2);
        used += (size_t)snprintf(out + used, size - used, ",\"%s\":%s", r->high_out ? "exclusiveMaximum" : "maximum", bound);
    }
    if (r->multiple)
        used += (size_t)snprintf(out + used, size - used, ",\"multipleOf\":%d", (int)r->multiple);
    snprintf(out + used, size - used, "}");
}

static bool writes(struct nj_constraint *c, const char *text)
{
    size_t taken = 0;
    nj_constraint_reset(c);
    return nj_constraint_advance_bytes(c, text, strlen(text), &taken, NULL) == NJ_OK && taken == strlen(text) && nj_constraint_may_stop(c);
}

/* All integers of the neighbourhood; for numbers also all hundredths, in up to three spellings. */
static unsigned compare(struct nj_constraint *c, const struct range *r, unsigned *compared)
{
    unsigned wrong = 0;
    char     text[32];
    for (int32_t value = -2600; value <= 2600; value++)
        for (unsigned places = 0; places <= 3; places++) {
            if ((places == 0 && value % 100) || (places == 1 && value % 10))
                continue;
            if (value == 0 && places)
                continue; /* 0.00 and -0.00: below */
            print_hundredths(text, sizeof text, value, places);
            bool want = inside(r, value) && (!r->integer || places == 0);
            wrong += writes(c, text) != want;
            ++*compared;
        }
    bool negative = !r->has_low || r->low < 0;
    wrong += writes(c, "0") != inside(r, 0);
    if (!r->has_low || (r->low % 100 == 0)) /* a fractional lower bound of an integer rounds first */
        wrong += writes(c, "-0") != (inside(r, 0) && negative);
    wrong += writes(c, "00") || writes(c, "+1") || writes(c, "1.") || writes(c, "-") || writes(c, "");
    return wrong;
}

static void check_range(const struct range *r, unsigned *empty)
{
    struct nj_error       error   = {{0}};
    struct nj_grammar    *grammar = NULL;
    struct nj_constraint *c       = NULL;
    char                  schema[256];
    unsigned              compared = 0, wrong = 0, some = 0;
    write_schema(r, schema, sizeof schema);
    for (int32_t value = -2600; value <= 2600; value++)
        some += inside(r, value);
    if (nj_grammar_compile_text("s", schema, strlen(schema), NULL, &grammar, &error) == NJ_OK &&
        nj_constraint_open(grammar, NULL, &c, &error) == NJ_OK)
        wrong = compare(c, r, &compared);
    else { /* between two neighbouring hundredths there are more numbers; an integer range may truly be empty */
        ++*empty;
        wrong = some > 0;
    }
    if (wrong)
        CHECK(false, "%s: %u of %u texts are judged wrongly %s", schema, wrong, compared, error.text);
    nj_constraint_close(c);
    nj_grammar_close(grammar);
}

int main(void)
{
    unsigned empty = 0;
    for (unsigned i = 0; i < 150; i++) {
        struct range r = {
            .integer = any(0, 1), .has_low = any(0, 3) > 0, .has_high = any(0, 3) > 0, .low_out = any(0, 1), .high_out = any(0, 1)};
        int32_t wide = any(0, 2) ? 2400 : 30;
        r.low        = any(-wide, wide);
        r.high       = any(0, 3) ? any(-wide, wide) : r.low + any(0, 2);
        if (any(0, 1)) {
            r.low -= r.low % 100;
            r.high -= r.high % 100;
        }
        r.multiple = r.integer && any(0, 3) == 0 ? any(2, 7) : 0;
        check_range(&r, &empty);
    }
    CHECK(tap_failed == 0 && empty < 60, "150 ranges, %u of them empty", empty);
    return tap_done();
}
