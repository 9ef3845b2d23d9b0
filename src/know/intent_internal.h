/* intent_internal.h - what the files of intent recognition share.
 *
 *   intent.c        a model at work: features weighed, scores, the answer
 *   intent_feat.c   a text to hashed features
 *   intent_train.c  the classifiers: many squared-hinge machines at once
 *   intent_fit.c    training as a whole: folds, calibration, the threshold
 *   intent_calib.c  how likely the best label is right
 *   intent_file.c   the model as a file
 *   intent_eval.c   figures over a test set */
#ifndef GLIM_KNOW_INTENT_INTERNAL_H
#define GLIM_KNOW_INTENT_INTERNAL_H

#include "base/alloc.h"
#include "know/intent.h"
#include "know/terms.h"

/* Kinds of features. Each kind of a text is scaled to length 1 and weighed by itself, so that forty character n-grams
 * do not outvote four words. */
enum {
    GLIM_FEAT_WORD,  /* a word, or a CJK character */
    GLIM_FEAT_PAIR,  /* two in a row, with the ends of the text; CJK bigrams are among them */
    GLIM_FEAT_SKIP,  /* two words in either order, not in a row */
    GLIM_FEAT_CHARS, /* 3 to 5 characters inside " word ", three CJK characters in a row */
    GLIM_N_FEAT
};

typedef struct glim_feat {
    uint64_t key; /* a hash; the low two bits are the kind */
    float v;      /* how often in the text */
} glim_feat;

typedef struct glim_feats {
    glim_feat *v; /* [n], ascending keys, no key twice */
    size_t n, cap;
    glim_terms terms;
} glim_feats;

/* Replaces what f holds; storage is kept. Texts of more than GLIM_INTENT_MAX_BYTES are cut there, at a character. */
glim_status glim_feats_make(glim_feats *f, const char *text, size_t len, glim_err *err);
void glim_feats_free(glim_feats *f);

/* Keys to rows. Open addressing, a power of two of slots; row + 1, 0 is empty. */
typedef struct glim_featmap {
    uint64_t *key;  /* [n] by row */
    uint32_t *slot; /* [n_slots] */
    size_t n, cap, n_slots;
} glim_featmap;

uint32_t glim_featmap_find(const glim_featmap *m, uint64_t key); /* UINT32_MAX: not there */
glim_status glim_featmap_add(glim_featmap *m, uint64_t key, uint32_t *row, glim_err *err);
void glim_featmap_free(glim_featmap *m);

/* Rows of features in compressed form. */
typedef struct glim_rows {
    size_t n, cap, n_val, cap_val;
    size_t *at;    /* [n + 1] */
    uint32_t *idx; /* [n_val] */
    float *val;
} glim_rows;
glim_status glim_rows_push(glim_rows *r, const uint32_t *idx, const float *val, size_t n, glim_err *err);
void glim_rows_free(glim_rows *r);

/* How counts become the numbers that the classifiers see.
 *
 *   x = (1 + log count) * idf^idf_power, then a kind's part is divided by its length^level and multiplied by kind[],
 *   then the whole is divided by its length. The length counts features nobody has seen as well, as the rarest there are:
 *   scores of a sentence in unknown words are small, and that is what "out of scope" rests on. */
typedef struct glim_weigh {
    float idf_power, level, kind[GLIM_N_FEAT];
} glim_weigh;

/* df [map rows]: examples that have the feature, 0: unknown. n_docs: all of them. Writes the known ones to idx and val
 * (room for f->n) and returns how many. */
size_t glim_weigh_text(const glim_weigh *g, const glim_feats *f, const glim_featmap *map, const uint32_t *df, uint32_t n_docs,
                       uint32_t *idx, float *val);

enum { GLIM_N_CALIB = 4 };

struct glim_intent {
    char **label;  /* [n_labels], the last one is GLIM_INTENT_OOS where has_oos */
    size_t n_labels, width;
    bool has_oos;
    glim_featmap map;
    uint32_t *df;  /* [map.n] */
    uint32_t n_docs;
    glim_weigh weigh;
    float *w;      /* [map.n, width], each row a multiple of its scale by -127 to 127 */
    float *scale;  /* [map.n] */
    float temperature, threshold;
    float calib[GLIM_N_CALIB];
};

/* Rounds w to what the file holds. */
glim_status glim_intent_round(glim_intent *m, glim_err *err);
/* Softmax of scores over labels. */
void glim_intent_softmax(float *p, const float *score, size_t n, float temperature);

/* What the scores say of the best of n_in labels, p_best being its softmax. */
void glim_calib_look(float x[GLIM_N_CALIB], const float *score, size_t n_in, size_t best, float p_best);
float glim_calib_p(const float w[GLIM_N_CALIB], const float x[GLIM_N_CALIB]);
/* x [n, GLIM_N_CALIB], right [n]: was the best label the right one? */
void glim_calib_fit(float w[GLIM_N_CALIB], const float *x, const bool *right, size_t n);

#endif
