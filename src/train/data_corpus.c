/* data_corpus.c - see data_corpus.h.
 *
 * Invariant  buf[head..] are the tokens of segs[first_seg..], less the first seg's `taken`: a position is where the first of
 *            them comes from. */
#include "train/data_corpus.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8.h"
#include "format/sum64.h"
#include "train/data_internal.h"

typedef struct block {
    uint32_t file;
    bool ends_document;
    size_t begin, end;
} block;

typedef struct seg {
    uint64_t epoch, block; /* place in the epoch's order */
    size_t n;              /* tokens left of it in the buffer */
    size_t taken;          /* tokens of it that are gone */
} seg;

struct glim_corpus {
    glim_corpus_params p;
    glim_map *maps;
    char **names;
    bool *rows; /* a .jsonl file */
    size_t n_files;
    block *blocks;
    size_t n_blocks, cap_blocks;
    uint64_t bytes;
    int32_t eos;

    size_t *order; /* [n_blocks] of `order_epoch` */
    uint64_t order_epoch;
    uint64_t next_epoch, next_block; /* to be loaded next */

    glim_ids buf;
    size_t head;
    seg *segs;
    size_t first_seg, n_segs, cap_segs;
    uint8_t *loss; /* [n_tokens] 0, 1, 1, ... */
};

/* ---- blocks ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Where a block that began at `begin` ends: behind a line break that text follows, or, where there is none for long,
 * between two characters. */
static size_t block_end(const glim_map *m, size_t begin, size_t want, bool rows) {
    const char *s = (const char *)m->data;
    if (m->size - begin <= want) return m->size;
    size_t most = m->size - begin < 4 * want ? m->size : begin + 4 * want;
    for (size_t at = begin + want; at < (rows ? m->size : most); at++) {
        if (s[at - 1] == '\n' && (rows || !is_blank(s[at]))) return at;
    }
    if (rows) return m->size;
    size_t at = begin + want;
    while (at < m->size && ((unsigned char)s[at] & 0xc0) == 0x80) at++;
    return at;
}

static glim_status cut_file(glim_corpus *s, size_t f, glim_err *err) {
    const glim_map *m = &s->maps[f];
    size_t want = s->p.block_bytes ? s->p.block_bytes : 65536;
    for (size_t at = 0; at < m->size;) {
        size_t end = block_end(m, at, want, s->rows[f]);
        if (s->n_blocks == s->cap_blocks) {
            glim_status rc = glim_try_grow(&s->blocks, &s->cap_blocks, 64, sizeof *s->blocks, "the blocks of a corpus", err);
            if (rc != GLIM_OK) return rc;
        }
        s->blocks[s->n_blocks++] = (block){(uint32_t)f, end == m->size && !s->rows[f], at, end};
        at = end;
    }
    s->bytes += m->size;
    return GLIM_OK;
}

/* Leaves the blocks that are kept apart, or the others. */
static glim_status hold_back(glim_corpus *s, glim_err *err) {
    void *p;
    size_t n_held = 0;
    if (s->p.held_share <= 0) return GLIM_OK;
    glim_status rc = glim_try_calloc(&p, s->n_blocks, sizeof(size_t), "the blocks of a corpus", err);
    if (rc != GLIM_OK) return rc;
    size_t *order = p;
    glim_data_split(order, s->n_blocks, s->p.held_share, s->p.held_seed, &n_held);
    if (n_held == 0 || n_held == s->n_blocks) {
        free(order);
        glim_fail(err, GLIM_E_ARG, "a corpus of %zu block%s of 64 KiB, of which a share of %g cannot be kept apart", s->n_blocks,
                  s->n_blocks == 1 ? "" : "s", s->p.held_share);
        glim_err_hint(err, "--eval-file FILE has texts for evaluation");
        return GLIM_E_ARG;
    }
    const size_t first = s->p.held ? 0 : n_held, n = s->p.held ? n_held : s->n_blocks - n_held;
    for (size_t i = 0; i < n; i++) s->blocks[i] = s->blocks[order[first + i]]; /* each part rises: nothing is overwritten unread */
    free(order);
    s->n_blocks = n;
    s->bytes = 0;
    for (size_t i = 0; i < n; i++) s->bytes += s->blocks[i].end - s->blocks[i].begin;
    return GLIM_OK;
}

