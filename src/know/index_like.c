/* index_like.c - words like a misspelt one. */
#include <stdlib.h>
#include <string.h>

#include "know/index_internal.h"

enum { WORD_MAX = 48 };

static uint32_t gram_hash(const char *s) {
    uint32_t h = (uint32_t)(unsigned char)s[0] | (uint32_t)(unsigned char)s[1] << 8 | (uint32_t)(unsigned char)s[2] << 16;
    return h;
}

/* The trigrams of " word ", bytes: enough for Latin, and whole for other alphabets too. */
static size_t grams_of(uint32_t *out, const char *word, size_t n) {
    char s[WORD_MAX + 2];
    if (n > WORD_MAX) n = WORD_MAX;
    s[0] = ' ';
    memcpy(s + 1, word, n);
    s[n + 1] = ' ';
    for (size_t i = 0; i < n; i++) out[i] = gram_hash(s + i);
    return n;
}

static int by_hash(const void *a, const void *b) {
    const glim_gram *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return (x->word > y->word) - (x->word < y->word);
}

glim_status glim_index_make_grams(glim_index *ix, glim_err *err) {
    size_t cap = 0;
    for (size_t i = 0; i < ix->n_words; i++) {
        size_t n = strlen(ix->words.s + ix->word_at[i]);
        cap += n < WORD_MAX ? n : WORD_MAX;
    }
    void *p;
    glim_status rc = glim_try_calloc(&p, cap, sizeof *ix->gram, "trigrams of words", err);
    if (rc != GLIM_OK) return rc;
    ix->gram = p;
    ix->n_grams = 0;
    for (size_t i = 0; i < ix->n_words; i++) {
        uint32_t g[WORD_MAX];
        const char *word = ix->words.s + ix->word_at[i];
        size_t n = grams_of(g, word, strlen(word));
        for (size_t k = 0; k < n; k++) ix->gram[ix->n_grams++] = (glim_gram){.hash = g[k], .word = (uint32_t)i};
    }
    qsort(ix->gram, ix->n_grams, sizeof *ix->gram, by_hash);
    return GLIM_OK;
}

/* Edits between two words, a swap of neighbours counts once; more than `most` is most + 1. */
static int distance(const char *a, size_t n, const char *b, size_t m, int most) {
    int row[3][WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX) return most + 1;
    for (size_t j = 0; j <= m; j++) row[0][j] = (int)j;
    int *last2 = row[2], *last = row[0], *now = row[1];
    for (size_t i = 1; i <= n; i++) {
        int low = now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int v = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < v) v = last[j] + 1;
            if (now[j - 1] + 1 < v) v = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && last2[j - 2] + 1 < v) v = last2[j - 2] + 1;
            now[j] = v;
            low = v < low ? v : low;
        }
        if (low > most) return most + 1;
        int *t = last2;
        last2 = last;
        last = now;
        now = t;
    }
    return last[m];
}

size_t glim_index_like(const glim_index *ix, glim_index_work *w, const char *word, size_t n, glim_like out[GLIM_LIKE_MAX]) {
    if (n < 3 || n > WORD_MAX || ix->n_grams == 0) return 0;
    uint32_t g[WORD_MAX];
    size_t n_g = grams_of(g, word, n), n_cand = 0, found = 0;
    for (size_t k = 0; k < n_g; k++) {
        glim_gram key = {.hash = g[k]};
        size_t lo = 0, hi = ix->n_grams;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            if (by_hash(&ix->gram[mid], &key) < 0) lo = mid + 1;
            else hi = mid;
        }
        for (; lo < ix->n_grams && ix->gram[lo].hash == g[k]; lo++) {
            uint32_t word_no = ix->gram[lo].word;
            if (w->shared[word_no] == 0) w->candidate[n_cand++] = word_no;
            if (w->shared[word_no] < 255) w->shared[word_no]++;
        }
    }
    /* One edit touches at most three trigrams. */
    int most = n <= 4 ? 1 : 2, best[GLIM_LIKE_MAX];
    size_t need = n_g > (size_t)(3 * most + 1) ? n_g - (size_t)(3 * most) : 1;
    for (size_t c = 0; c < n_cand; c++) {
        uint32_t no = w->candidate[c];
        size_t shared = w->shared[no];
        w->shared[no] = 0;
        if (shared < need) continue;
        const char *other = ix->words.s + ix->word_at[no];
        size_t m = strlen(other);
        bool begins = m > n && memcmp(other, word, n) == 0;
        if (!begins && (m > n + (size_t)most || n > m + (size_t)most)) continue;
        int d = begins ? 1 : distance(word, n, other, m, most);
        if (d > most) continue;
        size_t at = found;
        while (at > 0 && best[at - 1] > d) at--;
        if (at >= GLIM_LIKE_MAX) continue;
        size_t end = found < GLIM_LIKE_MAX ? found++ : GLIM_LIKE_MAX - 1;
        for (size_t i = end; i > at; i--) out[i] = out[i - 1], best[i] = best[i - 1];
        best[at] = d;
        out[at] = (glim_like){.term = ix->word_term[no], .weight = d <= 1 ? 0.8f : 0.5f};
    }
    return found;
}
