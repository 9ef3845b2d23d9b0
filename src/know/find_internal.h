/* find_internal.h - what the files that find rows share: find.c finds them by words and names, find_near.c says which models there
 * are not. */
#ifndef GLIM_KNOW_FIND_INTERNAL_H
#define GLIM_KNOW_FIND_INTERNAL_H

#include "know/find.h"
#include "know/index_internal.h"

enum { MAX_KEYS = 512 };

/* The terms of a text by which it is compared: words, pairs of CJK characters, single ones that stand alone. */
typedef struct keys {
    uint64_t key[MAX_KEYS];
    float idf[MAX_KEYS];
    bool pair[MAX_KEYS];
    uint32_t at[MAX_KEYS]; /* the term it begins with: pairs at i and i + 1 overlap */
    size_t n;
} keys;

struct glim_find {
    const glim_lib *l;
    glim_index *ix;
    glim_index_work *w;
    glim_terms cut;
    glim_buf row;
    keys text, name, rest;
};

#endif