/* ---- tokens of a block ---- */

/* The text of a row, which lives as long as the row. */
static glim_status read_row(json_t **row, const json_t **v, const char *text, size_t len, glim_err *err) {
    glim_status rc = glim_json_parse(row, text, len, 0, err);
    if (rc != GLIM_OK) return rc;
    *v = json_object_get(*row, "text");
    if (json_is_string(*v)) return GLIM_OK;
    rc = glim_fail(err, GLIM_E_FORMAT, "\"text\": got %s, want a string", glim_json_type_name(*v));
    json_decref(*row);
    return rc;
}

static glim_status put_row(void *ctx, size_t line, const char *text, size_t len, glim_err *err) {
    glim_corpus *s = ctx;
    json_t *row;
    const json_t *v;
    (void)line;
    glim_status rc = read_row(&row, &v, text, len, err);
    if (rc != GLIM_OK) return rc;
    rc = glim_tok_encode(s->p.tok, json_string_value(v), json_string_length(v), 0, &s->buf, err);
    if (rc == GLIM_OK && s->eos >= 0) rc = glim_ids_push(&s->buf, s->eos, err);
    json_decref(row);
    return rc;
}

typedef struct check {
    const char *name;
    size_t lines; /* before the block */
    bool named;
} check;
static glim_status check_row(void *ctx, size_t line, const char *text, size_t len, glim_err *err) {
    check *c = ctx;
    json_t *row;
    const json_t *v;
    const glim_status rc = read_row(&row, &v, text, len, err);
    if (rc == GLIM_OK) {
        json_decref(row);
        return GLIM_OK;
    }
    glim_err_context(err, "\"%s\" line %zu", c->name, c->lines + line);
    c->named = true;
    return rc;
}

static size_t n_lines(const char *at, const char *end) {
    size_t n = 0;
    for (; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) n++;
    return n;
}

/* By the blocks that load_next will take: what it would refuse is refused here, and no more of a file than a block is held. */
glim_status glim_corpus_check(const glim_corpus *s, glim_err *err) {
    check c = {0};
    size_t behind = 0;
    glim_status rc = GLIM_OK;
    for (size_t i = 0; rc == GLIM_OK && i < s->n_blocks; i++) {
        const block *b = &s->blocks[i];
        const char *file = (const char *)s->maps[b->file].data, *text = file + b->begin, *end = file + b->end;
        if (!s->rows[b->file]) { /* nothing there would be refused later: bytes of any kind have tokens */
            if ((i > 0 && s->blocks[i - 1].file == b->file) || !glim_utf8_foreign(text, b->end - b->begin)) continue;
            glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not UTF-8", s->names[b->file]);
            glim_err_hint(err, "turn it first, for instance: iconv -f GB18030 -t UTF-8 \"%s\" > utf8.txt", s->names[b->file]);
            return GLIM_E_FORMAT;
        }
        if (i == 0 || s->blocks[i - 1].file != b->file) c.lines = 0, behind = 0;
        c.lines += n_lines(file + behind, text); /* of blocks that are kept apart */
        behind = b->end;
        c.name = s->names[b->file];
        rc = glim_rows_each(text, b->end - b->begin, check_row, &c, err);
        if (rc != GLIM_OK && !c.named) glim_err_context(err, "\"%s\", behind line %zu", c.name, c.lines);
        c.lines += n_lines(text, end);
        glim_map_drop(&s->maps[b->file], b->begin, b->end - b->begin);
    }
    return rc;
}

