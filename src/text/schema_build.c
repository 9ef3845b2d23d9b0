/* schema_build.c - the alternatives of a schema as nodes of the pushdown automaton.
 *
 * Nodes are made from the end to the beginning, because each names what follows it. The value of every schema that is
 * met is one rule, found again by the schema's identity: that is what makes recursion finite. A rule exists (as an empty
 * split) before its body does, so that the body can call it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "text/said_internal.h"
#include "text/schema.h"

typedef struct rule {
    const json_t *schema;
    bool optional; /* where a request is copied from: "" and 0 are no values of what may be left out */
    uint32_t entry;
} rule;

typedef struct builder {
    glim_grammar *g;
    glim_schema s;
    rule *rule; /* open addressing by address */
    size_t n_rules, n_slots;
    json_t **held; /* merged schemas: a rule's key must not be another's address later */
    size_t n_held, cap_held;
    json_t *any; /* true */
    bool xml;    /* JSON inside an argument of an XML-like call: it may not spell the tag that ends it */
    bool optional; /* the value is a property's that may be left out */
    bool nomem;
} builder;

static uint32_t value_rule(builder *b, json_t *schema);

static bool ok(const builder *b) { return b->s.rc == GLIM_OK && !b->g->failed && !b->g->full && !b->nomem; }

/* Takes an error of the automata along, with the place. */
static bool took(builder *b, glim_status rc) {
    if (rc == GLIM_OK) return true;
    if (b->s.rc == GLIM_OK) {
        b->s.rc = rc;
        glim_err_context(b->s.err, "%s at \"%.300s\"", b->s.what, glim_buf_cstr(&b->s.path));
    }
    return false;
}

static uint32_t own_dfa(builder *b, glim_dfa *d, uint32_t next) {
    return glim_node_dfa(b->g, glim_grammar_own(b->g, d), next);
}

static uint32_t common(builder *b, glim_common which, uint32_t next) {
    return glim_node_dfa(b->g, glim_vocab_common(b->g->vocab, which, NULL), next);
}

static uint32_t either(builder *b, uint32_t x, uint32_t y) { return glim_node_split(b->g, x, y); }

/* ---- enum and const ---- */

static void spell(glim_buf *out, const json_t *v) {
    const char *name;
    json_t *w;
    size_t i;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        glim_buf_putc(out, '{');
        json_object_foreach((json_t *)v, name, w) {
            if (out->s[out->len - 1] != '{') glim_buf_putc(out, ',');
            glim_spell_json(out, name, strlen(name));
            glim_buf_putc(out, ':');
            spell(out, w);
        }
        glim_buf_putc(out, '}');
        return;
    case JSON_ARRAY:
        glim_buf_putc(out, '[');
        for (i = 0; i < json_array_size(v); i++) {
            if (i) glim_buf_putc(out, ',');
            spell(out, json_array_get(v, i));
        }
        glim_buf_putc(out, ']');
        return;
    case JSON_STRING: glim_spell_json(out, json_string_value(v), json_string_length(v)); return;
    case JSON_INTEGER: glim_buf_printf(out, "%lld", (long long)json_integer_value(v)); return;
    case JSON_REAL: glim_json_put_real(out, json_real_value(v)); return;
    default: glim_buf_puts(out, json_is_null(v) ? "null" : json_is_true(v) ? "true" : "false");
    }
}

static glim_status string_rules(builder *b, glim_dfa **d, const glim_flat *f, glim_spelling sp, glim_err *err) {
    const char *text[GLIM_FLAT_PATTERNS], *formats[GLIM_FLAT_FORMATS];
    size_t len[GLIM_FLAT_PATTERNS];
    glim_string_rules r = {text, len, f->n_patterns, formats, f->n_formats, f->min_len, f->max_len};
    for (size_t i = 0; i < f->n_patterns; i++) {
        text[i] = json_string_value(f->pattern[i]);
        len[i] = json_string_length(f->pattern[i]);
    }
    for (size_t i = 0; i < f->n_formats; i++) formats[i] = json_string_value(f->format[i]);
    return glim_dfa_string(d, &r, sp, &b->g->budget, err);
}

