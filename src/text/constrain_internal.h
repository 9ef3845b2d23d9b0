/* constrain_internal.h - the parts of constrained decoding; constrain.h tells how they fit together.
 *
 *   constrain_dfa.c      automata over bytes: from NFAs, from step functions, products
 *   constrain_regex.c    ECMA-262 regular expressions and named formats to NFAs
 *   constrain_number.c   digit automata for integers and numbers within bounds
 *   constrain_string.c   JSON strings without a pattern, counted in characters
 *   constrain_vocab.c    the vocabulary as a trie, tables of how its tokens run through strings
 *   constrain_grammar.c  nodes of the pushdown automaton
 *   schema.c             JSON schema to alternatives without references; schema_build.c: to nodes
 *   said.c               runs and numbers of a request, as automata
 *   constrain_tools.c    tool calls and reasoning around them
 *   constrain_machine.c  configurations, frames, states, steps
 *   constrain_mask.c     masks of states
 *   constrain.c          the calls of constrain.h, the cache of compiled grammars */
#ifndef GLIM_TEXT_CONSTRAIN_INTERNAL_H
#define GLIM_TEXT_CONSTRAIN_INTERNAL_H

#include <pthread.h>

#include "base/alloc.h"
#include "text/constrain.h"

/* ---- limits ------------------------------------------------------------------------------------ */

enum {
    GLIM_CON_MAX_SCHEMA = 1 << 20, /* bytes of JSON */
    GLIM_CON_MAX_NODES = 1000000,
    GLIM_CON_MAX_ALTS = 256,       /* alternatives of one schema once allOf, anyOf and $ref are worked out */
    GLIM_CON_MAX_DEPTH = 64,       /* nested containers in the output; what glim_json_parse reads back */
    GLIM_CON_NEST = 128,           /* schemas within schemas */
    GLIM_CON_MAX_CHARS = 1 << 24,  /* largest bound on a string's length that is counted */
    GLIM_CON_TOKEN_BYTES = 1024    /* longer tokens are never chosen */
};
#define GLIM_CON_WORK ((uint64_t)60000000) /* automaton steps of one compilation: below a second */
#define GLIM_CON_DFA_BYTES ((size_t)64 << 20)

/* What one compilation may still use. */
typedef struct glim_con_budget {
    uint64_t work;
    size_t states, bytes;
} glim_con_budget;

/* Makes room for `need` elements in *p, whose capacity is *cap. False when memory is refused. */
bool glim_con_grow(void **p, size_t *cap, size_t need, size_t size);
glim_status glim_con_nomem(glim_err *err);

/* ---- sets of bytes ------------------------------------------------------------------------------- */

typedef struct glim_bytes {
    uint64_t w[4];
} glim_bytes;
static inline bool glim_bytes_has(const glim_bytes *s, unsigned b) { return s->w[b >> 6] >> (b & 63) & 1; }
static inline void glim_bytes_add(glim_bytes *s, unsigned b) { s->w[b >> 6] |= (uint64_t)1 << (b & 63); }
static inline void glim_bytes_or(glim_bytes *s, const glim_bytes *t) {
    for (int i = 0; i < 4; i++) s->w[i] |= t->w[i];
}

/* ---- automata over bytes (constrain_dfa.c) -------------------------------------------------------- */

#define GLIM_DFA_DEAD UINT32_MAX

/* Deterministic and trimmed: every state can still reach acceptance, so a walk that is alive can be
 * finished. State 0 begins. n == 0: nothing is accepted. */
typedef struct glim_dfa {
    uint32_t n, n_class;
    uint8_t cls[256];
    uint32_t *next;     /* [n][n_class] */
    uint8_t *accept;    /* [n] GLIM_DFA_ACCEPTS, GLIM_DFA_GOES_ON */
    glim_bytes *first;  /* [n] bytes that lead on */
    glim_bytes exits;   /* bytes that may follow it in any grammar: all, unless the builder knows better */
    uint64_t uid;       /* of all automata of this process */
    size_t n_bytes;
} glim_dfa;
enum { GLIM_DFA_ACCEPTS = 1, GLIM_DFA_GOES_ON = 2 };

static inline uint32_t glim_dfa_step(const glim_dfa *d, uint32_t s, uint8_t b) {
    return d->next[(size_t)s * d->n_class + d->cls[b]];
}
void glim_dfa_free(glim_dfa *d); /* takes NULL */
bool glim_dfa_matches(const glim_dfa *d, const char *s, size_t n);

