/* cmd_chat.c - talk to a model.
 *
 * The conversation is a JSON array of OpenAI-shaped messages; every turn renders it anew and the engine
 * finds by itself which part of the prompt its cache holds. Ctrl-C stops the answer (what was said stays
 * in the conversation); at the prompt it clears the line, twice in a row it leaves. */
#include <editline/readline.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "cli/answer.h"
#include "cli/inner.h"
#include "cli/progress.h"

typedef struct chat {
    glim_engine *e;
    glim_session session;
    json_t *messages;
    json_t *tools;    /* or NULL */
    glim_sample_flags sample;
    int thinking;     /* as glim_chat_options */
    bool tty, quiet, echo;
    bool quit;
} chat;

static const char help_text[] =
    "  /help                 this list\n"
    "  /system TEXT          set the system message (no text: show it, - removes it)\n"
    "  /new                  forget the conversation, keep the system message\n"
    "  /retry                answer the last question again\n"
    "  /undo                 take back the last question and its answer\n"
    "  /save FILE            write the conversation as JSON\n"
    "  /load FILE            go on with a saved one\n"
    "  /set                  show the settings\n"
    "  /set NAME VALUE       temp, top_k, top_p, min_p, repeat, presence, frequency, seed, max_tokens, thinking\n"
    "  /history              show the conversation\n"
    "  /tool TEXT            give the result of the tool that was called\n"
    "  /quit                 leave (also Ctrl-D)\n"
    "  A line that ends in \\ goes on in the next one. Ctrl-C stops an answer.\n";

static size_t n_messages(const chat *c) { return json_array_size(c->messages); }

static const char *role_of(const chat *c, size_t i) {
    return json_string_value(json_object_get(json_array_get(c->messages, i), "role"));
}

static bool has_system(const chat *c) {
    const char *r = n_messages(c) ? role_of(c, 0) : NULL;
    return r && strcmp(r, "system") == 0;
}

static glim_status set_system(chat *c, const char *text, glim_err *err) {
    if (text && !glim_utf8_valid(text, strlen(text)))
        return glim_fail(err, GLIM_E_ARG, "the system message is not valid UTF-8");
    if (has_system(c)) json_array_remove(c->messages, 0);
    if (text) json_array_insert_new(c->messages, 0, json_pack("{s:s, s:s}", "role", "system", "content", text));
    return GLIM_OK;
}

/* ---- one turn ---- */

static bool show_prefill(void *ctx, size_t done, size_t total) {
    glim_progress **bar = ctx;
    if (!*bar) *bar = glim_progress_begin("reading", total, GLIM_PROGRESS_COUNT);
    glim_progress_update(*bar, done);
    return !glim_cli_interrupt_pending();
}

typedef struct turn {
    glim_answer answer;
    glim_progress *bar;
} turn;

static bool turn_prefill(void *ctx, size_t done, size_t total) {
    turn *t = ctx;
    return show_prefill(&t->bar, done, total);
}

static bool turn_text(void *ctx, const char *text, size_t n) {
    turn *t = ctx;
    if (t->bar) {
        glim_progress_end(t->bar);
        t->bar = NULL;
    }
    return glim_answer_text(&t->answer, text, n);
}

