/* cli.h - what every command shares: flags, errors, opening a model with a progress bar.
 *
 * stdout is the answer, stderr is everything else. Exit codes: 0 done, 1 the world failed (network, disk),
 * 2 the input or the command line was wrong, 130 interrupted. */
#ifndef GLIM_CLI_CLI_H
#define GLIM_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/engine.h"

enum { GLIM_EXIT_OK = 0, GLIM_EXIT_FAIL = 1, GLIM_EXIT_USAGE = 2, GLIM_EXIT_INTERRUPT = 130 };

typedef enum glim_flag_kind {
    GLIM_FLAG_BOOL,   /* bool * */
    GLIM_FLAG_INT,    /* int64_t * within [lo, hi] */
    GLIM_FLAG_REAL,   /* double * */
    GLIM_FLAG_STR,    /* const char ** */
    GLIM_FLAG_LIST    /* glim_str_list *, may be given several times */
} glim_flag_kind;

typedef struct glim_str_list {
    const char *v[64];
    size_t n;
} glim_str_list;

typedef struct glim_flag {
    const char *name;  /* "--ctx"; NULL ends a table */
    const char *brief; /* "-c" or NULL */
    glim_flag_kind kind;
    void *dst;
    const char *arg;   /* what the value is called in help, NULL for booleans */
    const char *help;
    int64_t lo, hi;    /* GLIM_FLAG_INT; both 0: any */
} glim_flag;

/* A command's page: shown by --help and after a wrong command line. */
typedef struct glim_page {
    const char *synopsis; /* "glim run MODEL -p TEXT" */
    const char *what;     /* one paragraph */
    const glim_flag *tables[4]; /* up to 4, NULL-ended */
} glim_page;

/* Parses argv[1..argc): flags anywhere, the rest into pos; then what conf.h finds elsewhere. Returns -1 to go on, otherwise the exit code
 * (0 after --help). More than max_pos words, unknown flags and bad values are told with the remedy. */
int glim_args(int argc, char **argv, const glim_page *u, glim_str_list *pos, size_t min_pos, size_t max_pos);

/* For conf.c: a value from elsewhere (not booleans), and the flag whose name is nearest to a mistyped one, or NULL. */
enum { GLIM_FLAGS_MAX = 128 }; /* of one page */
glim_status glim_flag_set(const glim_flag *f, const char *value, glim_err *err);
const char *glim_flag_nearest(const glim_page *u, const char *word);

/* Prints "glim: message" and the hint to stderr; the exit code that fits the status. */
int glim_cli_error(const glim_err *err);

/* Flags that every command with a model takes. */
typedef struct glim_model_flags {
    int64_t ctx, threads;
    const char *type, *kv, *template;
    /* set by commands, not by flags */
    size_t n_logits;  /* rows of a batch that may want logits */
    size_t kv_bytes;  /* KV pages to plan for; 0: n_seq full contexts */
    bool no_cache;    /* weights from the checkpoint itself */
    const glim_kernels *kernels;
} glim_model_flags;
#define GLIM_MODEL_FLAGS(f)                                                                                           \
    {"--ctx", "-c", GLIM_FLAG_INT, &(f)->ctx, "N", "context in tokens (default: the model's, at most 8192)", 1, 1 << 26}, \
    {"--threads", "-t", GLIM_FLAG_INT, &(f)->threads, "N", "threads (default: all this process may use)", 1, 1024},       \
    {"--type", NULL, GLIM_FLAG_STR, &(f)->type, "T", "run weights as f32, bf16, f16 or q8_0 (default: as stored)", 0, 0}, \
    {"--kv", NULL, GLIM_FLAG_STR, &(f)->kv, "T", "keep keys and values as f32, bf16 or q8 (default: f32 for f32 weights, else bf16)", 0, 0}, \
    {"--template", NULL, GLIM_FLAG_STR, &(f)->template, "NAME", "chat template by name, instead of recognising it", 0, 0}

/* Flags of sampling; NAN / -1 / UINT64_MAX mean "not given". */
typedef struct glim_sample_flags {
    double temp, top_p, min_p, repeat, presence, frequency;
    int64_t top_k, seed, max_tokens;
    glim_str_list stop, bias;
} glim_sample_flags;
#define GLIM_SAMPLE_FLAGS_INIT {.temp = NAN, .top_p = NAN, .min_p = NAN, .repeat = NAN, .presence = NAN, \
                                .frequency = NAN, .top_k = -1, .seed = -1, .max_tokens = -1}