static glim_dfa *string_dfa(builder *b, const glim_flat *f, glim_spelling sp) {
    glim_dfa *d = NULL;
    return took(b, string_rules(b, &d, f, sp, b->s.err)) ? d : NULL;
}

/* The words of f->values, spelled; raw: strings as they are, and only strings. An automaton of them, or NULL. */
static glim_dfa *values_dfa(builder *b, const glim_flat *f, bool raw) {
    size_t n = json_array_size(f->values), n_words = 0;
    const char **words = NULL;
    size_t *lens = NULL, *at = NULL;
    glim_buf text = {0};
    glim_dfa *d = NULL, *pattern = NULL;
    if (f->n_patterns || f->n_formats) pattern = string_dfa(b, f, raw ? GLIM_SPELL_RAW : GLIM_SPELL_JSON);
    words = calloc(n + 1, sizeof *words);
    lens = calloc(n + 1, sizeof *lens);
    at = calloc(n + 1, sizeof *at);
    if (!words || !lens || !at) b->nomem = true;
    for (size_t i = 0; ok(b) && i < n; i++) {
        const json_t *v = json_array_get(f->values, i);
        if (!glim_flat_takes(f, v) || (raw && !json_is_string(v))) continue;
        if ((json_is_object(v) || json_is_array(v)) && (f->hints & (GLIM_T_OBJECT | GLIM_T_ARRAY)) && !b->s.lenient) {
            glim_schema_fail(&b->s, GLIM_E_UNSUPPORTED, "\"enum\" of objects or arrays together with keywords about them is not supported");
            break;
        }
        at[n_words] = text.len;
        if (raw) glim_buf_append(&text, json_string_value(v), json_string_length(v));
        else spell(&text, v);
        lens[n_words] = text.len - at[n_words];
        bool fits = true;
        if (json_is_string(v) && pattern) fits = glim_dfa_matches(pattern, glim_buf_cstr(&text) + at[n_words], lens[n_words]);
        if (raw) {
            const glim_dfa *plain = glim_vocab_common(b->g->vocab, GLIM_COMMON_RAW, NULL);
            fits = fits && plain && glim_dfa_matches(plain, glim_buf_cstr(&text) + at[n_words], lens[n_words]);
        }
        if (fits) n_words++;
        else if (at[n_words] < text.len) text.s[text.len = at[n_words]] = 0;
    }
    b->nomem |= text.failed;
    for (size_t i = 0; i < n_words; i++) words[i] = glim_buf_cstr(&text) + at[i];
    if (ok(b) && n_words) took(b, glim_dfa_words(&d, words, lens, n_words, &b->g->budget, b->s.err));
    free(words);
    free(lens);
    free(at);
    glim_buf_free(&text);
    glim_dfa_free(pattern);
    return d;
}

/* What a value may not leave, so that it does not spell the tag that ends it: of an argument that is no JSON, of JSON in one; NULL: it may spell all. */
static const glim_dfa *fence_of(builder *b, bool raw) {
    if (!raw && !b->xml) return NULL;
    const glim_dfa *d = glim_vocab_common(b->g->vocab, raw ? GLIM_COMMON_RAW : GLIM_COMMON_NO_END, b->s.err);
    b->nomem |= !d;
    return d;
}

/* d, which is used up, within its fence. */
static glim_dfa *fenced(builder *b, glim_dfa *d, bool raw) {
    glim_dfa *out = NULL;
    const glim_dfa *fence = d ? fence_of(b, raw) : NULL;
    if (!fence && ok(b)) return d;
    if (fence) took(b, glim_dfa_product(&out, d, fence, false, &b->g->budget, b->s.err));
    glim_dfa_free(d);
    return out;
}

/* ---- scalars ---- */

/* The numbers that the request says and f takes; GLIM_NO_NODE: none. */
static uint32_t said_number_alt(builder *b, const glim_flat *f, uint32_t next) {
    glim_flat one = *f;
    one.values = glim_said_numbers(b->g->said, !b->optional);
    one.n_patterns = one.n_formats = 0;
    glim_dfa *d = one.values ? values_dfa(b, &one, false) : NULL;
    b->nomem |= one.values == NULL;
    json_decref(one.values);
    return d ? own_dfa(b, d, next) : GLIM_NO_NODE;
}