/* Answers the conversation as it stands; the answer joins it. */
static glim_status take_turn(chat *c, glim_err *err) {
    glim_bias bias[64];
    glim_prompt prompt = {0};
    glim_ids ids = {0};
    glim_gen_result r = {0};
    glim_gen_params p = {.for_reply = true};
    turn t = {0};
    bool begun = false;
    glim_status rc = glim_cli_sampling(&p, c->e, &c->sample, bias, err);
    if (rc == GLIM_OK)
        rc = glim_chat_render(&prompt, c->e->chat, c->messages, c->tools, &(glim_chat_options){.thinking = c->thinking}, err);
    if (rc == GLIM_OK) rc = glim_prompt_encode(&prompt, c->e->tok, &ids, err);
    if (rc == GLIM_OK) {
        glim_answer_init(&t.answer, c->e, c->tools, &prompt, c->thinking, true, c->tty);
        begun = true;
        p.on_text = turn_text;
        p.on_prefill = turn_prefill;
        p.ctx = &t;
        (void)glim_cli_interrupted();
        rc = glim_session_generate(&c->session, ids.v, ids.n, &p, &r, err);
        glim_progress_end(t.bar);
    }
    if (rc == GLIM_OK) rc = glim_answer_end(&t.answer, err);
    if (rc == GLIM_OK) {
        bool stopped = glim_cli_interrupted();
        if (stopped && r.ids.n == 0) /* stopped while reading: there is no answer to keep */
            rc = glim_fail(err, GLIM_E_CANCELLED, "stopped before the answer began");
        else json_array_append_new(c->messages, glim_answer_message(&t.answer));
        if (rc == GLIM_OK && c->tty && !c->quiet) {
            bool color = glim_cli_color(STDERR_FILENO);
            fprintf(stderr, "%s[%s%zu tokens, %.1f tokens/s; context %zu of %zu]%s\n", color ? "\033[2m" : "",
                    stopped ? "stopped; " : r.finish == GLIM_FINISH_LENGTH ? "cut by length; " : "", r.ids.n,
                    r.decode_s > 0 ? (double)r.ids.n / r.decode_s : 0, c->session.seq.n_pos, c->e->model->plan.n_ctx,
                    color ? "\033[0m" : "");
        }
    }
    if (begun) glim_answer_free(&t.answer);
    glim_gen_result_free(&r);
    glim_ids_free(&ids);
    glim_prompt_free(&prompt);
    return rc;
}

/* Removes what follows the last user message (the answer), and that message too if asked. */
static bool drop_last(chat *c, bool question_too) {
    size_t n = n_messages(c);
    while (n > 0 && strcmp(role_of(c, n - 1), "user") != 0 && strcmp(role_of(c, n - 1), "system") != 0)
        json_array_remove(c->messages, --n);
    if (n == 0 || strcmp(role_of(c, n - 1), "user") != 0) return false;
    if (question_too) json_array_remove(c->messages, n - 1);
    return true;
}

static void ask(chat *c, const char *role, const char *text) {
    glim_err err = {0};
    if (!glim_utf8_valid(text, strlen(text))) {
        glim_fail(&err, GLIM_E_ARG, "that line is not valid UTF-8");
        glim_cli_error(&err);
        return;
    }
    size_t before = n_messages(c);
    json_array_append_new(c->messages, json_pack("{s:s, s:s}", "role", role, "content", text));
    if (take_turn(c, &err) != GLIM_OK) {
        glim_cli_error(&err);
        if (err.code == GLIM_E_LIMIT) fputs("(/undo makes room, /new starts afresh)\n", stderr);
        /* a question that could not be answered is not part of the conversation */
        while (n_messages(c) > before) json_array_remove(c->messages, n_messages(c) - 1);
    }
}

/* ---- commands ---- */

static glim_status save(const chat *c, const char *path, glim_err *err) {
    glim_buf b = {0};
    json_t *o = json_pack("{s:O}", "messages", c->messages);
    glim_json_dump_py(&b, o, 1, false);
    glim_buf_putc(&b, '\n');
    json_decref(o);
    glim_status rc = glim_buf_status(&b, "the conversation", err);
    if (rc == GLIM_OK) rc = glim_file_write_atomic(path, b.s, b.len, err);
    glim_buf_free(&b);
    return rc;
}

static glim_status load(chat *c, const char *path, glim_err *err) {
    json_t *v;
    glim_status rc = glim_json_read(&v, path, (size_t)64 << 20, err);
    if (rc != GLIM_OK) return rc;
    json_t *m = json_is_object(v) ? json_object_get(v, "messages") : v;
    if (!json_is_array(m))
        rc = glim_fail(err, GLIM_E_FORMAT, "%s: got %s, want a list of messages or {\"messages\": [...]}", path,
                       glim_json_type_name(m ? m : v));
    if (rc == GLIM_OK) { /* what cannot be rendered is refused now, with the old conversation intact */
        glim_prompt p = {0};
        rc = glim_chat_render(&p, c->e->chat, m, c->tools, &(glim_chat_options){0}, err);
        glim_prompt_free(&p);
        if (rc != GLIM_OK) glim_err_context(err, "%s", path);
    }
    if (rc == GLIM_OK) {
        json_decref(c->messages);
        c->messages = json_incref(m);
        fprintf(stderr, "%zu messages\n", n_messages(c));
    }
    json_decref(v);
    return rc;
}

