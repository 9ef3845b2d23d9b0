/* test_constrain_gen.h - schemas nobody has seen before: a seeded generator of many shapes, recursion included, and a
 * walker that writes random answers by mask. For tests/text/test_constrain*.c and bench/bench_constrain.c. */
#ifndef GLIM_TEST_CONSTRAIN_GEN_H
#define GLIM_TEST_CONSTRAIN_GEN_H

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/constrain.h"

typedef struct gen {
    uint64_t rng;
    int defs; /* names d0..d<defs-1> may be referred to */
    bool no_formats;
} gen;

static inline uint64_t gen_next(gen *g) {
    g->rng += 0x9e3779b97f4a7c15u;
    uint64_t x = g->rng;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}
static inline unsigned gen_below(gen *g, unsigned n) { return (unsigned)(gen_next(g) % n); }
static inline bool gen_chance(gen *g, unsigned percent) { return gen_below(g, 100) < percent; }

static const char *const gen_words[] = {"id", "name", "city", "unit_price", "日期", "tags", "é", "a\"b", "x/y", "back\\slash", "items",
                                        "createdAt", "is_ok", "地址", "n", "na", "nam", "names", "line\nbreak", "😀"};
static const char *const gen_patterns[] = {"^[a-z]{2,8}$", "^[A-Z][a-z]+( [A-Z][a-z]+)*$", "^\\d{3}-\\d{4}$", "^(red|green|blue)$",
                                           "^[^\"]{1,20}$", "foo", "^\\+?[0-9]{6,14}$", "^#[0-9a-fA-F]{6}$", "^.{3,12}$",
                                           "^[\\u4e00-\\u9fff]{2,4}$", "^(a|ab)(c|bcd)(d*)$", "^v[0-9]+\\.[0-9]+(\\.[0-9]+)?$", "end$",
                                           "^\\w+@\\w+\\.(com|org)$", "^$|^x+$", "^[a-c\\-\\]]{0,5}\\\\?$"};
static const char *const gen_formats[] = {"date", "time", "date-time", "email", "uuid", "ipv4", "ipv6", "hostname", "uri", "duration"};

static inline json_t *gen_schema(gen *g, int depth);

static inline json_t *gen_string(gen *g) {
    json_t *s = json_pack("{s:s}", "type", "string");
    unsigned k = gen_below(g, 8);
    if (k == 0) json_object_set_new(s, "pattern", json_string(gen_patterns[gen_below(g, GLIM_COUNT(gen_patterns))]));
    else if (k == 1 && !g->no_formats) json_object_set_new(s, "format", json_string(gen_formats[gen_below(g, GLIM_COUNT(gen_formats))]));
    else if (k == 2) {
        unsigned lo = gen_below(g, 6);
        json_object_set_new(s, "minLength", json_integer(lo));
        if (gen_chance(g, 70)) json_object_set_new(s, "maxLength", json_integer(lo + gen_below(g, 60)));
    } else if (k == 3) json_object_set_new(s, "maxLength", json_integer(gen_below(g, 300)));
    else if (k == 4) {
        json_t *e = json_array();
        for (unsigned n = 1 + gen_below(g, 5); n; n--) json_array_append_new(e, json_string(gen_words[gen_below(g, GLIM_COUNT(gen_words))]));
        json_object_set_new(s, "enum", e);
    }
    return s;
}

static inline json_t *gen_number(gen *g) {
    bool integer = gen_chance(g, 60);
    json_t *s = json_pack("{s:s}", "type", integer ? "integer" : "number");
    static const int scale[] = {1, 10, 100, 1000, 100000, 100000000};
    double at = ((int)gen_below(g, 2001) - 1000) * (double)scale[gen_below(g, 6)] / 100.0;
    if (integer && gen_chance(g, 70)) at = (double)(int64_t)at;
    unsigned k = gen_below(g, 6);
    bool whole = at == (double)(int64_t)at;
    json_t *lo = whole ? json_integer((json_int_t)at) : json_real(at);
    double top = at + 2 + gen_below(g, 5000) / (integer ? 1.0 : 8.0);
    json_t *hi = top == (double)(int64_t)top ? json_integer((json_int_t)top) : json_real(top);
    if (k < 3) json_object_set(s, gen_chance(g, 70) ? "minimum" : "exclusiveMinimum", lo);
    if (k == 1 || k == 2 || k == 3) json_object_set(s, gen_chance(g, 70) ? "maximum" : "exclusiveMaximum", hi);
    if (integer && k == 4) json_object_set_new(s, "multipleOf", json_integer(1 + gen_below(g, 30)));
    json_decref(lo);
    json_decref(hi);
    return s;
}

