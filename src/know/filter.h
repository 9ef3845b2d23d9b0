/* filter.h - what a question asks of the table: conditions, order, counts, the attributes it names. Chinese and English.
 *
 * "2000元以下的红色手机" is price <= 2000, colour = 红色, category = 手机; "cheapest" orders by price; "有货" wants stock. Every
 * such part is answered from typed cells, never from prose. What the question says beyond them is left in `rest`. */
#ifndef GLIM_KNOW_FILTER_H
#define GLIM_KNOW_FILTER_H

#include "know/library.h"

typedef enum glim_cond_op { GLIM_COND_IS, GLIM_COND_IS_NOT, GLIM_COND_LT, GLIM_COND_LE, GLIM_COND_GT, GLIM_COND_GE, GLIM_COND_HAS, GLIM_COND_HAS_NOT, GLIM_COND_SPANS /* the year lies in the cell's range */ } glim_cond_op;

typedef struct glim_cond {
    int col;
    glim_cond_op op;
    double a;       /* of the four comparisons and of SPANS */
    uint16_t value; /* of an enum */
    bool stated;    /* an empty cell does not fit, though it is not the value either */
    uint16_t bare;  /* while a question is read: 1 + the item of a figure that only its unit gave the column, or 0 */
    bool about;     /* "2000元的手机": one of the two bounds around a figure */
} glim_cond;

enum { GLIM_FILTER_CONDS = 16, GLIM_FILTER_ASKS = 8 };

typedef struct glim_filter {
    bool zh;
    glim_cond cond[GLIM_FILTER_CONDS]; /* all must hold; IS of one column: one of them */
    size_t n_cond;
    int sort;                          /* a column, or -1 */
    bool most;                         /* largest first */
    bool top;                          /* the order is a superlative: "cheapest" */
    int sort2;                         /* "the cheapest and the lightest": another superlative's column, or -1 */
    bool most2;
    bool more;                         /* the order is a comparative: "cheaper", "更大" */
    bool count, mean;                  /* how many; the average of what is asked */
    bool list, self, compare;          /* several are wanted; "this one"; two against each other */
    size_t limit;                      /* so many are wanted, "the two cheapest", or 0 */
    bool yes_no;                       /* it can be answered with yes or no, whatever else is asked */
    bool whether;                      /* answered with yes or no: "是…吗", "is it .." */
    bool than;                         /* the order is one against a product: "cheaper than this" */
    bool without;                      /* a no is said of words that no item is: "不吃牛肉", "no pork". Rows with these words are no answer */
    bool of_it;                        /* it asks whether something is so of a thing, "can I", "is it", "能…吗", and not whether there is one */
    bool of_something_else;            /* where, who, why, or what may be done: a description is no answer */
    bool scattered;                    /* the words that no condition read stand in rows, and in no row all of them */
    size_t n_warned;                   /* rows that have the words and warn of them, and are left out for that */
    bool unread;                       /* "not for 2019" and "before 2017" of ranges of years, "can it be frozen" of what is called "frozen": not answered */
    bool offer;                        /* a price that the customer would pay, "五块行吗": no bound */
    bool unlisted;                     /* something makes the customer ill, and it is no value of a column about that */
    bool goods;                        /* the rows are called by a word for all of them: "dishes", "商品" */
    bool with;                         /* a column that can be had is an attribute: "with breakfast", and not "breakfast" */
    bool every;                        /* all values of a column that holds several: "in black and white" */
    bool kind_with;                    /* a kind comes with something: "does the L9 come with a charger" */
    bool figure;                       /* a figure with a unit that no column has: "65W" */
    int ask[GLIM_FILTER_ASKS];         /* columns named otherwise than in a condition */
    size_t n_ask;
    glim_buf words;                    /* the question less attributes, conditions on numbers and words that say nothing */
    glim_buf had;                      /* the words by which columns that can be had are named: "早餐" */
    glim_buf part;                     /* the part of a thing that is asked for, "弓", or nothing */
    glim_buf denied;                   /* what `without` is said of */
    glim_buf rest;                     /* the same less the values of enums */
} glim_filter;

/* f starts as {0} or as parsed before; storage is kept. Errors: GLIM_E_LIMIT (a question over 4096 bytes), GLIM_E_NOMEM. */
glim_status glim_filter_parse(glim_filter *f, const glim_lib *l, const char *question, size_t n, glim_err *err);
/* The same for a question that was folded or respelt: `typed` still has the marks on its letters, by which values are told apart. */
glim_status glim_filter_parse_as(glim_filter *f, const glim_lib *l, const char *question, size_t n, const char *typed, size_t n_typed, glim_err *err);
void glim_filter_deinit(glim_filter *f);

bool glim_filter_keep(const glim_lib *l, const glim_filter *f, uint32_t row);
/* One condition; IS of one value. */
bool glim_cond_holds(const glim_lib *l, const glim_cond *c, uint32_t row);
/* Is there a value, and is it another than "no"? */
bool glim_lib_has(const glim_lib *l, uint32_t row, size_t col);
/* The rows that are kept, in the order that is asked for (rows without a value last, equal ones as they stand). At most
 * `limit` go to out; *n_all counts them all. */
glim_status glim_filter_rows(const glim_lib *l, const glim_filter *f, const uint32_t *among, size_t n_among, uint32_t *out, size_t limit, size_t *n_out,
                             size_t *n_all, glim_err *err);
/* "price <= 2000 CNY, colour: red; cheapest first": for people. */
void glim_filter_show(glim_buf *out, const glim_lib *l, const glim_filter *f);

#endif
