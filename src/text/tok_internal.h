/* tok_internal.h - what the parts of the tokenizer share: the handle, the splitter, added tokens, and
 * the calls with which a reader (tok_json.c, tok_tiktoken.c, tok_gguf.c) fills a handle. */
#ifndef GLIM_TEXT_TOK_INTERNAL_H
#define GLIM_TEXT_TOK_INTERNAL_H

#include "base/alloc.h"
#include "base/json.h"
#include "text/bpe.h"
#include "text/tok.h"

/* ---- the regular expressions of the families ------------------------------------------------- */

/* GLM-4 to 4.7 and Llama-3: groups of one to three digits. */
#define GLIM_TOK_RE_GLM                                                                          \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"                     \
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* Qwen2 and 3: the same with single digits. */
#define GLIM_TOK_RE_QWEN2                                                                        \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"                          \
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GLIM_TOK_RE_GPT2                                                                         \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* ---- tok_split.c: text to pieces --------------------------------------------------------------- */

typedef struct glim_split glim_split;
typedef struct glim_split_run glim_split_run; /* what one encode call needs of its own */

glim_split *glim_split_new(void);
void glim_split_free(glim_split *s); /* takes NULL */
/* Adds a step: every piece so far is cut at the matches of the pattern; matches and the gaps between
 * them are pieces. len bytes, \Q..\E with literal. Errors: UNSUPPORTED, FORMAT, LIMIT. */
glim_status glim_split_add_regex(glim_split *s, const char *pattern, size_t len, bool literal,
                                 glim_err *err);
/* Adds a step: every piece that does not begin with white space gets a space before it. */
glim_status glim_split_add_space(glim_split *s, glim_err *err);

typedef glim_status (*glim_split_fn)(void *ctx, const char *piece, size_t len, glim_err *err);
/* Cuts text (valid UTF-8) and hands each piece to fn in order. *run starts as NULL and is kept for
 * further calls of the same thread. Errors: LIMIT (a pattern that backtracks without end), NOMEM. */
glim_status glim_split_text(const glim_split *s, glim_split_run **run, const char *text, size_t len,
                            glim_split_fn fn, void *ctx, glim_err *err);
void glim_split_run_free(glim_split_run *run); /* takes NULL */
/* Unicode's White_Space. */
bool glim_tok_is_space(uint32_t cp);

/* ---- tok_added.c: added tokens in text ---------------------------------------------------------- */

typedef struct glim_added {
    uint32_t id;
    bool special;    /* dropped by decoding */
    bool normalized; /* looked for after normalisation */
    bool lstrip, rstrip;
} glim_added;

/* Added tokens by their text: a trie of first-child, next-sibling nodes. */
typedef struct glim_trie {
    struct glim_trie_node *node;
    size_t n, cap;
    bool first[256]; /* bytes that begin one */
} glim_trie;
enum { GLIM_ADDED_MAX_BYTES = 1024 }; /* bounds the walk at each position */

glim_status glim_trie_add(glim_trie *t, const char *text, size_t len, uint32_t index, glim_err *err);
/* Longest entry at the start of text: its length, *index set; 0 if there is none. */
size_t glim_trie_match(const glim_trie *t, const char *text, size_t len, uint32_t *index);
void glim_trie_free(glim_trie *t);

/* Finds added tokens of one trie in text, leftmost and then longest, and hands on in order the text
 * between them (index NULL) and the tokens (their index). lstrip and rstrip take the white space
 * beside a token with it. */
typedef glim_status (*glim_added_fn)(void *ctx, const char *text, size_t len, const uint32_t *index,
                                     glim_err *err);
glim_status glim_added_cut(const glim_trie *t, const glim_added *added, const char *text, size_t len,
                           glim_added_fn fn, void *ctx, glim_err *err);

/* ---- tok_nfc.c ------------------------------------------------------------------------------------ */