static uint32_t number_alt(builder *b, const glim_flat *f, uint32_t next) {
    if (b->g->said) {
        const uint32_t said = said_number_alt(b, f, next);
        if (said != GLIM_NO_NODE || b->optional || !ok(b)) return said; /* what may be left out is, where nothing is said */
    }
    bool integer = !(glim_flat_types(f) & GLIM_T_FRACTION);
    if (!f->lo && !f->hi && !f->lo_open && !f->hi_open && !f->multiple)
        return common(b, integer ? GLIM_COMMON_INTEGER : GLIM_COMMON_NUMBER, next);
    glim_number_rules r = {.integer = integer || f->multiple, .lo = {f->lo != NULL, false, f->lo}, .hi = {f->hi != NULL, false, f->hi},
                           .lo2 = {f->lo_open != NULL, true, f->lo_open}, .hi2 = {f->hi_open != NULL, true, f->hi_open},
                           .multiple = f->multiple};
    glim_dfa *d;
    if (!took(b, glim_dfa_number(&d, &r, &b->g->budget, b->s.err))) return GLIM_NO_NODE;
    return own_dfa(b, d, next);
}

static glim_status said_base(builder *b, bool raw, glim_dfa **d, glim_err *err) {
    glim_con_budget own = {GLIM_CON_WORK, GLIM_CON_MAX_NODES, GLIM_CON_DFA_BYTES}; /* what is spent in vain is not missing elsewhere */
    const glim_dfa *fence = fence_of(b, raw);
    glim_dfa *all = NULL;
    if (!ok(b)) return GLIM_OK;
    glim_status rc = glim_said_dfa(fence ? &all : d, b->g->said, raw ? GLIM_SPELL_RAW : GLIM_SPELL_JSON, &own, err);
    if (rc == GLIM_OK && fence) rc = glim_dfa_product(d, all, fence, false, &own, err);
    glim_dfa_free(all);
    return rc;
}

static const glim_dfa *said_runs(builder *b, bool raw, uint32_t min, uint32_t max, bool *too_many);

static glim_status said_within(builder *b, bool raw, uint32_t min, uint32_t max, glim_dfa **d, bool *too_many, glim_err *err) {
    const glim_dfa *all = said_runs(b, raw, 0, GLIM_NO_MAX, too_many);
    const glim_con_budget before = b->g->budget;
    glim_dfa *bounds = NULL;
    if (!all || min > b->g->said->n) return GLIM_OK;
    glim_status rc = string_rules(b, &bounds, &(glim_flat){.min_len = min, .max_len = max}, raw ? GLIM_SPELL_RAW : GLIM_SPELL_JSON, err);
    if (rc == GLIM_OK) rc = glim_dfa_product(d, all, bounds, false, &b->g->budget, err);
    glim_dfa_free(bounds);
    if (rc == GLIM_E_LIMIT) b->g->budget = before;
    return rc;
}

/* The runs of the request of min to max characters, made once and owned by the grammar; NULL: there are none, or *too_many for an automaton, as
 * in a long request that says the same again and again. */
static const glim_dfa *said_runs(builder *b, bool raw, uint32_t min, uint32_t max, bool *too_many) {
    glim_grammar *g = b->g;
    if (min <= 1) min = 0;
    if (max >= g->said->n) max = GLIM_NO_MAX; /* no run is as long */
    struct glim_said_runs r = {.min = min, .max = max, .form = (uint8_t)(raw ? 2 : b->xml)};
    for (size_t i = 0; i < g->n_runs; i++)
        if (g->runs[i].min == min && g->runs[i].max == max && g->runs[i].form == r.form) return *too_many = g->runs[i].too_many, g->runs[i].dfa;
    glim_err err = {0};
    glim_dfa *d = NULL;
    *too_many = false;
    glim_status rc = min || max != GLIM_NO_MAX ? said_within(b, raw, min, max, &d, too_many, &err) : said_base(b, raw, &d, &err);
    *too_many |= rc == GLIM_E_LIMIT;
    if (rc != GLIM_OK && rc != GLIM_E_LIMIT) {
        if (b->s.err) *b->s.err = err;
        took(b, rc);
    }
    if (rc == GLIM_OK && d && d->n) r.dfa = glim_grammar_own(g, d);
    else glim_dfa_free(d);
    r.too_many = *too_many;
    if (g->n_runs < GLIM_COUNT(g->runs)) g->runs[g->n_runs++] = r;
    return r.dfa;
}