/* A machine given by functions: all states that can be reached are written down. States are any 64 bits
 * but UINT64_MAX, which is dead. */
typedef struct glim_dfa_machine {
    uint64_t start;
    uint64_t (*step)(const void *ctx, uint64_t state, uint8_t byte);
    bool (*accepts)(const void *ctx, uint64_t state);
    const void *ctx;
    const uint8_t *cls; /* [256] bytes that behave alike, or NULL: each its own */
    unsigned n_class;
} glim_dfa_machine;
glim_status glim_dfa_explore(glim_dfa **out, const glim_dfa_machine *m, glim_con_budget *b, glim_err *err);
/* What both accept; with `minus`, what a accepts and b does not. */
glim_status glim_dfa_product(glim_dfa **out, const glim_dfa *a, const glim_dfa *b, bool minus,
                             glim_con_budget *budget, glim_err *err);

/* How characters are spelled. JSON: inside a string literal, each character in one way only (raw where
 * that is allowed, else \" \\ \b \f \n \r \t, else \u00xx), so that equal bytes are equal strings. RAW: UTF-8
 * without control characters but tab and line breaks. */
typedef enum glim_spelling { GLIM_SPELL_JSON, GLIM_SPELL_RAW } glim_spelling;

typedef struct glim_nfa_edge {
    uint32_t to, next; /* next: of the same state's edges, UINT32_MAX ends the list */
    uint8_t kind, lo, hi;
} glim_nfa_edge;
enum { GLIM_NFA_BYTES, GLIM_NFA_EPS, GLIM_NFA_BEGIN, GLIM_NFA_END };

typedef struct glim_nfa {
    glim_nfa_edge *edge;
    size_t n_edges, cap_edges;
    uint32_t *head; /* [n] first edge */
    size_t n, cap;
    size_t limit; /* states; beyond it `full` is set */
    bool failed, full;
} glim_nfa;
uint32_t glim_nfa_state(glim_nfa *a);
void glim_nfa_edge_add(glim_nfa *a, uint32_t from, uint32_t to, int kind, uint8_t lo, uint8_t hi);
/* One character of lo..hi (code points; surrogates are left out). */
void glim_nfa_chars(glim_nfa *a, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi, glim_spelling sp);
void glim_nfa_literal(glim_nfa *a, uint32_t from, uint32_t to, const char *s, size_t n);
void glim_nfa_free(glim_nfa *a);
glim_status glim_dfa_from_nfa(glim_dfa **out, const glim_nfa *a, uint32_t start, uint32_t final,
                              glim_con_budget *b, glim_err *err);
/* Exactly these texts. */
glim_status glim_dfa_words(glim_dfa **out, const char *const *words, const size_t *lens, size_t n,
                           glim_con_budget *b, glim_err *err);

/* ---- strings (constrain_regex.c, constrain_string.c) -------------------------------------------------- */

#define GLIM_NO_MAX UINT32_MAX

/* The language of a string's spelling: every pattern (search, as JSON schema means it), every format, and
 * min..max characters. JSON: with the quotes around it. */
typedef struct glim_string_rules {
    const char *const *patterns;
    const size_t *pattern_lens;
    size_t n_patterns;
    const char *const *formats;
    size_t n_formats;
    uint32_t min, max;
} glim_string_rules;
/* Errors: UNSUPPORTED (what in the pattern), FORMAT (not a pattern), LIMIT. */
glim_status glim_dfa_string(glim_dfa **out, const glim_string_rules *r, glim_spelling sp,
                            glim_con_budget *b, glim_err *err);
bool glim_format_known(const char *name);
/* UTF-8 without control characters that nowhere holds `stop`; whole characters only. */
glim_status glim_dfa_raw_text(glim_dfa **out, const char *stop, glim_con_budget *b, glim_err *err);
/* Any bytes that do not hold `stop`; or, up_to, that end with the first one. */
glim_status glim_dfa_bytes(glim_dfa **out, const char *stop, bool up_to, glim_con_budget *b, glim_err *err);