/* Appends text (valid UTF-8) in Unicode's normal form C. Errors: NOMEM. */
glim_status glim_tok_nfc(glim_buf *out, const char *text, size_t len, glim_err *err);

/* ---- the handle ----------------------------------------------------------------------------------- */

enum { GLIM_TOK_MAX_PREFIX = 8 };
#define GLIM_TOK_MAX_BYTES ((size_t)1 << 31) /* of one text */

struct glim_tok {
    glim_bpe bpe;
    glim_split *split;
    bool nfc;
    glim_added *added;
    size_t n_added, added_cap;
    uint32_t *added_of; /* [bpe.n_ids] index into added plus one, 0 for other ids */
    glim_trie by_text;  /* all of them, for glim_tok_find */
    glim_trie raw, normalized; /* as they are looked for in text */
    int32_t prefix[GLIM_TOK_MAX_PREFIX];
    size_t n_prefix;
    glim_buf prefix_text;
    int32_t bos, eos;
    bool add_bos;
};

/* A reader's order: begin, glim_bpe_add, add_special..., index, merges, splitter, finish. */
glim_status glim_tok_begin(glim_tok **out, size_t n_ids, glim_err *err);
/* Registers id (added to the vocabulary if it is not there) as an added token of this text. The same
 * text under two ids, or another text under a used id, is refused. */
glim_status glim_tok_add_special(glim_tok *t, const glim_added *a, const char *text, size_t len,
                                 glim_err *err);
/* Builds the tables that lookups need; checks the prefix and the invariants. */
glim_status glim_tok_finish(glim_tok *t, glim_err *err);
/* Sets the prefix [gMASK]<sop> if both are added tokens. */
void glim_tok_set_glm_prefix(glim_tok *t);

/* added_tokens of tokenizer.json, or added_tokens_decoder of tokenizer_config.json: the flags. */
glim_status glim_tok_added_flags(glim_added *a, const json_t *o, glim_err *err);
/* All of added_tokens_decoder; *n counts them. NULL config is none. */
glim_status glim_tok_added_decoder(glim_tok *t, const json_t *config, size_t *n, glim_err *err);
/* bos_token and eos_token of tokenizer_config.json, by text. */
glim_status glim_tok_config_ids(glim_tok *t, const json_t *config, glim_err *err);
/* Highest id in added_tokens_decoder plus one (0 if there is none), for sizing. */
glim_status glim_tok_config_max(const json_t *config, size_t *n_ids, glim_err *err);

/* ---- readers -------------------------------------------------------------------------------------- */

/* config: parsed tokenizer_config.json or NULL. no_prefix: there is a chat template and it never prints
 * [gMASK], so this family has no prefix whatever its vocabulary lists (GLM-Edge). */
glim_status glim_tok_read_json(glim_tok **out, const json_t *root, const json_t *config, bool no_prefix,
                               glim_err *err);
glim_status glim_tok_read_tiktoken(glim_tok **out, const char *text, size_t len, const json_t *config,
                                   glim_err *err);
/* vocab.json and merges.txt, as GPT-2 and Qwen2 folders have them. */
glim_status glim_tok_read_vocab(glim_tok **out, const json_t *vocab, const char *merges, size_t len,
                                const json_t *config, bool no_prefix, glim_err *err);
/* Merge number i from "a b" in the byte alphabet; b is scratch. For the readers only. */
glim_status glim_tok_merge_line(glim_tok *t, glim_buf *b, size_t i, const char *s, size_t n, glim_err *err);
struct glim_gguf;
/* What the file's word for cutting text ("glm4", "qwen2") means. *patterns: ends in NULL; for ever. Errors: UNSUPPORTED by the word. */
glim_status glim_tok_gguf_pre(const struct glim_gguf *g, const char *const **patterns, bool *whole_first, bool *add_bos, glim_err *err);
glim_status glim_tok_read_gguf(glim_tok **out, const struct glim_gguf *g, glim_err *err);

#endif
