/* tok.c - the tokenizer's handle: text to ids, ids to text. See tok.h.
 *
 *   text -> (prefix text off, prefix ids on) -> added tokens -> NFC -> added tokens that match
 *   normalised text -> pieces (tok_split.c) -> merges (bpe.c) -> ids
 *
 * Invariant  without GLIM_TOK_SPECIAL no id that is special comes out of encode: such tokens are not in
 *            the table that bytes are looked up in, and no merge makes them (glim_bpe_set_named).
 * Surprise   broken UTF-8 is cut out and encoded byte by byte, the valid runs around it as texts of
 *            their own. Hugging Face and tiktoken cannot be given such bytes: their callers replace
 *            them by U+FFFD first and lose them. */
#include "text/tok.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tok_internal.h"

/* ---- lists of ids --------------------------------------------------------------------------- */

glim_status glim_ids_push(glim_ids *ids, int32_t id, glim_err *err) {
    if (ids->n == ids->cap) {
        size_t cap = ids->cap < 64 ? 64 : ids->cap + ids->cap / 2;
        void *p = ids->v;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *ids->v, "token ids", err);
        if (rc != GLIM_OK) return rc;
        ids->v = p;
        ids->cap = cap;
    }
    ids->v[ids->n++] = id;
    return GLIM_OK;
}

void glim_ids_free(glim_ids *ids) {
    free(ids->v);
    *ids = (glim_ids){0};
}

/* ---- building -------------------------------------------------------------------------------- */

glim_status glim_tok_begin(glim_tok **out, size_t n_ids, glim_err *err) {
    glim_tok *t = glim_xcalloc(1, sizeof *t);
    t->bos = t->eos = -1;
    glim_status rc = glim_bpe_init(&t->bpe, n_ids, err);
    void *p = NULL;
    if (rc == GLIM_OK) rc = glim_try_calloc(&p, n_ids, sizeof *t->added_of, "the vocabulary", err);
    t->added_of = p;
    t->split = glim_split_new();
    if (rc != GLIM_OK) {
        glim_tok_free(t);
        return rc;
    }
    *out = t;
    return GLIM_OK;
}

void glim_tok_free(glim_tok *t) {
    if (!t) return;
    glim_bpe_deinit(&t->bpe);
    glim_split_free(t->split);
    free(t->added);
    free(t->added_of);
    glim_trie_free(&t->by_text);
    glim_trie_free(&t->raw);
    glim_trie_free(&t->normalized);
    glim_buf_free(&t->prefix_text);
    free(t);
}

glim_status glim_tok_add_special(glim_tok *t, const glim_added *a, const char *text, size_t len,
                                 glim_err *err) {
    int shown = (int)(len < 80 ? len : 80);
    if (len == 0) return glim_fail(err, GLIM_E_FORMAT, "added token %u has no text", a->id);
    if (len > GLIM_ADDED_MAX_BYTES)
        return glim_fail(err, GLIM_E_LIMIT, "added token %u is %zu bytes long, want at most %d", a->id, len,
                         GLIM_ADDED_MAX_BYTES);
    if (a->id >= t->bpe.n_ids)
        return glim_fail(err, GLIM_E_FORMAT, "added token \"%.*s\" has id %u, want less than %zu", shown,
                         text, a->id, t->bpe.n_ids);
    if (t->added_of[a->id])
        return glim_fail(err, GLIM_E_FORMAT, "id %u is given to two added tokens, the second \"%.*s\"",
                         a->id, shown, text);
    uint32_t index;
    if (glim_trie_match(&t->by_text, text, len, &index) == len)
        return glim_fail(err, GLIM_E_FORMAT, "added token \"%.*s\" has two ids, %u and %u", shown, text,
                         t->added[index].id, a->id);
    size_t have_len;
    const char *have = glim_bpe_bytes(&t->bpe, a->id, &have_len);
    glim_status rc;
    if (have) {
        if (have_len != len || memcmp(have, text, len) != 0)
            return glim_fail(err, GLIM_E_FORMAT, "id %u is \"%.*s\" in the vocabulary and \"%.*s\" among the "
                             "added tokens", a->id, (int)(have_len < 80 ? have_len : 80), have, shown, text);
        if (a->special && len == 1)
            return glim_fail(err, GLIM_E_UNSUPPORTED, "special token %u is the single byte \"%.*s\": plain text "
                             "could not be told from it", a->id, shown, text);
        if (a->special) glim_bpe_set_named(&t->bpe, a->id);
    } else if ((rc = glim_bpe_add(&t->bpe, a->id, text, len, false, err)) != GLIM_OK) {
        return rc;
    }
    if (t->n_added == t->added_cap) {
        size_t cap = t->added_cap ? t->added_cap * 2 : 64;
        void *p = t->added;
        if ((rc = glim_try_realloc(&p, cap, sizeof *t->added, "added tokens", err)) != GLIM_OK) return rc;
        t->added = p;
        t->added_cap = cap;
    }
    index = (uint32_t)t->n_added;
    if ((rc = glim_trie_add(&t->by_text, text, len, index, err)) != GLIM_OK) return rc;
    t->added[t->n_added++] = *a;
    t->added_of[a->id] = index + 1;
    return GLIM_OK;
}

