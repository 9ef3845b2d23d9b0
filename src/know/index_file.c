/* index_file.c - the index as a file.
 *
 * Little endian:  "GLIMIDX\n", u32 version, u32 rows, u32 terms, u32 words, u64 postings, u64 bytes of words; u64 key of each
 * term; u16 length of each row; u64 first posting of each term and their number; the postings; u32 place and u32 term of each
 * word; the words; u64 checksum of all before it. Trigrams are made again when it is opened. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/sum64.h"
#include "know/index_internal.h"

enum { VERSION = 1 };
static const char magic[8] = {'G', 'L', 'I', 'M', 'I', 'D', 'X', '\n'};
static const size_t MAX_FILE = (size_t)8 << 30;

glim_status glim_index_save(const glim_index *ix, const char *path, glim_err *err) {
    if (!ix->finished) return glim_fail(err, GLIM_E_STATE, "the index is not finished");
    glim_buf b = {0};
    uint32_t head[4] = {VERSION, ix->n_rows, (uint32_t)ix->terms.n, (uint32_t)ix->n_words};
    uint64_t sizes[2] = {ix->from[ix->terms.n], ix->words.len};
    glim_buf_append(&b, magic, sizeof magic);
    glim_buf_append(&b, head, sizeof head);
    glim_buf_append(&b, sizes, sizeof sizes);
    glim_buf_append(&b, ix->terms.key, ix->terms.n * sizeof *ix->terms.key);
    glim_buf_append(&b, ix->length, ix->n_rows * sizeof *ix->length);
    glim_buf_append(&b, ix->from, (ix->terms.n + 1) * sizeof *ix->from);
    glim_buf_append(&b, ix->posting, sizes[0] * sizeof *ix->posting);
    glim_buf_append(&b, ix->word_at, ix->n_words * sizeof *ix->word_at);
    glim_buf_append(&b, ix->word_term, ix->n_words * sizeof *ix->word_term);
    glim_buf_append(&b, ix->words.s, ix->words.len);
    glim_status rc = glim_buf_status(&b, "a file of the index", err);
    if (rc == GLIM_OK) {
        uint64_t sum = glim_sum64(VERSION, b.s, b.len);
        glim_buf_append(&b, &sum, sizeof sum);
        rc = glim_buf_status(&b, "a file of the index", err);
    }
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

typedef struct reader {
    const uint8_t *s;
    size_t n, at;
} reader;

static glim_status take(reader *r, void *out, uint64_t n, size_t size, const char *what, glim_err *err) {
    uint64_t bytes;
    if (!glim_mul_u64(n, size, &bytes) || bytes > r->n - r->at)
        return glim_fail(err, GLIM_E_FORMAT, "%s: got %zu bytes, want %llu times %zu", what, r->n - r->at, (unsigned long long)n, size);
    void *p;
    glim_status rc = glim_try_calloc(&p, (size_t)n, size, what, err);
    if (rc != GLIM_OK) return rc;
    if (bytes) memcpy(p, r->s + r->at, (size_t)bytes);
    r->at += (size_t)bytes;
    *(void **)out = p;
    return GLIM_OK;
}

static glim_status check(const glim_index *ix, uint64_t n_postings, glim_err *err) {
    for (size_t t = 0; t < ix->terms.n; t++)
        if (ix->from[t] > ix->from[t + 1]) return glim_fail(err, GLIM_E_FORMAT, "the postings of term %zu are out of order", t);
    if (ix->from[0] != 0 || ix->from[ix->terms.n] != n_postings) return glim_fail(err, GLIM_E_FORMAT, "the postings do not add up");
    for (uint64_t i = 0; i < n_postings; i++)
        if (ix->posting[i].row >= ix->n_rows || ix->posting[i].tf == 0)
            return glim_fail(err, GLIM_E_FORMAT, "posting %llu is of row %u, want less than %u", (unsigned long long)i, ix->posting[i].row, ix->n_rows);
    if (ix->n_words && (ix->words.len == 0 || ix->words.s[ix->words.len - 1] != 0)) return glim_fail(err, GLIM_E_FORMAT, "the words do not end");
    for (size_t i = 0; i < ix->n_words; i++)
        if (ix->word_at[i] >= ix->words.len || ix->word_term[i] >= ix->terms.n) return glim_fail(err, GLIM_E_FORMAT, "word %zu lies outside", i);
    return GLIM_OK;
}

static glim_status read_body(glim_index *ix, reader *r, glim_err *err) {
    uint32_t head[4];
    uint64_t sizes[2];
    if (r->n - r->at < sizeof head + sizeof sizes) return glim_fail(err, GLIM_E_FORMAT, "the header is cut off");
    memcpy(head, r->s + r->at, sizeof head);
    memcpy(sizes, r->s + r->at + sizeof head, sizeof sizes);
    r->at += sizeof head + sizeof sizes;
    uint64_t *key = NULL;
    char *words = NULL;
    ix->n_rows = head[1];
    ix->n_words = head[3];
    glim_status rc = take(r, &key, head[2], sizeof *key, "terms", err);
    for (size_t t = 0; rc == GLIM_OK && t < head[2]; t++) {
        uint32_t row;
        rc = glim_featmap_add(&ix->terms, key[t], &row, err);
        if (rc == GLIM_OK && row != t) rc = glim_fail(err, GLIM_E_FORMAT, "term %zu stands twice", t);
    }
    free(key);
    if (rc == GLIM_OK) rc = take(r, &ix->length, ix->n_rows, sizeof *ix->length, "lengths of rows", err);
    if (rc == GLIM_OK) rc = take(r, &ix->from, (uint64_t)head[2] + 1, sizeof *ix->from, "the table of terms", err);
    if (rc == GLIM_OK) rc = take(r, &ix->posting, sizes[0], sizeof *ix->posting, "postings", err);
    if (rc == GLIM_OK) rc = take(r, &ix->word_at, ix->n_words, sizeof *ix->word_at, "words", err);
    if (rc == GLIM_OK) rc = take(r, &ix->word_term, ix->n_words, sizeof *ix->word_term, "words", err);
    if (rc == GLIM_OK) rc = take(r, &words, sizes[1], 1, "words", err);
    if (rc == GLIM_OK && r->at != r->n) rc = glim_fail(err, GLIM_E_FORMAT, "%zu bytes follow the words", r->n - r->at);
    ix->words = (glim_buf){.s = words, .len = words ? (size_t)sizes[1] : 0, .cap = words ? (size_t)sizes[1] : 0};
    if (rc == GLIM_OK) rc = check(ix, sizes[0], err);
    if (rc != GLIM_OK) return rc;
    double sum = 0;
    for (size_t i = 0; i < ix->n_rows; i++) sum += ix->length[i];
    ix->mean_length = sum > 0 ? sum / ix->n_rows : 1;
    rc = glim_index_make_grams(ix, err);
    ix->finished = rc == GLIM_OK;
    return rc;
}

glim_status glim_index_parse(glim_index **out, const void *bytes, size_t n, glim_err *err) {
    *out = NULL;
    const uint8_t *s = bytes;
    uint32_t version;
    uint64_t sum;
    if (n < sizeof magic + 12 || memcmp(s, magic, sizeof magic) != 0)
        return glim_fail(err, GLIM_E_FORMAT, "this is no index: it does not begin with \"GLIMIDX\"");
    memcpy(&version, s + sizeof magic, sizeof version);
    memcpy(&sum, s + n - 8, 8);
    if (version != VERSION) return glim_fail(err, GLIM_E_UNSUPPORTED, "an index of version %u, want %d", version, VERSION);
    if (sum != glim_sum64(VERSION, s, n - 8)) {
        glim_status rc = glim_fail(err, GLIM_E_FORMAT, "the checksum does not match: the index is damaged or cut off");
        glim_err_hint(err, "import the library again");
        return rc;
    }
    glim_index *ix = glim_index_new();
    reader r = {.s = s, .n = n - 8, .at = sizeof magic};
    glim_status rc = read_body(ix, &r, err);
    if (rc == GLIM_OK) *out = ix;
    else glim_index_free(ix);
    return rc;
}

glim_status glim_index_open(glim_index **out, const char *path, glim_err *err) {
    *out = NULL;
    glim_buf b = {0};
    glim_status rc = glim_file_read(&b, path, MAX_FILE, err);
    if (rc == GLIM_OK) {
        rc = glim_index_parse(out, glim_buf_cstr(&b), b.len, err);
        if (rc != GLIM_OK) glim_err_context(err, "\"%s\"", path);
    }
    glim_buf_free(&b);
    return rc;
}
