/* constrain_number.c - automata that read numbers digit by digit and know on which side of a bound they are.
 *
 * A bound is a decimal, I.F without leading zeros in I and trailing zeros in F. While the digits before the point are
 * read, the automaton remembers how they compare with the same number of digits of I; how many there are decides first.
 * After the point the comparison goes on with F. So an automaton for 17 <= x < 1000.5 has a few dozen states, and every
 * digit that could not lead to a number within the bounds is refused when it comes. */
#include <stdlib.h>
#include <string.h>

#include "text/constrain_internal.h"

enum { INT_DIGITS = 15, FRAC_DIGITS = 15, EXP_DIGITS = 2, INT64_DIGITS = 19 };

typedef struct decimal {
    char i[340], f[360];
    int n_i, n_f;
    bool negative, zero;
} decimal;

/* v as a plain decimal, from the digits that read back as the same number. */
static void to_decimal(decimal *d, const json_t *v) {
    *d = (decimal){0};
    glim_buf b = {0};
    if (json_is_integer(v)) glim_buf_printf(&b, "%lld", (long long)json_integer_value(v));
    else glim_json_put_real(&b, json_real_value(v));
    char digits[64];
    int n = 0, point = -1, e = 0;
    for (const char *s = glim_buf_cstr(&b); *s; s++) {
        if (*s == '-') d->negative = true;
        else if (*s == '.') point = n;
        else if (*s == 'e' || *s == 'E') {
            e = atoi(s + 1);
            break;
        } else if (n < (int)sizeof digits) digits[n++] = *s;
    }
    glim_buf_free(&b);
    if (point < 0) point = n;
    point += e;
    for (int k = point < 0 ? point : 0; k < n || k < point; k++) {
        char c = k >= 0 && k < n ? digits[k] : '0';
        if (k < point) {
            if ((d->n_i || c != '0') && d->n_i < (int)sizeof d->i) d->i[d->n_i++] = c;
        } else if (d->n_f < (int)sizeof d->f) d->f[d->n_f++] = c;
    }
    while (d->n_f && d->f[d->n_f - 1] == '0') d->n_f--;
    d->zero = d->n_i == 0 && d->n_f == 0;
    if (d->zero) d->negative = false;
    if (d->n_i == 0) d->i[d->n_i++] = '0';
}

static int cmp_magnitude(const decimal *a, const decimal *b) {
    if (a->n_i != b->n_i) return a->n_i < b->n_i ? -1 : 1;
    int c = memcmp(a->i, b->i, (size_t)a->n_i);
    if (c == 0) {
        int n = a->n_f < b->n_f ? a->n_f : b->n_f;
        c = memcmp(a->f, b->f, (size_t)n);
        if (c == 0) c = (a->n_f > b->n_f) - (a->n_f < b->n_f);
    }
    return (c > 0) - (c < 0);
}

int glim_number_cmp(const json_t *x, const json_t *y) {
    decimal a, b;
    to_decimal(&a, x);
    to_decimal(&b, y);
    if (a.negative != b.negative) return a.negative ? -1 : 1;
    return a.negative ? -cmp_magnitude(&a, &b) : cmp_magnitude(&a, &b);
}

/* A side of the magnitude: at least or at most, with or without the bound itself. */
typedef struct side {
    decimal d;
    bool set, exclusive, never;
} side;

typedef struct rules {
    side lo[2], hi[2]; /* [negative]: bounds of the magnitude */
    bool bounded, integer;
    int n_int, n_frac;
    uint32_t multiple;
} rules;

/* The state, packed: phase 4, negative 1, digits 6, cmp with lo 2, with hi 2 (0 less, 1 equal, 2 greater), nonzero 1,
 * remainder 16. */
enum { P_START, P_SIGN, P_ZERO, P_INT, P_POINT, P_FRAC, P_E, P_ESIGN, P_EXP };
typedef struct place {
    unsigned phase, negative, digits, lo, hi, nonzero, rest;
} place;