void glim_tok_set_glm_prefix(glim_tok *t) {
    int32_t mask = glim_tok_find(t, "[gMASK]"), sop = glim_tok_find(t, "<sop>");
    if (mask < 0 || sop < 0) return;
    t->prefix[0] = mask;
    t->prefix[1] = sop;
    t->n_prefix = 2;
    t->add_bos = false; /* the prefix stands where bos would: never both */
}

glim_status glim_tok_finish(glim_tok *t, glim_err *err) {
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < t->n_added && rc == GLIM_OK; i++) {
        const glim_added *a = &t->added[i];
        size_t len;
        const char *text = glim_bpe_bytes(&t->bpe, a->id, &len);
        if (!a->normalized || !t->nfc || !glim_utf8_valid(text, len)) {
            rc = glim_trie_add(a->normalized ? &t->normalized : &t->raw, text, len, (uint32_t)i, err);
            continue;
        }
        glim_buf b = {0};
        rc = glim_tok_nfc(&b, text, len, err);
        /* NFC never empties a text, but may lengthen it (some letters decompose for good). */
        if (rc == GLIM_OK && b.len > GLIM_ADDED_MAX_BYTES)
            rc = glim_fail(err, GLIM_E_LIMIT, "added token %u is too long once normalised", a->id);
        if (rc == GLIM_OK) rc = glim_trie_add(&t->normalized, b.s, b.len, (uint32_t)i, err);
        glim_buf_free(&b);
    }
    for (size_t i = 0; i < t->n_prefix && rc == GLIM_OK; i++) {
        size_t len;
        const char *s = glim_tok_piece(t, t->prefix[i], &len);
        if (!s) return glim_fail(err, GLIM_E_FORMAT, "prefix id %d is not a token", t->prefix[i]);
        glim_buf_append(&t->prefix_text, s, len);
    }
    if (rc == GLIM_OK) rc = glim_buf_status(&t->prefix_text, "the prefix", err);
    if (rc != GLIM_OK) return rc;
    /* llama.cpp's name for "bos before every text": the prefix is exactly that. */
    if (t->add_bos && t->bos >= 0 && t->n_prefix == 0) {
        t->prefix[t->n_prefix++] = t->bos;
        size_t len;
        const char *s = glim_tok_piece(t, t->bos, &len);
        if (!s) return glim_fail(err, GLIM_E_FORMAT, "bos id %d is not a token", t->bos);
        glim_buf_append(&t->prefix_text, s, len);
        rc = glim_buf_status(&t->prefix_text, "the prefix", err);
    }
    return rc;
}

/* ---- encoding ------------------------------------------------------------------------------------- */

typedef struct enc {
    const glim_tok *t;
    unsigned flags;
    glim_ids *ids;
    glim_split_run *run;
} enc;

static glim_status put_piece(void *ctx, const char *piece, size_t len, glim_err *err) {
    enc *e = ctx;
    return glim_bpe_encode(&e->t->bpe, piece, len, e->ids, err);
}

static glim_status put_text(enc *e, const char *text, size_t len, glim_err *err) {
    return glim_split_text(e->t->split, &e->run, text, len, put_piece, e, err);
}

/* What added tokens of the second round leave. */
static glim_status put_second(void *ctx, const char *text, size_t len, const uint32_t *index,
                              glim_err *err) {
    enc *e = ctx;
    return index ? glim_ids_push(e->ids, (int32_t)e->t->added[*index].id, err) : put_text(e, text, len, err);
}