static void show_settings(const chat *c) {
    glim_bias bias[64];
    glim_gen_params p = {0};
    glim_err err;
    if (glim_cli_sampling(&p, c->e, &c->sample, bias, &err) != GLIM_OK) return;
    const glim_sample_params *s = &p.sample;
    char seed[32] = "drawn anew each time";
    if (c->sample.seed != -1) snprintf(seed, sizeof seed, "%lld", (long long)c->sample.seed);
    printf("temp %g, top_k %d, top_p %g, min_p %g, repeat %g, presence %g, frequency %g, seed %s, max_tokens %zu%s, "
           "thinking %s\n", s->temperature, s->top_k, s->top_p, s->min_p, s->repetition_penalty, s->presence_penalty,
           s->frequency_penalty, seed, p.max_tokens, p.max_tokens ? "" : " (no limit)",
           c->thinking > 0 ? "on" : c->thinking < 0 ? "off" : "the model's way");
}

static glim_status change_setting(chat *c, char *args, glim_err *err) {
    char *save_ptr, *name = strtok_r(args, " =", &save_ptr), *value = strtok_r(NULL, " =", &save_ptr), *end;
    if (!name) {
        show_settings(c);
        return GLIM_OK;
    }
    if (!value) return glim_fail(err, GLIM_E_ARG, "/set %s: a value is missing", name);
    if (strcmp(name, "thinking") == 0) {
        int t = strcmp(value, "on") == 0 ? 1 : strcmp(value, "off") == 0 ? -1 : strcmp(value, "auto") == 0 ? 0 : 2;
        if (t == 2) return glim_fail(err, GLIM_E_ARG, "/set thinking: got \"%s\", want on, off or auto", value);
        c->thinking = t;
        return GLIM_OK;
    }
    if (strcmp(name, "seed") == 0 && strcmp(value, "auto") == 0) {
        c->sample.seed = -1;
        return GLIM_OK;
    }
    double v = strtod(value, &end);
    if (*end || !isfinite(v)) return glim_fail(err, GLIM_E_ARG, "/set %s: got \"%s\", want a number", name, value);
    glim_sample_flags old = c->sample;
    const struct {
        const char *name;
        double *real;
        int64_t *whole;
        double most;
    } names[] = {{"temp", &c->sample.temp, NULL, 0},           {"temperature", &c->sample.temp, NULL, 0},
                 {"top_p", &c->sample.top_p, NULL, 0},         {"min_p", &c->sample.min_p, NULL, 0},
                 {"repeat", &c->sample.repeat, NULL, 0},       {"presence", &c->sample.presence, NULL, 0},
                 {"frequency", &c->sample.frequency, NULL, 0}, {"top_k", NULL, &c->sample.top_k, 1 << 24},
                 {"seed", NULL, &c->sample.seed, 0x1p53},      {"max_tokens", NULL, &c->sample.max_tokens, 1 << 26}};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        if (strcmp(name, names[i].name) != 0) continue;
        if (names[i].whole && (v != floor(v) || v < 0 || v > 1e15))
            return glim_fail(err, GLIM_E_ARG, "/set %s: got %g, want a whole number from 0", name, v);
        if (names[i].whole && v > names[i].most)
            return glim_fail(err, GLIM_E_ARG, "/set %s: got %g, want at most %g", name, v, names[i].most);
        if (names[i].real) *names[i].real = v;
        else *names[i].whole = (int64_t)v;
        glim_bias bias[64];
        glim_gen_params p = {0};
        glim_status rc = glim_cli_sampling(&p, c->e, &c->sample, bias, err);
        if (rc != GLIM_OK) c->sample = old; /* a refused value changes nothing */
        return rc;
    }
    return glim_fail(err, GLIM_E_ARG, "/set: no setting is called \"%s\" (/help lists them)", name);
}

static void show_message(const chat *c, size_t i, const char *before) {
    const json_t *m = json_array_get(c->messages, i), *calls = json_object_get(m, "tool_calls");
    char *text = glim_cli_content_text(m);
    glim_buf b = {0};
    if (c->tty) glim_cli_printable(&b, text, strlen(text));
    else glim_buf_puts(&b, text);
    printf("%s%s\n", before, glim_buf_cstr(&b));
    for (size_t k = 0; k < json_array_size(calls); k++) {
        const json_t *f = json_object_get(json_array_get(calls, k), "function");
        const char *name = json_string_value(json_object_get(f, "name"));
        printf("  [call] %s\n", name ? name : "");
    }
    glim_buf_free(&b);
    free(text);
}