static uint64_t pack(const place *p) {
    return p->phase | p->negative << 4 | p->digits << 5 | p->lo << 11 | p->hi << 13 | p->nonzero << 15 |
           (uint64_t)p->rest << 16;
}
static place unpack(uint64_t s) {
    return (place){s & 15, s >> 4 & 1, s >> 5 & 63, s >> 11 & 3, s >> 13 & 3, s >> 15 & 1, (unsigned)(s >> 16)};
}

/* cmp goes on with digit c, the k-th before the point. */
static unsigned cmp_int(const side *b, unsigned cmp, unsigned k, char c) {
    if (!b->set || cmp != 1 || (int)k >= b->d.n_i) return cmp;
    return c < b->d.i[k] ? 0 : c > b->d.i[k] ? 2 : 1;
}
/* All n digits before the point are read. */
static unsigned cmp_point(const side *b, unsigned cmp, unsigned n) {
    if (!b->set || (int)n == b->d.n_i) return cmp;
    return (int)n < b->d.n_i ? 0 : 2;
}
static unsigned cmp_frac(const side *b, unsigned cmp, unsigned k, char c) {
    if (!b->set || cmp != 1) return cmp;
    char have = (int)k < b->d.n_f ? b->d.f[k] : '0';
    return c < have ? 0 : c > have ? 2 : 1;
}
static unsigned cmp_end(const side *b, unsigned cmp, unsigned n_frac) {
    return b->set && cmp == 1 && (int)n_frac < b->d.n_f ? 0 : cmp;
}

static uint64_t number_step(const void *ctx, uint64_t s, uint8_t byte) {
    const rules *r = ctx;
    place p = unpack(s);
    char c = (char)byte;
    bool digit = c >= '0' && c <= '9';
    const side *lo = &r->lo[p.negative], *hi = &r->hi[p.negative];
    switch (p.phase) {
    case P_START:
        if (c == '-') {
            p.phase = P_SIGN;
            p.negative = 1;
            return r->lo[1].never ? UINT64_MAX : pack(&p);
        }
        if (r->lo[0].never) return UINT64_MAX;
        /* fall through */
    case P_SIGN:
        if (!digit || (c == '0' && p.negative && r->integer)) return UINT64_MAX;
        p.phase = c == '0' ? P_ZERO : P_INT;
        p.nonzero = c != '0';
        p.lo = cmp_int(lo, 1, 0, c);
        p.hi = cmp_int(hi, 1, 0, c);
        p.digits = 1;
        p.rest = r->multiple ? (unsigned)(c - '0') % r->multiple : 0;
        return pack(&p);
    case P_INT:
        if (digit) {
            if ((int)p.digits == r->n_int) return UINT64_MAX;
            p.lo = cmp_int(lo, p.lo, p.digits, c);
            p.hi = cmp_int(hi, p.hi, p.digits, c);
            p.digits++;
            if (r->multiple) p.rest = (p.rest * 10 + (unsigned)(c - '0')) % r->multiple;
            return pack(&p);
        }
        /* fall through */
    case P_ZERO:
        if (r->integer) return UINT64_MAX;
        if (c == '.' && r->n_frac > 0) {
            p.lo = cmp_point(lo, p.lo, p.digits);
            p.hi = cmp_point(hi, p.hi, p.digits);
            p.digits = 0;
            p.phase = P_POINT;
            return pack(&p);
        }
        break;
    case P_POINT:
    case P_FRAC:
        if (digit) {
            if ((int)p.digits == r->n_frac) return UINT64_MAX;
            p.lo = cmp_frac(lo, p.lo, p.digits, c);
            p.hi = cmp_frac(hi, p.hi, p.digits, c);
            p.digits++;
            p.nonzero |= c != '0';
            p.phase = P_FRAC;
            return pack(&p);
        }
        if (p.phase == P_POINT) return UINT64_MAX;
        break;
    case P_E:
        if (c == '+' || c == '-') return pack(&(place){.phase = P_ESIGN});
        /* fall through */
    case P_ESIGN: return digit ? pack(&(place){.phase = P_EXP, .digits = 1}) : UINT64_MAX;
    case P_EXP:
        if (!digit || p.digits == EXP_DIGITS) return UINT64_MAX;
        return pack(&(place){.phase = P_EXP, .digits = p.digits + 1});
    default: return UINT64_MAX;
    }
    if ((c == 'e' || c == 'E') && !r->bounded) return pack(&(place){.phase = P_E});
    return UINT64_MAX;
}