static inline json_t *gen_enum(gen *g) {
    json_t *e = json_array();
    for (unsigned n = 1 + gen_below(g, 5); n; n--)
        switch (gen_below(g, 6)) {
        case 0: json_array_append_new(e, json_null()); break;
        case 1: json_array_append_new(e, json_boolean(gen_chance(g, 50))); break;
        case 2: json_array_append_new(e, json_integer((int)gen_below(g, 2000) - 1000)); break;
        case 3: json_array_append_new(e, json_real(gen_below(g, 1000) / 8.0)); break;
        case 4: json_array_append_new(e, json_pack("{s:[i,s]}", "k", 1, "v")); break;
        default: json_array_append_new(e, json_string(gen_words[gen_below(g, GLIM_COUNT(gen_words))]));
        }
    if (gen_chance(g, 30)) {
        json_t *s = json_object();
        json_object_set(s, "const", json_array_get(e, 0));
        json_decref(e);
        return s;
    }
    return json_pack("{s:o}", "enum", e);
}

static inline json_t *gen_array(gen *g, int depth) {
    json_t *s = json_pack("{s:s}", "type", "array");
    unsigned k = gen_below(g, 10), lo = gen_below(g, 4);
    if (k < 8) json_object_set_new(s, "items", gen_schema(g, depth - 1));
    if (k == 0 || k == 9) {
        json_t *p = json_array();
        for (unsigned n = 1 + gen_below(g, 3); n; n--) json_array_append_new(p, gen_schema(g, depth - 1));
        json_object_set_new(s, "prefixItems", p);
        if (k == 9) json_object_set_new(s, "items", json_false()), lo = 0;
    }
    if (gen_chance(g, 40)) json_object_set_new(s, "minItems", json_integer(lo));
    if (gen_chance(g, 40)) json_object_set_new(s, "maxItems", json_integer(lo + gen_below(g, 5)));
    return s;
}

static inline json_t *gen_object(gen *g, int depth) {
    json_t *s = json_pack("{s:s}", "type", "object"), *p = json_object(), *r = json_array();
    for (unsigned n = 1 + gen_below(g, 6); n; n--) {
        const char *name = gen_words[gen_below(g, GLIM_COUNT(gen_words))];
        if (json_object_get(p, name)) continue;
        json_object_set_new(p, name, gen_schema(g, depth - 1));
        if (gen_chance(g, 60)) json_array_append_new(r, json_string(name));
    }
    json_object_set_new(s, "properties", p);
    if (gen_chance(g, 85)) json_object_set(s, "required", r);
    json_decref(r);
    unsigned k = gen_below(g, 10);
    if (k < 6) json_object_set_new(s, "additionalProperties", json_false());
    else if (k == 6) json_object_set_new(s, "additionalProperties", json_true());
    else if (k == 7) json_object_set_new(s, "additionalProperties", gen_schema(g, 0));
    return s;
}

static inline json_t *gen_schema(gen *g, int depth) {
    if (depth <= 0) {
        switch (gen_below(g, 8)) {
        case 0: return json_pack("{s:s}", "type", "boolean");
        case 1: return json_pack("{s:s}", "type", "null");
        case 2: return gen_enum(g);
        case 3:
        case 4: return gen_number(g);
        default: return gen_string(g);
        }
    }
    switch (gen_below(g, 16)) {
    case 0:
    case 1: return gen_array(g, depth);
    case 2: {
        json_t *any = json_array();
        for (unsigned n = 2 + gen_below(g, 3); n; n--) json_array_append_new(any, gen_schema(g, depth - 1));
        return json_pack("{s:o}", "anyOf", any);
    }
    case 3: { /* a tagged union */
        json_t *one = json_array();
        static const char *const tags[] = {"circle", "square", "line"};
        for (unsigned i = 0; i < 2 + gen_below(g, 2); i++)
            json_array_append_new(one, json_pack("{s:s,s:{s:{s:s},s:o},s:[s,s],s:b}", "type", "object", "properties", "kind", "const",
                                                 tags[i], "body", gen_schema(g, depth - 1), "required", "kind", "body",
                                                 "additionalProperties", 0));
        return json_pack("{s:o}", "oneOf", one);
    }
    case 4: return json_pack("{s:[{s:o},{s:{s:{s:s}},s:[s]}],s:s}", "allOf", "properties",
                             json_pack("{s:o}", "left", gen_schema(g, depth - 1)), "properties", "right", "type", "integer", "required",
                             "right", "type", "object");
    case 5: return json_pack("{s:[s,s]}", "type", gen_chance(g, 50) ? "string" : "integer", "null");
    case 6: return json_pack("{s:s}", "type", "object");
    case 7: return json_object();
    case 8:
    case 9:
    case 10:
        if (g->defs) {
            char ref[32];
            snprintf(ref, sizeof ref, "#/$defs/d%u", gen_below(g, (unsigned)g->defs));
            return json_pack("{s:s}", "$ref", ref);
        }
        /* fall through */
    default: return gen_object(g, depth);
    }
}