/* What the request says, within f's bounds; GLIM_NO_NODE: nothing that fits. *any: then a value is the schema's alone, because there must be one,
 * or too much is said for an automaton. What may be left out is, where nothing fits. */
static uint32_t said_alt(builder *b, const glim_flat *f, bool raw, uint32_t next, bool *any) {
    const glim_dfa *runs = said_runs(b, raw, f->min_len, f->max_len, any);
    if (*any || !ok(b)) return GLIM_NO_NODE;
    uint32_t out = runs ? glim_node_dfa(b->g, runs, next) : GLIM_NO_NODE;
    if (!b->optional && f->min_len == 0) out = either(b, out, raw ? next : glim_node_lit(b->g, "\"\"", 2, next)); /* nothing was said of it */
    *any = out == GLIM_NO_NODE && !b->optional;
    return out;
}

/* raw: an argument that is no JSON. */
static uint32_t string_alt(builder *b, const glim_flat *f, bool raw, uint32_t next) {
    const bool plain = !f->n_patterns && !f->n_formats;
    if (f->min_len > f->max_len) return GLIM_NO_NODE;
    if (b->g->said && plain) {
        bool any;
        const uint32_t said = said_alt(b, f, raw, next, &any);
        if (!any || !ok(b)) return said;
    }
    if (plain && !raw) return glim_node_str(b->g, b->xml ? GLIM_STR_XML_VALUE : GLIM_STR_VALUE, f->min_len, f->max_len, next);
    if (plain && f->min_len == 0 && f->max_len == GLIM_NO_MAX) return common(b, GLIM_COMMON_RAW, next);
    glim_dfa *d = fenced(b, string_dfa(b, f, raw ? GLIM_SPELL_RAW : GLIM_SPELL_JSON), raw);
    return d ? own_dfa(b, d, next) : GLIM_NO_NODE;
}

/* ---- arrays ---- */

static uint32_t lit(builder *b, const char *s, uint32_t next) { return glim_node_lit(b->g, s, strlen(s), next); }

/* What follows i elements: the end, or a comma and the next of the prefix, or the loop over the rest. */
static uint32_t array_body(builder *b, const glim_flat *f) {
    glim_grammar *g = b->g;
    size_t k = json_array_size(f->prefix);
    bool rest = !json_is_false(f->items) && f->max_items > k;
    uint32_t end = glim_grammar_space(g, lit(b, "]", glim_node_simple(g, GLIM_NODE_RETURN)));
    uint32_t item = GLIM_NO_NODE, after;
    if (rest) {
        size_t mark = glim_schema_enter(&b->s, "items");
        item = value_rule(b, f->items ? f->items : b->any);
        glim_schema_leave(&b->s, mark);
    }
    if (!ok(b)) return GLIM_NO_NODE;
    uint32_t base = k ? (uint32_t)k : 1, loop = GLIM_NO_NODE;
    if (rest) {
        uint32_t more = glim_node_call(g, item, false, glim_node_simple(g, GLIM_NODE_RETURN));
        more = lit(b, ",", glim_grammar_space(g, more));
        loop = glim_node_count(g, base, f->min_items, f->max_items, more, end);
    }
    after = rest ? loop : k >= f->min_items ? end : GLIM_NO_NODE;
    for (size_t i = k; i-- > 0 && ok(b);) {
        if (i + 1 > f->max_items) {
            after = GLIM_NO_NODE;
            continue;
        }
        size_t mark = glim_schema_enter_index(&b->s, "prefixItems", i);
        uint32_t element = value_rule(b, json_array_get(f->prefix, i));
        glim_schema_leave(&b->s, mark);
        uint32_t stop = i + 1 == k ? after : either(b, after, i + 1 >= f->min_items ? end : GLIM_NO_NODE);
        /* stop: what follows this element. after, from here on: this element with what is before it. */
        uint32_t it = stop == GLIM_NO_NODE ? GLIM_NO_NODE : glim_node_call(g, element, false, stop);
        after = it == GLIM_NO_NODE ? it : i ? lit(b, ",", glim_grammar_space(g, it)) : it;
    }
    uint32_t first = k ? after : rest ? glim_node_call(g, item, false, loop) : GLIM_NO_NODE;
    uint32_t none = f->min_items == 0 ? end : GLIM_NO_NODE;
    /* After the bracket white space once, whichever way it goes on. */
    if (none != GLIM_NO_NODE) none = lit(b, "]", glim_node_simple(g, GLIM_NODE_RETURN));
    uint32_t inside = either(b, first, none);
    if (inside == GLIM_NO_NODE) return inside;
    return lit(b, "[", glim_grammar_space(g, inside));
}