static glim_status load_next(glim_corpus *s, glim_err *err) {
    if (s->next_block == s->n_blocks) s->next_block = 0, s->next_epoch++;
    if (s->p.shuffle && s->order_epoch != s->next_epoch) {
        glim_data_shuffle(s->order, s->n_blocks, s->p.seed, s->next_epoch);
        s->order_epoch = s->next_epoch;
    }
    const block *b = &s->blocks[s->p.shuffle ? s->order[s->next_block] : s->next_block];
    const glim_map *m = &s->maps[b->file];
    if (s->n_segs == s->cap_segs) {
        glim_status rc = glim_try_grow(&s->segs, &s->cap_segs, 16, sizeof *s->segs, "the blocks in hand", err);
        if (rc != GLIM_OK) return rc;
    }
    size_t n0 = s->buf.n;
    glim_status rc;
    if (s->rows[b->file]) rc = glim_rows_each((const char *)m->data + b->begin, b->end - b->begin, put_row, s, err);
    else {
        rc = glim_tok_encode(s->p.tok, (const char *)m->data + b->begin, b->end - b->begin, 0, &s->buf, err);
        if (rc == GLIM_OK && b->ends_document && s->eos >= 0) rc = glim_ids_push(&s->buf, s->eos, err);
    }
    if (rc != GLIM_OK) {
        s->buf.n = n0;
        glim_err_context(err, "\"%s\", between bytes %zu and %zu", s->names[b->file], b->begin, b->end);
        return rc;
    }
    s->segs[s->n_segs++] = (seg){s->next_epoch, s->next_block, s->buf.n - n0, 0};
    s->next_block++;
    glim_map_drop(m, b->begin, b->end - b->begin);
    return GLIM_OK;
}

/* ---- windows ---- */

/* Takes n tokens from the front, and every segment that ends with them. */
static void advance(glim_corpus *s, size_t n) {
    s->head += n;
    while (s->first_seg < s->n_segs && s->segs[s->first_seg].n <= n) n -= s->segs[s->first_seg++].n;
    if (n) {
        s->segs[s->first_seg].n -= n;
        s->segs[s->first_seg].taken += n;
    }
}

/* Moves what is left to the front of the storage. */
static void compact(glim_corpus *s) {
    memmove(s->buf.v, s->buf.v + s->head, (s->buf.n - s->head) * sizeof *s->buf.v);
    s->buf.n -= s->head;
    s->head = 0;
    memmove(s->segs, s->segs + s->first_seg, (s->n_segs - s->first_seg) * sizeof *s->segs);
    s->n_segs -= s->first_seg;
    s->first_seg = 0;
}

static glim_status fill(glim_corpus *s, size_t want, glim_err *err) {
    uint64_t epoch = s->next_epoch;
    size_t before = s->buf.n;
    while (s->buf.n - s->head < want && !(s->p.once && s->next_block == s->n_blocks)) {
        if (s->head > 4 * s->p.n_tokens && s->head > s->buf.n / 2) compact(s), before = s->buf.n;
        glim_status rc = load_next(s, err);
        if (rc != GLIM_OK) return rc;
        if (s->next_epoch > epoch + 1 && s->buf.n == before)
            return glim_fail(err, GLIM_E_ARG, "the corpus has no token in %zu blocks", s->n_blocks);
    }
    return GLIM_OK;
}

glim_status glim_corpus_next(glim_corpus *s, glim_example *out, glim_err *err) {
    glim_status rc = fill(s, s->p.n_tokens, err);
    if (rc != GLIM_OK) return rc;
    const size_t left = s->buf.n - s->head, n = left < s->p.n_tokens ? left : s->p.n_tokens;
    if (n < 2) { /* once, and all targets were there */
        *out = (glim_example){0};
        return GLIM_OK;
    }
    *out = (glim_example){s->buf.v + s->head, s->loss, n};
    /* The last token stays: it is the next window's first. Nothing moves before the next call. */
    advance(s, n - 1);
    return GLIM_OK;
}

glim_corpus_pos glim_corpus_tell(const glim_corpus *s) {
    if (s->first_seg < s->n_segs) {
        const seg *g = &s->segs[s->first_seg];
        return (glim_corpus_pos){g->epoch, g->block, g->taken};
    }
    return (glim_corpus_pos){s->next_epoch, s->next_block, 0};
}

glim_status glim_corpus_seek(glim_corpus *s, glim_corpus_pos pos, glim_err *err) {
    if (pos.block >= s->n_blocks)
        return glim_fail(err, GLIM_E_ARG, "block %llu of a corpus that has %zu: it is another corpus", (unsigned long long)pos.block, s->n_blocks);
    s->buf.n = s->head = s->first_seg = s->n_segs = 0;
    s->next_epoch = pos.epoch;
    s->next_block = pos.block;
    if (pos.token == 0) return GLIM_OK;
    glim_status rc = load_next(s, err);
    if (rc != GLIM_OK) return rc;
    if (pos.token > s->buf.n)
        return glim_fail(err, GLIM_E_ARG, "token %llu of a block that has %zu: it is another corpus", (unsigned long long)pos.token, s->buf.n);
    advance(s, pos.token);
    return GLIM_OK;
}