/* Places inside a JSON string literal. */
enum {
    GLIM_STR_OPEN, /* the quote is due */
    GLIM_STR_BODY, /* between two characters */
    GLIM_STR_DONE, /* the closing quote was read */
    GLIM_STR_LESS, /* between two characters, the last was "<" and "/" may not follow */
    GLIM_N_STR = 25,
    GLIM_STR_DEAD = 31
};
/* VALUE: any escape that is one, surrogates in pairs. KEY: the one spelling of GLIM_SPELL_JSON, no \u. The XML modes do
 * not write "</" (but may write "<\/"), so that no string can spell the tag that ends an argument. */
typedef enum glim_str_mode { GLIM_STR_VALUE, GLIM_STR_KEY, GLIM_STR_XML_VALUE, GLIM_STR_XML_KEY, GLIM_N_STR_MODE } glim_str_mode;
/* Whether a character may begin at a place. */
static inline bool glim_str_between(unsigned place) { return place == GLIM_STR_BODY || place == GLIM_STR_LESS; }
typedef struct glim_str_table {
    uint8_t to[GLIM_N_STR_MODE][GLIM_N_STR][256]; /* GLIM_STR_DEAD: no */
    glim_bytes first[GLIM_N_STR_MODE][GLIM_N_STR];
} glim_str_table;
const glim_str_table *glim_str_tables(void); /* built once */

/* ---- numbers (constrain_number.c) ---------------------------------------------------------------- */

typedef struct glim_bound {
    bool set, exclusive;
    const json_t *value; /* a number */
} glim_bound;
typedef struct glim_number_rules {
    bool integer;
    glim_bound lo, hi, lo2, hi2; /* minimum and exclusiveMinimum may both be there */
    uint32_t multiple;           /* integers only; 0: any */
} glim_number_rules;
glim_status glim_dfa_number(glim_dfa **out, const glim_number_rules *r, glim_con_budget *b, glim_err *err);
/* -1, 0, 1 as JSON numbers a and b compare, exactly. */
int glim_number_cmp(const json_t *a, const json_t *b);

/* ---- the vocabulary (constrain_vocab.c) ------------------------------------------------------------- */

/* A trie in preorder: the subtree of node i is [i, skip). Tokens are sorted by their bytes, so that those
 * below a node are order[first .. node[skip].first). The root is node 0. */
typedef struct glim_vocab_node {
    uint32_t skip, first;
    uint16_t depth;
    uint8_t byte;
    uint8_t ends; /* tokens that end here: order[first .. first + ends) */
} glim_vocab_node;

/* A token that leaves a string before its end: what follows, tok[off..], is up to the context. */
typedef struct glim_vocab_exit {
    uint32_t tok;
    uint32_t chars;    /* characters before the closing quote */
    uint16_t off, lcp; /* lcp: bytes that its rest shares with the rest of the exit before */
} glim_vocab_exit;

enum { GLIM_STR_CHARS = 32 };
/* How tokens run through a string literal from one place. */
typedef struct glim_vocab_str {
    uint32_t *stay[GLIM_STR_CHARS + 1]; /* bits: inside to the token's end, at most that many characters */
    uint32_t *all;                      /* bits: inside to the end, or closing with the token's last byte */
    glim_vocab_exit *longer, *close, *exit;
    size_t n_longer, n_close, n_exit; /* inside but longer; closing with the last byte; closing before it */
} glim_vocab_str;

/* What a terminal allows from one of its states on, whatever stands around it. */
typedef struct glim_leaf_mask {
    uint64_t uid;
    uint32_t state;
    uint32_t *bits;
    uint32_t *exit; /* nodes of the trie at which it may be left, when tokens go on below them */
    size_t n_exit, bytes;
    struct glim_leaf_mask *newer, *older, *chain;
} glim_leaf_mask;

typedef enum glim_common { /* automata that every grammar shares */
    GLIM_COMMON_SPACE,     /* white space between tokens of JSON */
    GLIM_COMMON_WORDS,     /* null, true, false */
    GLIM_COMMON_NULL,
    GLIM_COMMON_BOOL,
    GLIM_COMMON_INTEGER,
    GLIM_COMMON_NUMBER,
    GLIM_COMMON_RAW,    /* raw text without </arg_value> and </tool_call> */
    GLIM_COMMON_NO_END, /* any bytes without </arg_value> */
    GLIM_COMMON_NO_THINK,  /* any bytes without </think> */
    GLIM_COMMON_TO_THINK,  /* any bytes up to the first </think> and with it */
    GLIM_COMMON_NO_CALL,   /* the same for <tool_call> */
    GLIM_COMMON_TO_CALL,
    GLIM_COMMON_XKEY,   /* an argument's name in XML-like calls */
    GLIM_N_COMMON
} glim_common;