/* ---- objects ---- */

static uint32_t key_literal(builder *b, const char *name, uint32_t value) {
    glim_buf t = {0};
    glim_spell_json(&t, name, strlen(name));
    glim_buf_putc(&t, ':');
    b->nomem |= t.failed;
    uint32_t n = glim_node_lit(b->g, glim_buf_cstr(&t), t.len, glim_grammar_space(b->g, value));
    glim_buf_free(&t);
    return n;
}

typedef struct prop {
    const char *name;
    json_t *schema;
    bool required;
} prop;

/* The properties in order: declared ones, then required names that are not declared. */
static prop *list_props(builder *b, const glim_flat *f, size_t *n) {
    prop *p = calloc(json_object_size(f->props) + json_object_size(f->required) + 1, sizeof *p);
    const char *name;
    json_t *v;
    *n = 0;
    if (!p) {
        b->nomem = true;
        return NULL;
    }
    json_object_foreach(f->props, name, v) p[(*n)++] = (prop){name, v, json_object_get(f->required, name) != NULL};
    json_object_foreach(f->required, name, v) if (!json_object_get(f->props, name))
        p[(*n)++] = (prop){name, f->additional ? f->additional : b->any, true};
    return p;
}

static const glim_keyset *declared(builder *b, const prop *p, size_t n) {
    if (!n) return NULL;
    glim_keyset *t = glim_grammar_keyset(b->g);
    glim_buf s = {0};
    for (size_t i = 0; i < n; i++) {
        glim_buf_clear(&s);
        glim_spell_json(&s, p[i].name, strlen(p[i].name));
        b->nomem |= s.failed;
        if (!s.failed) glim_keyset_add(b->g, t, s.s + 1, s.len - 2);
    }
    glim_buf_free(&s);
    return t;
}

typedef struct place {
    size_t mark;
    bool optional; /* of what the property is in */
} place;

/* Into a property of an object, and back. */
static place enter_property(builder *b, const prop *p) {
    const place above = {glim_schema_enter(&b->s, "properties"), b->optional};
    glim_schema_enter(&b->s, p->name);
    b->optional = b->g->said && !p->required;
    return above;
}

static void leave_property(builder *b, place above) {
    b->optional = above.optional;
    glim_schema_leave(&b->s, above.mark);
}

static uint32_t object_body(builder *b, const glim_flat *f) {
    glim_grammar *g = b->g;
    size_t n;
    prop *p = list_props(b, f, &n);
    if (!p) return GLIM_NO_NODE;
    uint32_t close = lit(b, "}", glim_node_simple(g, GLIM_NODE_RETURN)), end = glim_grammar_space(g, close);
    /* choose: the keys that may come next. then: what follows a value; both for the properties from i on. */
    uint32_t choose = GLIM_NO_NODE, then = end;
    bool may_end = true;
    if (glim_flat_open(f)) {
        size_t mark = glim_schema_enter(&b->s, "additionalProperties");
        uint32_t value = value_rule(b, f->additional ? f->additional : b->any);
        glim_schema_leave(&b->s, mark);
        then = glim_node_simple(g, GLIM_NODE_SPLIT); /* filled in below: it comes round to itself */
        if (!ok(b)) goto out;
        value = glim_node_call(g, value, false, then);
        choose = glim_node_key(g, b->xml ? GLIM_STR_XML_KEY : GLIM_STR_KEY, declared(b, p, n), lit(b, ":", glim_grammar_space(g, value)));
        uint32_t more = lit(b, ",", glim_grammar_space(g, choose));
        if (!ok(b)) goto out;
        g->node[then].next = more;
        g->node[then].b = end;
    }
    for (size_t i = n; i-- > 0 && ok(b);) {
        const place above = enter_property(b, &p[i]);
        const uint32_t value = value_rule(b, p[i].schema);
        leave_property(b, above);
        if (!ok(b)) break;
        uint32_t key = key_literal(b, p[i].name, glim_node_call(g, value, false, then));
        choose = p[i].required ? key : either(b, key, choose);
        may_end = may_end && !p[i].required;
        then = either(b, may_end ? end : GLIM_NO_NODE, lit(b, ",", glim_grammar_space(g, choose)));
    }
out:
    free(p);
    if (!ok(b)) return GLIM_NO_NODE;
    return lit(b, "{", glim_grammar_space(g, either(b, may_end ? close : GLIM_NO_NODE, choose)));
}