static glim_status put_valid(enc *e, const char *text, size_t len, glim_err *err) {
    const glim_tok *t = e->t;
    bool again = (e->flags & GLIM_TOK_SPECIAL) && t->normalized.n > 0;
    if (!t->nfc) {
        return again ? glim_added_cut(&t->normalized, t->added, text, len, put_second, e, err)
                     : put_text(e, text, len, err);
    }
    glim_buf b = {0};
    glim_status rc = glim_tok_nfc(&b, text, len, err);
    if (rc == GLIM_OK)
        rc = again ? glim_added_cut(&t->normalized, t->added, b.s, b.len, put_second, e, err)
                   : put_text(e, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

/* Length of the valid UTF-8 that text begins with. */
static size_t valid_run(const char *s, size_t n) {
    size_t i = 0;
    while (i < n) {
        uint64_t w;
        if (n - i >= 8 && (memcpy(&w, s + i, 8), (w & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        uint32_t cp;
        int len = glim_utf8_next(s + i, n - i, &cp);
        if (len <= 0) break;
        i += (size_t)len;
    }
    return i;
}

/* What added tokens of the first round leave, cut at broken UTF-8. */
static glim_status put_first(void *ctx, const char *text, size_t len, const uint32_t *index,
                             glim_err *err) {
    enc *e = ctx;
    if (index) return glim_ids_push(e->ids, (int32_t)e->t->added[*index].id, err);
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < len && rc == GLIM_OK;) {
        size_t n = valid_run(text + i, len - i);
        if (n) {
            rc = put_valid(e, text + i, n, err);
        } else {
            uint32_t id = e->t->bpe.byte_id[(unsigned char)text[i]];
            if (id != GLIM_BPE_NONE) rc = glim_ids_push(e->ids, (int32_t)id, err);
            n = 1;
        }
        i += n;
    }
    return rc;
}

glim_status glim_tok_encode(const glim_tok *t, const char *text, size_t len, unsigned flags,
                            glim_ids *ids, glim_err *err) {
    if (len > GLIM_TOK_MAX_BYTES)
        return glim_fail(err, GLIM_E_LIMIT, "text of %zu bytes, want at most %zu", len,
                         (size_t)GLIM_TOK_MAX_BYTES);
    enc e = {.t = t, .flags = flags, .ids = ids};
    glim_status rc = GLIM_OK;
    size_t before = ids->n;
    if ((flags & GLIM_TOK_PREFIX) && t->n_prefix) {
        size_t n = t->prefix_text.len;
        if (len >= n && n > 0 && memcmp(text, t->prefix_text.s, n) == 0) text += n, len -= n;
        for (size_t i = 0; i < t->n_prefix && rc == GLIM_OK; i++)
            rc = glim_ids_push(ids, t->prefix[i], err);
    }
    if (rc == GLIM_OK && len > 0)
        rc = flags & GLIM_TOK_SPECIAL ? glim_added_cut(&t->raw, t->added, text, len, put_first, &e, err)
                                      : put_first(&e, text, len, NULL, err);
    glim_split_run_free(e.run);
    if (rc != GLIM_OK) ids->n = before;
    return rc;
}

/* ---- looking up ---------------------------------------------------------------------------------- */

size_t glim_tok_n(const glim_tok *t) { return t->bpe.n_used; }

const char *glim_tok_piece(const glim_tok *t, int32_t id, size_t *len) {
    size_t ignored;
    if (!len) len = &ignored;
    return id < 0 ? NULL : glim_bpe_bytes(&t->bpe, (uint32_t)id, len);
}

static const glim_added *added_of(const glim_tok *t, int32_t id) {
    if (id < 0 || (size_t)id >= t->bpe.n_used || !t->added_of[id]) return NULL;
    return &t->added[t->added_of[id] - 1];
}

bool glim_tok_is_special(const glim_tok *t, int32_t id) {
    const glim_added *a = added_of(t, id);
    return a && a->special;
}

bool glim_tok_is_added(const glim_tok *t, int32_t id) { return added_of(t, id) != NULL; }

int32_t glim_tok_find(const glim_tok *t, const char *text) {
    uint32_t index;
    size_t len = strlen(text);
    if (len == 0 || glim_trie_match(&t->by_text, text, len, &index) != len) return -1;
    return (int32_t)t->added[index].id;
}

size_t glim_tok_prefix(const glim_tok *t, const int32_t **ids) {
    if (ids) *ids = t->prefix;
    return t->n_prefix;
}

int32_t glim_tok_bos(const glim_tok *t) { return t->bos; }
int32_t glim_tok_eos(const glim_tok *t) { return t->eos; }
bool glim_tok_add_bos(const glim_tok *t) { return t->add_bos; }

/* ---- decoding -------------------------------------------------------------------------------------- */

void glim_tok_decode(const glim_tok *t, const int32_t *ids, size_t n, bool keep_special, glim_buf *out) {
    size_t total = 0, len;
    for (size_t i = 0; i < n; i++) total += glim_tok_piece(t, ids[i], &len) ? len : 0;
    glim_buf_reserve(out, total);
    for (size_t i = 0; i < n; i++) {
        const char *s = glim_tok_piece(t, ids[i], &len);
        if (s && (keep_special || !glim_tok_is_special(t, ids[i]))) glim_buf_append(out, s, len);
    }
}

#define REPLACEMENT "\xef\xbf\xbd"

void glim_tok_stream_put(glim_tok_stream *st, const glim_tok *t, int32_t id, bool keep_special,
                         glim_buf *out) {
    size_t len;
    const char *s = glim_tok_piece(t, id, &len);
    if (!s || (!keep_special && glim_tok_is_special(t, id))) return;
    /* First what completes, or breaks, the character held back. */
    while (st->n_held > 0 && len > 0) {
        uint32_t cp;
        st->held[st->n_held] = *s;
        int n = glim_utf8_next(st->held, st->n_held + 1, &cp);
        if (n == 0) { /* the byte does not belong: it is looked at again as a beginning */
            glim_buf_append(out, REPLACEMENT, 3);
            st->n_held = 0;
            break;
        }
        s++, len--;
        if (n > 0) {
            glim_buf_append(out, st->held, (size_t)n);
            st->n_held = 0;
        } else {
            st->n_held++;
        }
    }
    size_t whole = glim_utf8_whole(s, len);
    glim_utf8_sanitize(out, s, whole);
    if (whole < len) {
        memcpy(st->held, s + whole, len - whole);
        st->n_held = len - whole;
    }
}

void glim_tok_stream_end(glim_tok_stream *s, glim_buf *out) {
    glim_utf8_sanitize(out, s->held, s->n_held);
    s->n_held = 0;
}