#define GLIM_SAMPLE_FLAGS(f)                                                                                      \
    {"--temp", NULL, GLIM_FLAG_REAL, &(f)->temp, "T", "temperature; 0 is greedy (default: the model's own)", 0, 0}, \
    {"--top-k", NULL, GLIM_FLAG_INT, &(f)->top_k, "K", "choose among the K best (0: off)", 0, 1 << 24},            \
    {"--top-p", NULL, GLIM_FLAG_REAL, &(f)->top_p, "P", "choose among the best that hold this share", 0, 0},       \
    {"--min-p", NULL, GLIM_FLAG_REAL, &(f)->min_p, "P", "drop tokens below this share of the best one", 0, 0},     \
    {"--repeat-penalty", NULL, GLIM_FLAG_REAL, &(f)->repeat, "R", "divide logits of seen tokens", 0, 0},           \
    {"--presence-penalty", NULL, GLIM_FLAG_REAL, &(f)->presence, "X", "subtract once from generated tokens", 0, 0}, \
    {"--frequency-penalty", NULL, GLIM_FLAG_REAL, &(f)->frequency, "X", "subtract per time generated", 0, 0},      \
    {"--logit-bias", NULL, GLIM_FLAG_LIST, &(f)->bias, "ID=X", "add X to a token's logit (-inf bans it); repeatable", 0, 0}, \
    {"--seed", NULL, GLIM_FLAG_INT, &(f)->seed, "N", "same seed, same text (default: drawn anew)", 0, (int64_t)1 << 53},           \
    {"--max-tokens", "-n", GLIM_FLAG_INT, &(f)->max_tokens, "N", "longest answer in tokens (0: until the context is full)", 0, 1 << 26}, \
    {"--stop", NULL, GLIM_FLAG_LIST, &(f)->stop, "TEXT", "end the answer before this text; repeatable", 0, 0}

/* Opens an engine with a progress bar on stderr. need_chat: an unknown template is an error now. n_seq 0
 * means one sequence. */
glim_status glim_cli_open(glim_engine **out, const char *path, const glim_model_flags *f, size_t n_seq, bool need_chat,
                          glim_err *err);
/* The flags' model parameters alone. */
glim_status glim_cli_model_params(glim_model_params *p, const glim_model_flags *f, glim_err *err);
/* Model defaults overlaid with flags. bias must hold 64 entries and outlive p. */
glim_status glim_cli_sampling(glim_gen_params *p, const glim_engine *e, const glim_sample_flags *f, glim_bias *bias,
                              glim_err *err);

/* --thinking on or off (NULL: not given) for rows that are rendered by k. Errors: GLIM_E_ARG: another word; k's prompts are the same. */
glim_status glim_cli_rows_thinking(int *thinking, const char *word, glim_chat_kind k, glim_err *err);

/* True on a terminal that may show colours: isatty(fd), NO_COLOR unset, TERM not dumb. */
bool glim_cli_color(int fd);
/* From now on Ctrl-C (and SIGTERM) only raises a flag that glim_cli_interrupted reads and clears. */
void glim_cli_catch_interrupt(void);
bool glim_cli_interrupted(void); /* read and clear */
bool glim_cli_interrupt_pending(void);
bool glim_cli_terminated(void); /* SIGTERM: the program is to end, not only the answer; never cleared */

/* The text of a message's content: the string, or the text parts of a list joined. Heap, for printing. */
char *glim_cli_content_text(const json_t *message);
/* Appends text with the control bytes that could drive a terminal shown as U+FFFD; \n and \t stay. */
void glim_cli_printable(glim_buf *out, const char *text, size_t n);
/* Reads a JSON array of tools, or an object with "tools"; new reference. */
glim_status glim_cli_tools(json_t **out, const char *path, glim_err *err);

/* "1.25 GiB", "732 MiB": into buf, which is returned. */
const char *glim_human_bytes(char *buf, size_t cap, double bytes);
/* "9.40 billion", "134 million" */
const char *glim_human_count(char *buf, size_t cap, double n);

/* The commands; argv[0] is the verb. Each returns the exit code. */
int glim_cmd_chat(int argc, char **argv);
int glim_cmd_run(int argc, char **argv);
int glim_cmd_info(int argc, char **argv);
int glim_cmd_verify(int argc, char **argv);
int glim_cmd_tokenize(int argc, char **argv);
int glim_cmd_tokenizer(int argc, char **argv);
int glim_cmd_eval(int argc, char **argv);
int glim_cmd_merge(int argc, char **argv);
int glim_cmd_export(int argc, char **argv);
int glim_cmd_render(int argc, char **argv);
int glim_cmd_logits(int argc, char **argv);
int glim_cmd_perplexity(int argc, char **argv);
int glim_cmd_privacy(int argc, char **argv);
int glim_cmd_bench(int argc, char **argv);
int glim_cmd_pull(int argc, char **argv);
int glim_cmd_quantize(int argc, char **argv);
int glim_cmd_tune(int argc, char **argv);
int glim_cmd_pretrain(int argc, char **argv); /* glim tune --method pretrain */
int glim_cmd_serve(int argc, char **argv);
int glim_cmd_models(int argc, char **argv);
int glim_cmd_desk(int argc, char **argv);
int glim_cmd_intent(int argc, char **argv);
int glim_cmd_key(int argc, char **argv);
int glim_cmd_usage(int argc, char **argv);
int glim_cmd_audit(int argc, char **argv);
int glim_cmd_backup(int argc, char **argv);
int glim_cmd_restore(int argc, char **argv);

#endif