struct glim_constraint_vocab {
    const glim_tok *tok;
    size_t n, n_words; /* ids, words of a mask */
    glim_vocab_node *node;
    size_t n_nodes, max_len;
    uint32_t *order;
    size_t n_order;
    const char **text; /* [n] bytes of text tokens, NULL for others */
    uint16_t *len;
    uint32_t root[256]; /* child of the root, or 0 */
    uint32_t *quotes;   /* tokens with three quotes or more: they can hold a whole key after the end of another */
    size_t n_quotes;
    glim_vocab_str str[GLIM_N_STR_MODE][2]; /* from OPEN, from BODY */
    int32_t *stop;
    size_t n_stop;
    pthread_mutex_t lock; /* of what follows */
    glim_dfa *common[GLIM_N_COMMON];
    glim_leaf_mask **bucket;
    size_t n_bucket, leaf_bytes, leaf_limit;
    glim_leaf_mask *newest, *oldest;
};
/* A shared automaton; it lives as long as the vocabulary. NULL: no memory. */
const glim_dfa *glim_vocab_common(glim_constraint_vocab *v, glim_common which, glim_err *err);
/* Calls fn with the mask of a terminal, which stays valid during the call only. False: no memory. */
bool glim_vocab_leaf(glim_constraint_vocab *v, const glim_dfa *d, uint32_t state,
                     void (*fn)(void *ctx, const glim_leaf_mask *m), void *ctx);
static inline void glim_bit_set(uint32_t *bits, uint32_t id) { bits[id / 32] |= (uint32_t)1 << (id % 32); }
static inline bool glim_bit_has(const uint32_t *bits, uint32_t id) { return bits[id / 32] >> (id % 32) & 1; }

/* ---- nodes (constrain_grammar.c) --------------------------------------------------------------------- */

#define GLIM_NO_NODE UINT32_MAX

typedef enum glim_node_kind {
    GLIM_NODE_LIT,    /* terminal: text[0..len); data: bytes read */
    GLIM_NODE_DFA,    /* terminal: data: state */
    GLIM_NODE_STR,    /* terminal: string of min..max characters; data: characters << 5 | place. `mode` for it and KEY */
    GLIM_NODE_KEY,    /* terminal: key that is none of `names` and none seen before; data: bytes so far << 5 | place */
    GLIM_NODE_TOKEN,  /* terminal: the control token id */
    GLIM_NODE_ACCEPT, /* the answer may end */
    GLIM_NODE_SPLIT,  /* a or b */
    GLIM_NODE_CALL,   /* body, then next; `deeper` if the body is a container */
    GLIM_NODE_RETURN,
    GLIM_NODE_COUNT   /* data elements are there: body for one more, next if there may be no more */
} glim_node_kind;

typedef struct glim_node {
    uint8_t kind, deeper, mode;
    uint16_t height; /* containers that have to be opened from here on until this rule returns */
    uint32_t next, b; /* SPLIT: next or b. CALL, COUNT: b is the body */
    uint32_t min, max; /* STR, COUNT. TOKEN: min is the id */
    union {
        const glim_dfa *dfa;
        const char *text;
        const struct glim_keyset *names;
    } u;
    size_t len; /* LIT. COUNT: the fewest elements it is reached with */
} glim_node;
#define GLIM_HEIGHT_NEVER UINT16_MAX

/* Names as a trie over their spelling between quotes. Node 0 is the root. */
typedef struct glim_keyset {
    struct glim_keyset_node {
        uint32_t child, sibling;
        uint8_t byte;
        bool ends;
    } *node;
    size_t n, cap;
} glim_keyset;
static inline uint32_t glim_keyset_step(const glim_keyset *t, uint32_t at, uint8_t b) {
    for (uint32_t c = t->node[at].child; c; c = t->node[c].sibling)
        if (t->node[c].byte == b) return c;
    return 0;
}