/* A whole schema. Definitions refer to one another through optional properties and lists, so that they end. */
static inline json_t *gen_document(uint64_t seed, bool no_formats) {
    gen g = {.rng = seed * 7919 + 1, .no_formats = no_formats};
    json_t *defs = json_object();
    g.defs = (int)gen_below(&g, 4);
    for (int i = 0; i < g.defs; i++) {
        char name[16], next[32];
        snprintf(name, sizeof name, "d%d", i);
        snprintf(next, sizeof next, "#/$defs/d%u", gen_below(&g, (unsigned)g.defs));
        int have = g.defs;
        g.defs = 0;
        json_t *value = gen_schema(&g, 1), *link = json_pack("{s:s}", "$ref", next);
        g.defs = have;
        if (gen_chance(&g, 50)) link = json_pack("{s:s,s:o,s:i}", "type", "array", "items", link, "maxItems", 3);
        else if (gen_chance(&g, 50)) link = json_pack("{s:[o,{s:s}]}", "anyOf", link, "type", "null");
        json_object_set_new(defs, name, json_pack("{s:s,s:{s:o,s:o},s:[s],s:b}", "type", "object", "properties", "value", value, "next",
                                                  link, "required", "value", "additionalProperties", 0));
    }
    json_t *s = gen_schema(&g, 3);
    if (json_is_object(s) && g.defs) json_object_set(s, "$defs", defs);
    json_decref(defs);
    return s;
}

/* ---- walking ---- */

/* A token of the mask: mostly any, with a leaning to what ends things; after `patience` tokens only what ends things. */
static inline int32_t gen_choose(gen *g, const uint32_t *bits, size_t n_words, size_t n_allowed, size_t step, size_t patience,
                                 const int32_t *byte_token, const int32_t *stops, size_t n_stops) {
    static const char order[] = "\"}]nullrueasf0123456789,:{[ ";
    bool hurry = step > patience && !gen_chance(g, 15); /* some patterns end with a word: luck finds it */
    for (size_t i = 0; i < n_stops; i++)
        if (bits[stops[i] / 32] >> (stops[i] % 32) & 1 && (hurry || gen_chance(g, 40))) return stops[i];
    if (hurry || gen_chance(g, 12))
        for (const char *c = order; *c; c++) {
            int32_t id = byte_token[(uint8_t)*c];
            if (id >= 0 && bits[id / 32] >> (id % 32) & 1) return id;
        }
    uint64_t skip = gen_next(g) % n_allowed;
    for (size_t w = 0; w < n_words; w++) {
        unsigned n = (unsigned)__builtin_popcount(bits[w]);
        if (skip >= n) {
            skip -= n;
            continue;
        }
        for (unsigned b = 0; b < 32; b++)
            if (bits[w] >> b & 1 && skip-- == 0) return (int32_t)(w * 32 + b);
    }
    return -1;
}

static inline void gen_byte_tokens(int32_t out[256], const glim_tok *t) {
    for (int b = 0; b < 256; b++) out[b] = -1;
    for (size_t i = 0; i < glim_tok_n(t); i++) {
        size_t n;
        const char *s = glim_tok_piece(t, (int32_t)i, &n);
        if (s && n == 1 && !glim_tok_is_added(t, (int32_t)i)) out[(uint8_t)*s] = (int32_t)i;
    }
}

#endif