/* ---- values ---- */

/* One alternative, ending at next. */
static uint32_t flat_alt(builder *b, const glim_flat *f, uint32_t next) {
    unsigned t = glim_flat_types(f);
    uint32_t out = GLIM_NO_NODE;
    if (f->values) {
        glim_dfa *d = fenced(b, values_dfa(b, f, false), false);
        return d ? own_dfa(b, d, next) : GLIM_NO_NODE;
    }
    if ((t & GLIM_T_NULL) && (t & GLIM_T_BOOL)) out = common(b, GLIM_COMMON_WORDS, next);
    else if (t & GLIM_T_NULL) out = common(b, GLIM_COMMON_NULL, next);
    else if (t & GLIM_T_BOOL) out = common(b, GLIM_COMMON_BOOL, next);
    if (t & GLIM_T_NUMBER) out = either(b, out, number_alt(b, f, next));
    if (t & GLIM_T_STRING) out = either(b, out, string_alt(b, f, false, next));
    if ((t & GLIM_T_ARRAY) && f->min_items <= f->max_items) {
        uint32_t body = array_body(b, f);
        if (body != GLIM_NO_NODE) out = either(b, out, glim_node_call(b->g, body, true, next));
    }
    if (t & GLIM_T_OBJECT) {
        uint32_t body = object_body(b, f);
        if (body != GLIM_NO_NODE) out = either(b, out, glim_node_call(b->g, body, true, next));
    }
    return out;
}

static size_t slot_of(const builder *b, const json_t *schema, bool optional) {
    size_t at = (((uintptr_t)schema >> 4) + optional) * 0x9e3779b97f4a7c15u >> 20 & (b->n_slots - 1);
    while (b->rule[at].schema && (b->rule[at].schema != schema || b->rule[at].optional != optional)) at = (at + 1) & (b->n_slots - 1);
    return at;
}

/* Remembers a rule and holds its schema, whose address must stay its own. */
static bool remember(builder *b, json_t *schema, uint32_t entry) {
    if ((b->n_rules + 1) * 2 > b->n_slots) {
        size_t n = b->n_slots;
        rule *old = b->rule;
        rule *t = calloc(n * 2, sizeof *t);
        if (!t) return !(b->nomem = true);
        b->rule = t;
        b->n_slots = n * 2;
        for (size_t i = 0; i < n; i++)
            if (old[i].schema) t[slot_of(b, old[i].schema, old[i].optional)] = old[i];
        free(old);
    }
    void *p = b->held;
    if (!glim_con_grow(&p, &b->cap_held, b->n_held + 1, sizeof *b->held)) return !(b->nomem = true);
    b->held = p;
    b->held[b->n_held++] = json_incref(schema);
    b->rule[slot_of(b, schema, b->optional)] = (rule){schema, b->optional, entry};
    b->n_rules++;
    return true;
}