typedef struct glim_grammar {
    glim_constraint_vocab *vocab;
    glim_node *node;
    size_t n, cap;
    uint32_t root;
    glim_dfa **dfa; /* owned */
    size_t n_dfa, cap_dfa;
    glim_keyset **names; /* owned */
    size_t n_names, cap_names;
    glim_arena arena; /* literals */
    const glim_said *said; /* while it is made; NULL: values are the schema's alone */
    struct glim_said_runs { /* of these, by length in characters; form: as JSON, as JSON inside an argument, as an argument */
        const glim_dfa *dfa; /* owned like the others; NULL: none */
        uint32_t min, max;
        uint8_t form;
        bool too_many;
    } runs[16];
    size_t n_runs;
    glim_con_budget budget;
    size_t bytes; /* of all of it, about */
    bool failed, full;
} glim_grammar;
void glim_grammar_free(glim_grammar *g);
/* Each makes a node; GLIM_NO_NODE (and failed or full) when it cannot. `next` may be set later. */
uint32_t glim_node_lit(glim_grammar *g, const char *s, size_t n, uint32_t next);
uint32_t glim_node_dfa(glim_grammar *g, const glim_dfa *d, uint32_t next);
uint32_t glim_node_str(glim_grammar *g, glim_str_mode mode, uint32_t min, uint32_t max, uint32_t next);
uint32_t glim_node_key(glim_grammar *g, glim_str_mode mode, const glim_keyset *names, uint32_t next);
uint32_t glim_node_token(glim_grammar *g, int32_t id, uint32_t next);
uint32_t glim_node_call(glim_grammar *g, uint32_t body, bool deeper, uint32_t next);
uint32_t glim_node_count(glim_grammar *g, uint32_t base, uint32_t min, uint32_t max, uint32_t more, uint32_t done);
uint32_t glim_node_simple(glim_grammar *g, glim_node_kind k); /* ACCEPT, RETURN */
/* Either; GLIM_NO_NODE as an argument is no alternative. */
uint32_t glim_node_split(glim_grammar *g, uint32_t a, uint32_t b);
/* Takes the automaton over. */
const glim_dfa *glim_grammar_own(glim_grammar *g, glim_dfa *d);
glim_keyset *glim_grammar_keyset(glim_grammar *g);
void glim_keyset_add(glim_grammar *g, glim_keyset *t, const char *s, size_t n);
/* Works out heights. Errors: FORMAT when nothing can be said at all; NOMEM; LIMIT. */
glim_status glim_grammar_finish(glim_grammar *g, glim_err *err);

/* schema_build.c: a value of this schema, without white space around it, then RETURN. `what` begins messages
 * ("schema", "parameters of tool \"f\""). */
glim_status glim_grammar_schema(glim_grammar *g, const json_t *schema, const char *what, bool lenient,
                                uint32_t *body, glim_err *err);
/* The same for the arguments of an XML-like call, one by one; then RETURN. Each part is a control token
 * where id >= 0, else its text. */
typedef struct glim_tag {
    const char *text;
    int32_t id;
} glim_tag;
typedef struct glim_xml_form {
    glim_tag key, key_end, value, value_end;
    const char *gap; /* between the parts, and after each argument */
} glim_xml_form;
glim_status glim_grammar_xml(glim_grammar *g, const json_t *schema, const char *what, bool lenient,
                             const glim_xml_form *form, uint32_t *body, glim_err *err);
uint32_t glim_node_tag(glim_grammar *g, const glim_tag *t, uint32_t next);
/* White space, then next. */
uint32_t glim_grammar_space(glim_grammar *g, uint32_t next);
/* The spelling of a JSON string, in the one way of GLIM_SPELL_JSON, with its quotes. */
void glim_spell_json(glim_buf *out, const char *s, size_t n);

/* constrain_tools.c: the whole of spec. *root GLIM_NO_NODE: there is nothing to enforce. */
glim_status glim_grammar_spec(glim_grammar *g, const glim_constraint_spec *spec, uint32_t *root, glim_err *err);

/* ---- the machine (constrain_machine.c) ------------------------------------------------------------------ */