static bool number_accepts(const void *ctx, uint64_t s) {
    const rules *r = ctx;
    place p = unpack(s);
    if (p.phase == P_EXP) return true;
    if (p.phase != P_ZERO && p.phase != P_INT && p.phase != P_FRAC) return false;
    if (r->multiple && p.rest) return false;
    if (p.negative && r->bounded && !p.nonzero) return false; /* -0 */
    const side *b[2] = {&r->lo[p.negative], &r->hi[p.negative]};
    unsigned cmp[2] = {p.lo, p.hi};
    for (int i = 0; i < 2; i++) {
        if (!b[i]->set) continue;
        unsigned c = p.phase == P_FRAC ? cmp_end(b[i], cmp[i], p.digits)
                                       : cmp_end(b[i], cmp_point(b[i], cmp[i], p.digits), 0);
        if (c == 1 && b[i]->exclusive) return false;
        if (i == 0 ? c == 0 : c == 2) return false;
    }
    return true;
}

/* The tighter of two bounds on a magnitude. */
static void tighten(side *s, const decimal *d, bool exclusive, bool lower) {
    int c = s->set ? cmp_magnitude(d, &s->d) * (lower ? 1 : -1) : 1;
    if (c < 0 || (c == 0 && s->exclusive)) return;
    s->d = *d;
    s->set = true;
    s->exclusive = exclusive;
}

/* x >= v or x <= v as bounds of the magnitudes on both sides of zero. */
static void add_bound(rules *r, const json_t *v, bool exclusive, bool lower) {
    decimal d;
    to_decimal(&d, v);
    if (lower && !d.negative) {
        tighten(&r->lo[0], &d, exclusive, true);
        r->lo[1].never = true; /* below zero; and -0 is not written */
    } else if (lower) tighten(&r->hi[1], &d, exclusive, false);
    else if (!d.negative) {
        tighten(&r->hi[0], &d, exclusive, false);
    } else {
        tighten(&r->lo[1], &d, exclusive, true);
        r->lo[0].never = true;
    }
    int frac = INT_DIGITS - d.n_i;
    if (frac < r->n_frac) r->n_frac = frac > 1 ? frac : 1;
    r->bounded = true;
}

glim_status glim_dfa_number(glim_dfa **out, const glim_number_rules *in, glim_con_budget *b, glim_err *err) {
    rules *r = glim_xcalloc(1, sizeof *r);
    r->integer = in->integer;
    r->multiple = in->multiple;
    r->n_int = in->integer ? INT64_DIGITS : INT_DIGITS;
    r->n_frac = FRAC_DIGITS;
    if (in->lo.set) add_bound(r, in->lo.value, in->lo.exclusive, true);
    if (in->lo2.set) add_bound(r, in->lo2.value, in->lo2.exclusive, true);
    if (in->hi.set) add_bound(r, in->hi.value, in->hi.exclusive, false);
    if (in->hi2.set) add_bound(r, in->hi2.value, in->hi2.exclusive, false);
    if (in->integer) {
        json_t *least = json_integer(INT64_MIN), *most = json_integer(INT64_MAX);
        if (least && most) {
            add_bound(r, least, false, true);
            add_bound(r, most, false, false);
        }
        json_decref(least);
        json_decref(most);
        r->n_frac = 0;
    }
    uint8_t cls[256] = {0};
    static const char known[] = "-.eE+0123456789";
    for (unsigned i = 0; known[i]; i++) cls[(uint8_t)known[i]] = (uint8_t)(i + 1);
    glim_dfa_machine m = {.start = 0, .step = number_step, .accepts = number_accepts, .ctx = r, .cls = cls,
                          .n_class = sizeof known};
    glim_status rc = glim_dfa_explore(out, &m, b, err);
    if (rc == GLIM_OK) {
        memset(&(*out)->exits, 0, sizeof (*out)->exits);
        for (const char *s = ",]} \n<"; *s; s++) glim_bytes_add(&(*out)->exits, (uint8_t)*s);
    }
    free(r);
    return rc;
}
