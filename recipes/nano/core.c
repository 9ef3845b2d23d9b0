/* core.c - random choices, held-out alternatives, slots; see nano.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nano.h"

uint64_t hash_of(const char *s) { /* FNV-1a, stirred: its low bits are used */
    uint64_t h = 0xcbf29ce484222325ull;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
    h ^= h >> 31, h *= 0x9e3779b97f4a7c15ull;
    return (h ^ h >> 29) | 1; /* 0 marks a free place */
}

bool held_out(const char *name) { return (hash_of(name) >> 32 & 7) == 0; }

static void place(uint64_t *v, size_t cap, uint64_t h) {
    size_t i = h & (cap - 1);
    while (v[i] && v[i] != h) i = (i + 1) & (cap - 1);
    v[i] = h;
}

void set_add(set *s, uint64_t h) {
    if (2 * s->n + 2 > s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 1024;
        uint64_t *v = glim_xcalloc(cap, sizeof *v);
        for (size_t i = 0; i < s->cap; i++)
            if (s->v[i]) place(v, cap, s->v[i]);
        free(s->v);
        s->v = v, s->cap = cap;
    }
    s->n += !set_has(s, h);
    place(s->v, s->cap, h);
}

bool set_has(const set *s, uint64_t h) {
    if (s->cap == 0) return false;
    for (size_t i = h & (s->cap - 1); s->v[i]; i = (i + 1) & (s->cap - 1))
        if (s->v[i] == h) return true;
    return false;
}

size_t set_common(const set *a, const set *b) {
    size_t n = 0;
    for (size_t i = 0; i < a->cap; i++) n += a->v[i] && set_has(b, a->v[i]);
    return n;
}

void set_free(set *s) {
    free(s->v);
    *s = (set){0};
}

size_t below(gen *g, size_t n) { return (size_t)glim_rng_below(&g->rng, n); }
bool chance(gen *g, int percent) { return below(g, 100) < (size_t)percent; }

/* The k-th alternative that this side may use, or how many there are. */
static size_t alternatives(const char *list, bool eval, size_t k, const char **begin, size_t *len) {
    size_t n = 0;
    for (const char *at = list;; ) {
        const size_t here = strcspn(at, "|");
        if (eval || *at != '*') {
            if (n == k) *begin = at, *len = here;
            n++;
        }
        if (!at[here]) return n;
        at += here + 1;
    }
}

/* An alternative with one choice of each group <a/b/c>, into out [TEXT]. */
static void expand(gen *g, const char *s, size_t len, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '<') {
            if (n + 1 < TEXT) out[n++] = s[i];
            continue;
        }
        size_t end = i + 1, ways = 1;
        for (; end < len && s[end] != '>'; end++) ways += s[end] == '/';
        for (size_t k = below(g, ways), j = i + 1; j < end; j++) {
            if (s[j] == '/') {
                if (k-- == 0) break;
            } else if (k == 0 && n + 1 < TEXT) out[n++] = s[j];
        }
        i = end;
    }
    out[n] = 0;
}

/* Of a list with groups: a phrase is held out by its hash. Training never draws such a one, evaluation nothing else. */
static const char *pick_phrase(gen *g, const char *list, char *out) {
    bool apart = false;
    for (int tries = 0; tries < 400; tries++) {
        const char *begin = "";
        size_t len = 0;
        const size_t n = alternatives(list, true, SIZE_MAX, &begin, &len);
        alternatives(list, true, below(g, n), &begin, &len);
        expand(g, begin, len, out);
        apart = (hash_of(out) >> 40) % 6 == 0;
        if (apart == g->eval && !(g->eval && set_has(g->known, hash_of(out)))) break;
    }
    g->novel |= apart;
    if (apart && !g->eval) out[0] = 0; /* cannot be said: gen.c asks again */
    if (!g->eval || apart) set_add(g->templates, hash_of(out));
    return out;
}

const char *pick(gen *g, const char *list, char *out) {
    if (*list == '#') return pick_phrase(g, list + 1, out);
    const char *begin = "";
    size_t len = 0;
    const size_t n = alternatives(list, g->eval, SIZE_MAX, &begin, &len);
    alternatives(list, g->eval, below(g, n), &begin, &len);
    const bool apart = *begin == '*';
    begin += apart, len -= apart;
    if (len >= TEXT) len = TEXT - 1;
    memcpy(out, begin, len);
    out[len] = 0;
    g->novel |= apart;
    /* Of evaluation only what is held out is noted: the rest is there on both sides. */
    if (!g->eval || apart) set_add(g->templates, hash_of(out));
    return out;
}

const char *say(gen *g, const char *zh, const char *en, char *out) { return pick(g, g->zh ? zh : en, out); }

void put_slot(glim_buf *b, const char *text) {
    glim_buf_putc(b, OPEN);
    glim_buf_puts(b, text);
    glim_buf_putc(b, SHUT);
}

void fill(glim_buf *b, const char *t, const slot *s, size_t n, bool capital) {
    const size_t begin = b->len;
    for (; *t; t++) {
        const slot *hit = NULL;
        for (size_t i = 0; i < n && t[0] == '{' && t[1] && t[2] == '}'; i++)
            if (s[i].key == t[1]) hit = &s[i];
        if (!hit) {
            glim_buf_putc(b, *t);
            continue;
        }
        put_slot(b, hit->text);
        t += 2;
    }
    if (capital && b->len > begin && b->s[begin] >= 'a' && b->s[begin] <= 'z') b->s[begin] = (char)(b->s[begin] - 32);
}

void put_plain(glim_buf *out, const char *text, bool lines) {
    for (; *text; text++)
        if (*text != OPEN && *text != SHUT) glim_buf_putc(out, *text);
        else if (lines && out->len && out->s[out->len - 1] != '\n') glim_buf_putc(out, '\n');
}

void note_sense(gen *g, const char *kind, const char *name, const char *text) {
    glim_buf words = {0}, plain = {0};
    if (!g->senses) return;
    glim_buf_printf(&words, "%s:%.*s ", kind, (int)strcspn(name, "|"), name);
    bool inside = false;
    for (const char *s = text; *s; s++)
        if (*s == OPEN || *s == SHUT) inside = *s == OPEN;
        else if (!inside) glim_buf_putc(&words, *s);
    put_plain(&plain, text, false);
    uint64_t h = hash_of(glim_buf_cstr(&words));
    for (int i = 0; i < 3; i++, h++) {
        if (set_has(&g->noted, h)) continue;
        set_add(&g->noted, h);
        fputc('"', g->senses);
        for (const char *s = glim_buf_cstr(&plain); *s; s++) {
            if (*s == '"') fputc('"', g->senses);
            fputc(*s, g->senses);
        }
        fprintf(g->senses, "\",%s:%.*s\n", kind, (int)strcspn(name, "|"), name);
        break;
    }
    glim_buf_free(&words), glim_buf_free(&plain);
}

void conv_clear(conv *c) {
    glim_buf_clear(&c->system), glim_buf_clear(&c->user), glim_buf_clear(&c->answer);
    glim_buf_clear(&c->wrong), glim_buf_clear(&c->tools), glim_buf_clear(&c->call), glim_buf_clear(&c->more);
}
void conv_free(conv *c) {
    glim_buf_free(&c->system), glim_buf_free(&c->user), glim_buf_free(&c->answer);
    glim_buf_free(&c->wrong), glim_buf_free(&c->tools), glim_buf_free(&c->call), glim_buf_free(&c->more);
}