typedef struct glim_mconfig {
    uint32_t node, data, frame;
} glim_mconfig;
/* What to do when a rule returns; and, while it runs, the keys its object has seen. */
typedef struct glim_frame {
    uint32_t ret, data, parent, depth, seen;
} glim_frame;
/* The bytes of a key read so far, as a linked list: equal keys of one node are equal numbers. */
typedef struct glim_partial {
    uint32_t parent; /* 0 for the empty beginning */
    uint32_t node;   /* whose key it is */
    uint32_t names;  /* place in the declared names plus one, 0: none of them any more */
    uint32_t byte;
} glim_partial;
typedef struct glim_seen {
    uint32_t prev, partial; /* 0: none before */
} glim_seen;
/* Entries of one size, each kept once. Entry 0 stands for none. */
typedef struct glim_pool {
    char *v;
    size_t n, cap, size;
    uint32_t *hash; /* open addressing; indices, 0: free */
    size_t n_hash;
} glim_pool;
typedef struct glim_mstate {
    uint32_t off, n; /* configs, sorted; all at terminals */
    glim_bytes first;
    uint32_t hash;
    uint32_t mask; /* index of a kept mask plus one, 0: none */
} glim_mstate;

typedef struct glim_kept_mask {
    uint32_t state; /* 0: free */
    uint32_t newer, older;
    uint32_t n_allowed;
    uint32_t *bits;
} glim_kept_mask;

typedef struct glim_machine {
    const glim_grammar *g;
    glim_mconfig *config;
    size_t n_config, cap_config;
    glim_pool frames, partials, seen; /* frame 0: the bottom */
    glim_mstate *state; /* state 0: dead */
    size_t n_state, cap_state;
    uint32_t *state_hash; /* open addressing, a power of two */
    size_t n_state_hash;
    struct glim_memo {
        uint64_t key; /* state << 8 | byte, plus one; 0: free */
        uint32_t to;
    } *memo;
    size_t n_memo, n_memo_used;
    glim_mconfig *work, *todo; /* scratch of one closure */
    size_t n_work, cap_work, n_todo, cap_todo;
    glim_kept_mask *kept;
    size_t n_kept, cap_kept;
    uint32_t newest, oldest; /* indices plus one */
    uint32_t *scratch;       /* [n_words] for masks of keys */
    bool failed;
} glim_machine;
bool glim_machine_init(glim_machine *m, const glim_grammar *g);
void glim_machine_deinit(glim_machine *m);
uint32_t glim_machine_start(glim_machine *m);
/* The state after a byte, 0 if there is none. */
uint32_t glim_machine_step(glim_machine *m, uint32_t state, uint8_t byte);
/* The state after a control token. */
uint32_t glim_machine_token(glim_machine *m, uint32_t state, int32_t id);
bool glim_machine_accepts(const glim_machine *m, uint32_t state);
/* The state that a terminal's end leads to. */
uint32_t glim_machine_after(glim_machine *m, const glim_mconfig *c);
size_t glim_machine_bytes(const glim_machine *m);
/* Copies a state of another machine of the same grammar. */
uint32_t glim_machine_copy(glim_machine *m, const glim_machine *from, uint32_t state);
/* The mask of a state, made if it is not kept. NULL: no memory. Valid until the next call. */
const glim_kept_mask *glim_machine_mask(glim_machine *m, uint32_t state, size_t max_bytes);

static inline const glim_frame *glim_frame_at(const glim_machine *m, uint32_t i) { return (const glim_frame *)m->frames.v + i; }
static inline const glim_partial *glim_partial_at(const glim_machine *m, uint32_t i) {
    return (const glim_partial *)m->partials.v + i;
}
static inline const glim_seen *glim_seen_at(const glim_machine *m, uint32_t i) { return (const glim_seen *)m->seen.v + i; }
/* The empty key of a node; 0: no memory. */
uint32_t glim_partial_root(glim_machine *m, uint32_t node);

/* Moves a terminal's data over a byte; UINT32_MAX: it cannot. Keys, whose names
 * are the machine's business, are any key here. */
uint32_t glim_terminal_step(const glim_node *n, uint32_t data, uint8_t b);
/* Whether it is whole there, and whether it could also go on. */
bool glim_terminal_whole(const glim_node *n, uint32_t data);
bool glim_terminal_goes_on(const glim_node *n, uint32_t data);
uint32_t glim_terminal_start(const glim_node *n);

/* constrain_mask.c: the tokens that state allows, or'ed into bits. False: no memory. */
bool glim_mask_build(glim_machine *m, glim_constraint_vocab *v, uint32_t state, uint32_t *bits);

#endif