static void show_history(const chat *c) {
    for (size_t i = 0; i < n_messages(c); i++) {
        char role[64];
        snprintf(role, sizeof role, "%s: ", role_of(c, i));
        show_message(c, i, role);
    }
}

static void command(chat *c, char *line) {
    char *args = line + strcspn(line, " \t");
    if (*args) *args++ = 0;
    args += strspn(args, " \t");
    glim_err err = {0};
    glim_status rc = GLIM_OK;
    if (strcmp(line, "/help") == 0 || strcmp(line, "/?") == 0) fputs(help_text, stdout);
    else if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0 || strcmp(line, "/bye") == 0) c->quit = true;
    else if (strcmp(line, "/system") == 0) {
        if (*args) rc = set_system(c, strcmp(args, "-") == 0 ? NULL : args, &err);
        else if (has_system(c)) show_message(c, 0, "");
        else puts("(no system message)");
    } else if (strcmp(line, "/new") == 0 || strcmp(line, "/reset") == 0) {
        json_t *first = has_system(c) ? json_incref(json_array_get(c->messages, 0)) : NULL;
        json_array_clear(c->messages);
        if (first) json_array_append_new(c->messages, first);
    } else if (strcmp(line, "/retry") == 0) {
        json_t *before = json_copy(c->messages);
        if (!drop_last(c, false)) rc = glim_fail(&err, GLIM_E_ARG, "there is no question to answer again");
        else rc = take_turn(c, &err);
        if (rc != GLIM_OK) { /* the old answer is better than none */
            json_decref(c->messages);
            c->messages = json_incref(before);
        }
        json_decref(before);
    } else if (strcmp(line, "/undo") == 0) {
        if (!drop_last(c, true)) rc = glim_fail(&err, GLIM_E_ARG, "there is nothing to take back");
    } else if (strcmp(line, "/save") == 0 || strcmp(line, "/load") == 0) {
        if (!*args) rc = glim_fail(&err, GLIM_E_ARG, "%s: a file name is missing", line);
        else rc = line[1] == 's' ? save(c, args, &err) : load(c, args, &err);
    } else if (strcmp(line, "/tool") == 0) {
        const char *last = n_messages(c) ? role_of(c, n_messages(c) - 1) : "";
        if (strcmp(last, "assistant") != 0) rc = glim_fail(&err, GLIM_E_ARG, "there is no call to answer");
        else ask(c, "tool", args);
    } else if (strcmp(line, "/set") == 0) rc = change_setting(c, args, &err);
    else if (strcmp(line, "/history") == 0) show_history(c);
    else rc = glim_fail(&err, GLIM_E_ARG, "there is no command \"%s\" (/help lists them)", line);
    if (rc != GLIM_OK) glim_cli_error(&err);
    fflush(stdout);
}

/* ---- lines ---- */

/* One line, heap; NULL at the end of input. *interrupted: Ctrl-C was pressed instead. */
static char *read_line(const chat *c, const char *prompt, bool *interrupted) {
    *interrupted = false;
    if (c->tty) {
        errno = 0;
        char *line = readline(prompt);
        if (glim_cli_interrupted()) {
            free(line);
            fputc('\n', stdout);
            *interrupted = true;
            return NULL;
        }
        if (line && *line) add_history(line);
        return line;
    }
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n > 0 && line[n - 1] == '\n') line[--n] = 0;
    if (n > 0 && line[n - 1] == '\r') line[--n] = 0;
    if (strlen(line) != (size_t)n) { /* not a line of text: the encoding check will say so */
        line[0] = '\xff';
        line[1] = 0;
    }
    if (c->echo) printf("%s%s\n", prompt, line);
    return line;
}

/* Lines joined while they end in a backslash. */
static char *read_message(const chat *c, bool *interrupted) {
    glim_buf b = {0};
    for (const char *prompt = "> ";; prompt = ". ") {
        char *line = read_line(c, prompt, interrupted);
        if (!line) {
            if (*interrupted || b.len == 0) {
                glim_buf_free(&b);
                return NULL;
            }
            break;
        }
        size_t n = strlen(line);
        bool more = n > 0 && line[n - 1] == '\\';
        glim_buf_append(&b, line, more ? n - 1 : n);
        free(line);
        if (!more) break;
        glim_buf_putc(&b, '\n');
    }
    if (!b.s) glim_buf_puts(&b, "");
    return b.s;
}

