/* Decimal bounds with all their digits. */
#include "pipeline/constrain/dfa.h"

#include <string.h>

static void strip(struct nj_decimal *d)
{
    unsigned zeros = 0;
    while (zeros < d->whole && d->digits[zeros] == 0)
        zeros++;
    memmove(d->digits, d->digits + zeros, (size_t)(d->whole - zeros) + d->fraction);
    d->whole = (uint16_t)(d->whole - zeros);
    while (d->fraction && d->digits[d->whole + d->fraction - 1] == 0)
        d->fraction--;
    if (d->whole + d->fraction == 0)
        d->negative = false;
}

bool nj_decimal_parse(const char *text, struct nj_decimal *out)
{
    int count = 0, point = -1, exponent = 0;
    memset(out, 0, sizeof *out);
    out->given    = true;
    out->negative = *text == '-';
    text += out->negative;
    for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
        if (*text == '.')
            point = count;
        else if (count < 350)
            out->digits[count++] = (uint8_t)(*text - '0');
        else
            return false;
    }
    if (*text == 'e' || *text == 'E') {
        bool below = *++text == '-';
        text += *text == '-' || *text == '+';
        for (; *text >= '0' && *text <= '9' && exponent < 1000; text++)
            exponent = exponent * 10 + (*text - '0');
        exponent = below ? -exponent : exponent;
    }
    if (*text || count == 0 || exponent > 330 || exponent < -345)
        return false;
    int whole = (point < 0 ? count : point) + exponent;
    if (whole < 0) { /* zeros between the point and the first digit */
        memmove(out->digits - whole, out->digits, (size_t)count);
        memset(out->digits, 0, (size_t)-whole);
        count -= whole;
        whole = 0;
    }
    while (count < whole)
        out->digits[count++] = 0;
    out->whole    = (uint16_t)whole;
    out->fraction = (uint16_t)(count - whole);
    strip(out);
    return true;
}

static int compare_magnitude(const struct nj_decimal *a, const struct nj_decimal *b)
{
    if (a->whole != b->whole)
        return a->whole < b->whole ? -1 : 1;
    unsigned most = a->fraction > b->fraction ? a->fraction : b->fraction;
    for (unsigned i = 0; i < a->whole + most; i++) {
        unsigned x = i < (unsigned)a->whole + a->fraction ? a->digits[i] : 0;
        unsigned y = i < (unsigned)b->whole + b->fraction ? b->digits[i] : 0;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

int nj_decimal_compare(const struct nj_decimal *a, const struct nj_decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

static void grow_magnitude(struct nj_decimal *d)
{
    unsigned i = d->whole;
    while (i > 0 && d->digits[i - 1] == 9)
        d->digits[--i] = 0;
    if (i > 0) {
        d->digits[i - 1]++;
        return;
    }
    memmove(d->digits + 1, d->digits, d->whole);
    d->digits[0] = 1;
    d->whole++;
}

static void shrink_magnitude(struct nj_decimal *d)
{
    unsigned i = d->whole;
    while (d->digits[i - 1] == 0)
        d->digits[--i] = 9;
    d->digits[i - 1]--;
}

void nj_decimal_round(struct nj_decimal *d, bool up)
{
    bool whole   = d->fraction == 0;
    bool moves   = whole && d->exclusive;       /* an integer that is itself excluded */
    bool beyond  = !whole && d->negative != up; /* cutting the fraction went the wrong way */
    d->fraction  = 0;
    d->exclusive = false;
    if (moves || beyond) {
        if (d->negative != up)
            grow_magnitude(d);
        else if (d->whole == 0) { /* 0 downwards */
            grow_magnitude(d);
            d->negative = true;
        } else
            shrink_magnitude(d);
    }
    strip(d);
}