static uint32_t value_rule(builder *b, json_t *schema) {
    schema = glim_schema_follow(&b->s, schema);
    if (!schema || !ok(b)) return GLIM_NO_NODE;
    size_t at = slot_of(b, schema, b->optional);
    if (b->rule[at].schema) return b->rule[at].entry;
    if (b->s.depth >= GLIM_CON_NEST) {
        glim_schema_fail(&b->s, GLIM_E_LIMIT, "schemas nested deeper than %d", GLIM_CON_NEST);
        return GLIM_NO_NODE;
    }
    glim_grammar *g = b->g;
    uint32_t entry = glim_node_simple(g, GLIM_NODE_SPLIT), next = glim_node_simple(g, GLIM_NODE_RETURN), all = GLIM_NO_NODE;
    if (!ok(b) || !remember(b, schema, entry)) return GLIM_NO_NODE;
    glim_flats f = {0};
    int depth = b->s.depth;
    b->s.depth = 0;
    bool fine = glim_schema_flatten(&b->s, schema, &f);
    b->s.depth = depth + 1;
    for (size_t i = 0; fine && ok(b) && i < f.n; i++) all = either(b, all, flat_alt(b, &f.v[i], next));
    b->s.depth = depth;
    glim_flats_free(&f);
    if (!ok(b)) return GLIM_NO_NODE;
    if (all == GLIM_NO_NODE) all = entry; /* leads to itself: never */
    g->node[entry].next = g->node[entry].b = all;
    return entry;
}

static bool builder_begin(builder *b, glim_grammar *g, const json_t *schema, const char *what, bool lenient, glim_err *err) {
    *b = (builder){.g = g, .n_slots = 256, .any = json_true()};
    b->s = (glim_schema){.root = (json_t *)schema, .what = what, .lenient = lenient, .budget = &g->budget, .err = err};
    b->rule = calloc(b->n_slots, sizeof *b->rule);
    return b->rule != NULL;
}

static glim_status builder_end(builder *b, glim_err *err) {
    glim_status rc = b->s.rc;
    for (size_t i = 0; i < b->n_held; i++) json_decref(b->held[i]);
    free(b->held);
    free(b->rule);
    glim_schema_deinit(&b->s);
    if (rc != GLIM_OK) return rc;
    if (b->nomem || b->g->failed) return glim_con_nomem(err);
    if (b->g->full)
        return glim_fail(err, GLIM_E_LIMIT, "%s needs more than %d states, or more work than one schema may ask for", b->s.what,
                         GLIM_CON_MAX_NODES);
    return GLIM_OK;
}

glim_status glim_grammar_schema(glim_grammar *g, const json_t *schema, const char *what, bool lenient, uint32_t *body,
                                glim_err *err) {
    builder b;
    if (!builder_begin(&b, g, schema, what, lenient, err)) return glim_con_nomem(err);
    *body = value_rule(&b, (json_t *)schema);
    return builder_end(&b, err);
}

/* ---- arguments of XML-like calls ---- */

/* How reply_glm45.c will read the value: raw text if the property's own "type" says string, or string and null. */
static bool read_raw(const json_t *schema) {
    const json_t *t = json_object_get(schema, "type");
    if (json_is_string(t)) return strcmp(json_string_value(t), "string") == 0;
    bool string = false;
    for (size_t i = 0; i < json_array_size(t); i++) {
        const char *s = json_string_value(json_array_get(t, i));
        if (s && strcmp(s, "string") == 0) string = true;
        else if (!s || strcmp(s, "null") != 0) return false;
    }
    return string;
}

static uint32_t raw_value(builder *b, json_t *schema, uint32_t next) {
    glim_flats f = {0};
    uint32_t out = GLIM_NO_NODE;
    if (!glim_schema_flatten(&b->s, schema, &f)) return out;
    for (size_t i = 0; i < f.n && ok(b); i++) {
        const glim_flat *x = &f.v[i];
        if ((x->types & GLIM_T_STRING) && x->min_len <= x->max_len) {
            glim_dfa *d = x->values ? values_dfa(b, x, true) : NULL;
            if (d) out = either(b, out, own_dfa(b, d, next));
            else if (!x->values) out = either(b, out, string_alt(b, x, true, next));
        }
        bool null = x->typed && (x->types & GLIM_T_NULL) && (!x->values || glim_flat_takes(x, json_null()));
        for (size_t k = 0; null && x->values && k < json_array_size(x->values); k++)
            if (json_is_null(json_array_get(x->values, k))) break;
            else if (k + 1 == json_array_size(x->values)) null = false;
        if (null) out = either(b, out, common(b, GLIM_COMMON_NULL, next));
    }
    glim_flats_free(&f);
    return out;
}