static void loop(chat *c) {
    int interrupts = 0;
    while (!c->quit) {
        bool interrupted;
        char *line = read_message(c, &interrupted);
        if (glim_cli_terminated()) {
            free(line);
            break;
        }
        if (!line) {
            if (!interrupted || ++interrupts == 2) break;
            fputs("(Ctrl-C again or Ctrl-D leaves)\n", stderr);
            continue;
        }
        interrupts = 0;
        char *text = line + strspn(line, " \t\r\n");
        if (text[0] == '/') command(c, text);
        else if (text[0]) ask(c, "user", text);
        free(line);
    }
    if (c->tty) fputc('\n', stdout);
}

int glim_cmd_chat(int argc, char **argv) {
    chat c = {.sample = GLIM_SAMPLE_FLAGS_INIT};
    glim_model_flags mf = {0};
    const char *system = NULL, *thinking = NULL, *load_file = NULL, *tools_file = NULL;
    const glim_flag own[] = {
        {"--system", NULL, GLIM_FLAG_STR, &system, "TEXT", "system message", 0, 0},
        {"--load", NULL, GLIM_FLAG_STR, &load_file, "FILE", "go on with a saved conversation", 0, 0},
        {"--tools", NULL, GLIM_FLAG_STR, &tools_file, "FILE", "JSON list of tools the model may call; /tool answers a call", 0, 0},
        {"--thinking", NULL, GLIM_FLAG_STR, &thinking, "on|off", "let the model reason first (default: its own way)", 0, 0},
        {"--echo", NULL, GLIM_FLAG_BOOL, &c.echo, NULL, "show the lines that a script types", 0, 0},
        {"--quiet", "-q", GLIM_FLAG_BOOL, &c.quiet, NULL, "no figures after answers", 0, 0},
        {0}};
    const glim_flag sample[] = {GLIM_SAMPLE_FLAGS(&c.sample), {0}};
    const glim_flag model[] = {GLIM_MODEL_FLAGS(&mf), {0}};
    const glim_page u = {"glim chat [MODEL]",
                          "Talks to a model: a Hugging Face folder or a GGUF file; without one, to the small one inside the program.\n"
                          "/help inside lists commands.",
                          {own, sample, model}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 0, 1);
    if (code >= 0) return code;
    setlocale(LC_CTYPE, "C.UTF-8"); /* the line editor counts characters; our numbers keep the C locale */
    glim_err err = {0};
    if (thinking && strcmp(thinking, "on") != 0 && strcmp(thinking, "off") != 0) {
        glim_fail(&err, GLIM_E_ARG, "--thinking: got \"%s\", want on or off", thinking);
        return glim_cli_error(&err);
    }
    c.thinking = !thinking ? 0 : strcmp(thinking, "on") == 0 ? 1 : -1;
    c.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    glim_cli_catch_interrupt();
    c.messages = json_array();
    const char *path;
    glim_status rc = glim_inner_or(&path, pos.n ? pos.v[0] : NULL, "chat", &err);
    if (rc == GLIM_OK) rc = glim_cli_open(&c.e, path, &mf, 0, true, &err);
    if (rc == GLIM_OK) rc = glim_session_open(&c.session, c.e, &err);
    if (rc == GLIM_OK && tools_file) rc = glim_cli_tools(&c.tools, tools_file, &err);
    if (rc == GLIM_OK && load_file) rc = load(&c, load_file, &err);
    if (rc == GLIM_OK) {
        if (system) rc = set_system(&c, system, &err);
    }
    if (rc == GLIM_OK) {
        if (c.tty && !c.quiet)
            fprintf(stderr, "%s, template %s, context %zu tokens. /help lists commands, Ctrl-D leaves.\n", path,
                    glim_chat_name(c.e->chat), c.e->model->plan.n_ctx);
        loop(&c);
    }
    if (c.session.e) glim_session_close(&c.session);
    glim_engine_free(c.e);
    json_decref(c.messages);
    json_decref(c.tools);
    if (rc == GLIM_OK && !glim_cli_terminated() && ferror(stdin)) rc = glim_fail(&err, GLIM_E_IO, "could not read from stdin");
    if (rc == GLIM_OK && glim_cli_terminated()) return 143;
    return rc == GLIM_OK ? 0 : glim_cli_error(&err);
}