/* ---- open ---- */

size_t glim_corpus_n_blocks(const glim_corpus *s) { return s->n_blocks; }
uint64_t glim_corpus_bytes(const glim_corpus *s) { return s->bytes; }
size_t glim_corpus_memory(const glim_corpus_params *p, uint64_t n_bytes) {
    const size_t block_bytes = p->block_bytes ? p->block_bytes : 65536;
    const uint64_t most = n_bytes < 4 * block_bytes ? n_bytes : 4 * block_bytes; /* of a block without line breaks; a byte is at most a token */
    return (size_t)(2 * (9 * p->n_tokens + most) * sizeof(int32_t) + (n_bytes / block_bytes + 1) * (sizeof(block) + 2 * sizeof(size_t)) + most);
}
int32_t glim_corpus_eos(const glim_corpus *s) { return s->eos; }

uint64_t glim_corpus_hash(const glim_corpus *s) {
    const uint64_t head[] = {s->n_files, s->n_blocks, s->bytes, s->p.n_tokens, s->p.shuffle, s->p.seed};
    const size_t step = s->n_blocks / 256 + 1;
    uint64_t sum = glim_sum64(1, head, sizeof head);
    for (size_t i = 0; i < s->n_blocks; i += step) {
        const block *b = &s->blocks[i];
        const size_t n = b->end - b->begin < 4096 ? b->end - b->begin : 4096;
        sum = glim_sum64(sum, s->maps[b->file].data + b->begin, n);
    }
    return sum;
}

void glim_corpus_free(glim_corpus *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n_files; i++) {
        glim_map_close(&s->maps[i]);
        free(s->names[i]);
    }
    free(s->maps);
    free(s->names);
    free(s->rows);
    free(s->blocks);
    free(s->order);
    free(s->segs);
    free(s->loss);
    glim_ids_free(&s->buf);
    free(s);
}

glim_status glim_corpus_open(glim_corpus **out, const char *const *paths, size_t n_paths, const glim_corpus_params *p, glim_err *err) {
    *out = NULL;
    if (p->n_tokens < 2) return glim_fail(err, GLIM_E_ARG, "windows of %zu tokens, want at least 2", p->n_tokens);
    glim_corpus *s = glim_xcalloc(1, sizeof *s);
    s->p = *p;
    s->order_epoch = UINT64_MAX;
    s->eos = glim_tok_eos(p->tok);
    if (s->eos < 0 && p->config && p->config->n_eos) s->eos = p->config->eos[0];
    void *m;
    glim_status rc = glim_try_calloc(&m, n_paths, sizeof *s->maps, "the files of a corpus", err);
    s->maps = m;
    if (rc == GLIM_OK) rc = glim_try_calloc(&m, n_paths, sizeof *s->names, "the files of a corpus", err), s->names = m;
    if (rc == GLIM_OK) rc = glim_try_calloc(&m, n_paths, sizeof *s->rows, "the files of a corpus", err), s->rows = m;
    if (rc == GLIM_OK) rc = glim_try_calloc(&m, p->n_tokens, 1, "a loss mask", err), s->loss = m;
    if (rc == GLIM_OK) memset(s->loss + 1, 1, p->n_tokens - 1);
    for (size_t i = 0; i < n_paths && rc == GLIM_OK; i++) {
        rc = glim_map_open(&s->maps[i], paths[i], err);
        if (rc != GLIM_OK) break;
        s->n_files++;
        s->names[i] = glim_xstrdup(paths[i]);
        size_t n = strlen(paths[i]);
        s->rows[i] = n > 6 && strcasecmp(paths[i] + n - 6, ".jsonl") == 0;
        rc = cut_file(s, i, err);
    }
    if (rc == GLIM_OK && s->n_blocks == 0) rc = glim_fail(err, GLIM_E_ARG, "the corpus is empty: %zu files without a byte", n_paths);
    if (rc == GLIM_OK) rc = hold_back(s, err);
    if (rc == GLIM_OK) rc = glim_try_calloc(&m, s->n_blocks, sizeof *s->order, "the order of a corpus", err), s->order = m;
    if (rc != GLIM_OK) {
        glim_corpus_free(s);
        return rc;
    }
    *out = s;
    return GLIM_OK;
}