static uint32_t gap(builder *b, const glim_xml_form *form, uint32_t next) { return *form->gap ? lit(b, form->gap, next) : next; }

/* key: from its own text on. */
static uint32_t xml_pair(builder *b, const glim_xml_form *form, json_t *schema, uint32_t next) {
    next = glim_node_tag(b->g, &form->value_end, gap(b, form, next));
    uint32_t value;
    if (read_raw(schema)) value = raw_value(b, schema, next);
    else {
        uint32_t rule_entry = value_rule(b, schema);
        value = ok(b) ? glim_node_call(b->g, rule_entry, false, next) : GLIM_NO_NODE;
    }
    if (value == GLIM_NO_NODE) return value;
    return glim_node_tag(b->g, &form->key_end, gap(b, form, glim_node_tag(b->g, &form->value, value)));
}

static uint32_t xml_args(builder *b, const glim_flat *f, const glim_xml_form *form) {
    glim_grammar *g = b->g;
    size_t n;
    prop *p = list_props(b, f, &n);
    uint32_t then = glim_node_simple(g, GLIM_NODE_RETURN);
    if (!p) return GLIM_NO_NODE;
    if (glim_flat_open(f)) {
        uint32_t loop = glim_node_simple(g, GLIM_NODE_SPLIT);
        const char **names = calloc(n + 1, sizeof *names);
        size_t *lens = calloc(n + 1, sizeof *lens);
        glim_dfa *words = NULL, *free_name = NULL;
        const glim_dfa *any = glim_vocab_common(g->vocab, GLIM_COMMON_XKEY, b->s.err);
        for (size_t i = 0; names && lens && i < n; i++) {
            names[i] = p[i].name;
            lens[i] = strlen(p[i].name);
        }
        if (!names || !lens || !any || !ok(b)) b->nomem = true;
        else if (took(b, glim_dfa_words(&words, names, lens, n, &g->budget, b->s.err)) &&
                 took(b, glim_dfa_product(&free_name, any, words, true, &g->budget, b->s.err))) {
            free_name->exits = any->exits;
            uint32_t pair = xml_pair(b, form, f->additional ? f->additional : b->any, loop);
            if (pair != GLIM_NO_NODE && ok(b)) {
                uint32_t more = glim_node_tag(g, &form->key, own_dfa(b, free_name, pair));
                g->node[loop].next = more;
                g->node[loop].b = then;
                then = loop;
            } else glim_dfa_free(free_name);
        }
        glim_dfa_free(words);
        free(names);
        free(lens);
    }
    for (size_t i = n; i-- > 0 && ok(b);) {
        const place above = enter_property(b, &p[i]);
        uint32_t pair = xml_pair(b, form, p[i].schema, then);
        leave_property(b, above);
        if (!ok(b)) break;
        if (pair == GLIM_NO_NODE) {
            if (p[i].required) then = GLIM_NO_NODE;
            if (p[i].required) break;
            continue;
        }
        pair = glim_node_tag(g, &form->key, glim_node_lit(g, p[i].name, strlen(p[i].name), pair));
        then = p[i].required ? pair : either(b, pair, then);
    }
    free(p);
    return then;
}

glim_status glim_grammar_xml(glim_grammar *g, const json_t *schema, const char *what, bool lenient, const glim_xml_form *form,
                             uint32_t *body, glim_err *err) {
    builder b;
    glim_flats f = {0};
    if (!builder_begin(&b, g, schema, what, lenient, err)) return glim_con_nomem(err);
    b.xml = true;
    *body = GLIM_NO_NODE;
    if (glim_schema_flatten(&b.s, (json_t *)schema, &f)) {
        for (size_t i = 0; i < f.n && ok(&b); i++)
            if (f.v[i].types & GLIM_T_OBJECT) *body = glim_node_split(g, *body, xml_args(&b, &f.v[i], form));
        if (ok(&b) && *body == GLIM_NO_NODE) glim_schema_fail(&b.s, GLIM_E_FORMAT, "no object can satisfy it");
    }
    glim_flats_free(&f);
    return builder_end(&b, err);
}
