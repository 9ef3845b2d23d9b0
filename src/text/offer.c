/* offer.c - see offer.h. */
#include "text/offer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "text/priced.h"

static const double SHARED = 3; /* what a label is cheaper by that has a word of the request alone */
static const double NONE = 1;   /* what `none` costs more than a label that shares nothing; as much again where the request was read by a glim_sense */
static const double SENSE = 1.5; /* of what a label costs by its sense */
static const double SINGLE = 0.4, ALIKE = 0.7; /* of a pair or word: one Chinese character; words of one beginning and other ends */

enum { WORD = 32, WORDS = 96, MOST = 64 };

/* A word without its ending, or one or two Chinese characters. */
typedef struct word {
    char s[WORD];
    double weight;
} word;

typedef struct words {
    word v[WORDS];
    size_t n;
} words;


struct glim_offer {
    json_t *list;
    double *cost; /* [list] */
    glim_priced priced;
};

/* Of English what any request or description has, by stem; of Chinese likewise, character by character. */
static const char *const COMMON[] = {"a", "the", "an", "is", "are", "am", "do", "does", "did", "i", "you", "it", "me", "my", "your", "we", "us", "our", "to", "of", "in", "on", "at", "for", "with", "and", "or", "if",
                                     "when", "what", "how", "where", "which", "who", "can", "could", "may", "would", "will", "be", "this", "that", "these", "those", "have", "has", "had", "not", "no", "please", "hi", "well", "so",
                                     "now", "there", "any", "some", "one", "get", "about", "by", "from", "as", "its", "than", "then", "out", "up", "want", "ask", "something"};
static const char COMMON_ZH[] = "的了吗呢啊呀吧么一个我你您他它们这那是在有和就都也要想能可以请问怎什下多少几好不没里给帮";

static bool is_common_zh(const char *s) {
    for (const char *p = COMMON_ZH; *p; p += 3)
        if (memcmp(p, s, 3) == 0) return true;
    return false;
}

static void strip(char *s) {
    static const char *const ends[] = {"ing", "ed", "es", "s", "e", "y"};
    const size_t n = strlen(s);
    for (size_t i = 0; i < GLIM_COUNT(ends); i++) {
        const size_t k = strlen(ends[i]);
        if (n < k + 3 || strcmp(s + n - k, ends[i]) != 0) continue;
        s[n - k] = 0;
        return;
    }
}

static bool is_common(const char *stem) {
    for (size_t i = 0; i < GLIM_COUNT(COMMON); i++) {
        char c[WORD];
        snprintf(c, sizeof c, "%s", COMMON[i]);
        strip(c);
        if (strcmp(c, stem) == 0) return true;
    }
    return false;
}

static void add(words *w, const char *s, size_t n, double weight) {
    if (w->n == WORDS || n == 0 || n >= WORD) return;
    word *x = &w->v[w->n];
    memcpy(x->s, s, n);
    x->s[n] = 0;
    x->weight = weight;
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->v[i].s, x->s) == 0) return;
    w->n++;
}

/* The words of text [n]; more than there is room for are left out. */
static void read_words(words *w, const char *text, size_t n) {
    char latin[WORD];
    size_t n_latin = 0;
    const char *before = NULL; /* the Chinese character just read */
    for (size_t i = 0; i <= n;) {
        uint32_t c = 0;
        const int got = i < n ? glim_utf8_next(text + i, n - i, &c) : 1, k = got > 0 ? got : 1; /* a bad byte parts words */
        const bool letter = i < n && (c < 0x80 ? isalpha((int)c) : c >= 0xc0 && c < 0x2000), han = c >= 0x3400 && c < 0xa000 && k == 3;
        if (letter && n_latin + (size_t)k < WORD) {
            memcpy(latin + n_latin, text + i, (size_t)k);
            if (c < 0x80) latin[n_latin] = (char)tolower((int)c);
            n_latin += (size_t)k;
        } else if (n_latin) {
            latin[n_latin] = 0;
            strip(latin);
            if (!is_common(latin)) add(w, latin, strlen(latin), 1);
            n_latin = 0;
        }
        if (han) {
            if (before) add(w, before, 6, 1);
            if (!is_common_zh(text + i)) add(w, text + i, 3, SINGLE);
        }
        before = han ? text + i : NULL;
        i += (size_t)k;
    }
}

/* How far two words are one: 1, or less where they only begin alike. */
static double alike(const char *a, const char *b) {
    size_t k = 0;
    while (a[k] && a[k] == b[k]) k++;
    if (!a[k] && !b[k]) return 1;
    if ((unsigned char)a[0] >= 0xe3 || k < 4) return 0;
    return !a[k] || !b[k] ? 1 : k >= 5 ? ALIKE : 0;
}

static double found(const words *w, const char *s) {
    double best = 0;
    for (size_t i = 0; i < w->n; i++) {
        const double x = alike(w->v[i].s, s);
        if (x > best) best = x;
    }
    return best;
}

