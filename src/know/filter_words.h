/* filter_words.h - the words of questions: what a column may be about, comparisons, superlatives. Folded, Chinese and English. */
#ifndef GLIM_KNOW_FILTER_WORDS_H
#define GLIM_KNOW_FILTER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* What columns are about, in any business. A column has a concept if one of its names is one of the words. */
typedef enum glim_concept {
    GLIM_CONCEPT_PRICE,
    GLIM_CONCEPT_STOCK,
    GLIM_CONCEPT_COLOUR,
    GLIM_CONCEPT_BRAND,
    GLIM_CONCEPT_KIND,
    GLIM_CONCEPT_WEIGHT,
    GLIM_CONCEPT_SCREEN,
    GLIM_CONCEPT_BATTERY,
    GLIM_CONCEPT_MEMORY,
    GLIM_CONCEPT_STORAGE,
    GLIM_CONCEPT_RATING,
    GLIM_CONCEPT_RELEASED,
    GLIM_CONCEPT_WARRANTY,
    GLIM_CONCEPT_SIZE,
    GLIM_CONCEPT_MATERIAL,
    GLIM_CONCEPT_ORIGIN,
    GLIM_CONCEPT_PHONE,
    GLIM_CONCEPT_ADDRESS,
    GLIM_CONCEPT_HOURS,
    GLIM_CONCEPT_SPICY,
    GLIM_CONCEPT_CALORIES,
    GLIM_CONCEPT_PEOPLE,
    GLIM_CONCEPT_BED,
    GLIM_CONCEPT_BREAKFAST,
    GLIM_CONCEPT_AREA,
    GLIM_CONCEPT_WARM_CHARGE,
    GLIM_CONCEPT_WATER,
    GLIM_CONCEPT_DESCRIPTION,
    GLIM_CONCEPT_LENGTH,
    GLIM_CONCEPT_WIDTH,
    GLIM_CONCEPT_HEIGHT,
    GLIM_CONCEPT_DEPTH,
    GLIM_CONCEPT_DIAMETER,
    GLIM_CONCEPT_AUTHOR,
    GLIM_CONCEPT_PAGES,
    GLIM_CONCEPT_LANGUAGE,
    GLIM_CONCEPT_YEAR,
    GLIM_CONCEPT_ALCOHOL,
    GLIM_CONCEPT_POWER,
    GLIM_CONCEPT_AGE,
    GLIM_CONCEPT_DURATION,
    GLIM_CONCEPT_START,
    GLIM_CONCEPT_TEACHER,
    GLIM_CONCEPT_PLACE,
    GLIM_CONCEPT_DELIVERY,
    GLIM_CONCEPT_SHELF_LIFE,
    GLIM_CONCEPT_EXPIRY,
    GLIM_CONCEPT_FLOWERING,
    GLIM_CONCEPT_MILEAGE,
    GLIM_CONCEPT_DOSAGE,
    GLIM_CONCEPT_THICKNESS,
    GLIM_CONCEPT_END,
    GLIM_N_CONCEPT
} glim_concept;

typedef struct glim_concept_words {
    const char *zh, *en;          /* what a column is called where a table names it in one language only */
    const char *const *word;      /* NULL-ended, folded: mean the column in a question */
} glim_concept_words;
extern const glim_concept_words glim_concepts[GLIM_N_CONCEPT];

/* The concept of a column's folded name, or -1. */
int glim_concept_of(const char *folded);

typedef enum glim_word_kind {
    GLIM_WORD_LE_BEFORE, /* "under 2000", "低于2000": what follows is a bound */
    GLIM_WORD_GE_BEFORE,
    GLIM_WORD_LT_BEFORE,
    GLIM_WORD_GT_BEFORE,
    GLIM_WORD_LE_BEHIND, /* "2000以下" */
    GLIM_WORD_GE_BEHIND,
    GLIM_WORD_ABOUT,     /* on either side: ten per cent around */
    GLIM_WORD_BETWEEN,   /* "between", "from": the range follows */
    GLIM_WORD_TO,        /* between the two numbers of a range */
    GLIM_WORD_MOST,      /* superlatives: the largest value of a column */
    GLIM_WORD_LEAST,
    GLIM_WORD_COUNT,     /* how many there are */
    GLIM_WORD_MEAN,
    GLIM_WORD_NOT,
    GLIM_WORD_NOT_BEHIND, /* behind a value: "花生过敏", "peanut-free" */
    GLIM_WORD_IN_STOCK,
    GLIM_WORD_NO_STOCK,
    GLIM_WORD_HAS,       /* "with", "支持" */
    GLIM_WORD_LIST,      /* asks for several: "which", "有哪些" */
    GLIM_WORD_THIS,      /* the product in view: "这款", "it" */
    GLIM_WORD_THAN,      /* "cheaper than this", "比它轻" */
    GLIM_WORD_COMPARE,   /* "difference", "哪个更" */
    GLIM_WORD_GOODS,     /* what rows are called in any business, or in this one's: "dishes", "商品" */
    GLIM_WORD_FREE,      /* costs nothing: only where a price is nothing */
    GLIM_WORD_FILLER     /* says nothing about a product */
} glim_word_kind;

enum { GLIM_WORD_ALONE = -2 }; /* for a concept: the one character is a word only where it is no part of another one, "菜" of "酸菜" */

typedef struct glim_word {
    const char *text;
    glim_word_kind kind;
    int concept;         /* of a superlative or comparison: the column it is about, or -1 for the one named beside it */
} glim_word;
extern const glim_word glim_words[];
extern const size_t glim_n_words;

#endif