/* Adds to share[n] what each line has of the request: a word that few lines have counts for more. */
static void compare(double *share, const words *line, size_t n, const words *request) {
    for (size_t k = 0; k < request->n; k++) {
        double hit[MOST];
        size_t n_hit = 0;
        for (size_t i = 0; i < n; i++) {
            hit[i] = found(&line[i], request->v[k].s);
            n_hit += hit[i] > 0;
        }
        for (size_t i = 0; i < n; i++)
            if (n_hit) share[i] += request->v[k].weight * hit[i] / (double)n_hit;
    }
}

static const char *behind_task(const char *system) {
    static const char *const tasks[] = {"任务：选择意图\n", "Task: choose an intent\n"};
    for (size_t i = 0; i < GLIM_COUNT(tasks); i++)
        if (strncmp(system, tasks[i], strlen(tasks[i])) == 0) return system + strlen(tasks[i]);
    return NULL;
}

/* Whether text is the list's last line and names `none` at its end: "If none fits, write none." */
static bool names_none(const char *text) {
    size_t n = strlen(text);
    while (n && (isspace((unsigned char)text[n - 1]) || text[n - 1] == '.')) n--;
    return n >= 4 && memcmp(text + n - 4, "none", 4) == 0 && !memchr(text, '\n', n);
}

glim_status glim_offer_new(glim_offer **out, const char *system, const char *request, size_t n, const glim_sense *sense, glim_err *err) {
    const char *text = behind_task(system);
    *out = NULL;
    if (!text) return GLIM_OK;
    glim_offer *l = NULL;
    words *line = NULL, asked = {.n = 0};
    glim_sense_thing thing[MOST];
    void *mem;
    size_t n_lines = 0;
    glim_status rc = glim_try_calloc(&mem, 1, sizeof *l, "labels", err);
    if (rc == GLIM_OK) l = mem, rc = glim_try_calloc(&mem, MOST, sizeof *line, "the words of labels", err);
    if (rc == GLIM_OK) line = mem, l->list = json_array();
    bool fine = rc == GLIM_OK && l->list, none = false; /* none: the last one is `none` */
    while (fine && *text) {
        const char *next = strchrnul(text, '\n'), *end = next;
        if (end > text && end[-1] == '\r') end--;
        if (strncmp(text, "- ", 2) == 0) {
            const char *name = text + 2, *colon = memchr(name, ':', (size_t)(end - name));
            fine = json_array_append_new(l->list, json_stringn_nocheck(name, (size_t)((colon ? colon : end) - name))) == 0;
            if (n_lines < MOST) {
                thing[n_lines] = (glim_sense_thing){name, (size_t)(end - name)};
                read_words(&line[n_lines++], name, (size_t)(end - name));
            }
        } else if (names_none(text)) {
            none = true;
            fine = json_array_append_new(l->list, json_string("none")) == 0;
            break;
        }
        text = *next ? next + 1 : next;
    }
    const size_t n_labels = fine ? json_array_size(l->list) : 0;
    if (rc == GLIM_OK && !fine) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate labels");
    if (rc == GLIM_OK && n_labels >= 2) rc = glim_try_calloc(&mem, n_labels, sizeof *l->cost, "what labels cost", err);
    if (rc == GLIM_OK && n_labels >= 2) {
        double share[MOST] = {0};
        l->cost = mem;
        read_words(&asked, request, n);
        compare(share, line, n_lines, &asked);
        for (size_t i = 0; i < n_labels; i++) {
            const double part = i >= n_lines ? 0 : share[i] < 1 ? share[i] : 1;
            l->cost[i] = none && i + 1 == n_labels ? SHARED + NONE : SHARED * (1 - part);
        }
        if (sense) {
            double means[MOST], left = 0;
            bool any = false;
            rc = glim_sense_shares(means, &left, &any, sense, "intent", thing, n_lines, request, n, err);
            for (size_t i = 0; rc == GLIM_OK && any && i < n_labels; i++) l->cost[i] += SENSE * glim_sense_cost(i < n_lines ? means[i] : left);
            if (any && none && rc == GLIM_OK) l->cost[n_labels - 1] += NONE;
        }
        l->priced = glim_priced_of(l->list, l->cost);
        if (l->priced.other < SHARED + NONE) l->priced.other = SHARED + NONE;
        if (rc == GLIM_OK) {
            *out = l;
            l = NULL;
        }
    }
    free(line);
    glim_offer_free(l);
    return rc;
}

void glim_offer_free(glim_offer *l) {
    if (!l) return;
    json_decref(l->list);
    free(l->cost);
    free(l);
}

const json_t *glim_offer_labels(const glim_offer *l) { return l->list; }

double glim_offer_cost(void *offer, const char *text, size_t n, bool ends) {
    glim_offer *l = offer;
    return glim_priced_cost(&l->priced, text, n, ends);
}
