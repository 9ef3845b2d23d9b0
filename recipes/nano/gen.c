/* gen.c - writes the data of glim-nano into a folder, from a seed alone.
 *
 *   OUT/corpus.jsonl       documents for pretraining: the tasks without roles, several questions on one set of rows
 *   OUT/tokens.txt         the tokenizer's corpus: the same with lines broken around slots, so that a name has the same
 *                          tokens wherever it stands
 *   OUT/sft.jsonl          conversations; OUT/pairs.jsonl: conversations with a right answer and a wrong one
 *   OUT/senses.csv: requests of sft.jsonl, and the labels, tools and columns that they were given, with what each is about
 *   OUT/eval/TASK-LANGUAGE.jsonl: held-out names, and at least one held-out phrase in each
 *   OUT/overlap.json       how many names, phrases and requests evaluation shares with training: the run fails unless 0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "nano.h"

static const char *const TASKS[N_TASK] = {"answer", "refuse", "nothing", "intent", "form", "tool", "table", "chat"};

static FILE *open_in(const char *dir, const char *name) {
    char path[4608];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f) fprintf(stderr, "nano_gen: could not open \"%s\": %s\n", path, strerror(errno)), exit(1);
    return f;
}

static void put_message(glim_buf *b, const char *role, const glim_buf *text, bool first) {
    glim_buf plain = {0};
    put_plain(&plain, glim_buf_cstr(text), false);
    glim_buf_printf(b, "%s{\"role\": \"%s\", \"content\": ", first ? "" : ", ", role);
    glim_json_put_str(b, glim_buf_cstr(&plain), plain.len);
    glim_buf_putc(b, '}');
    glim_buf_free(&plain);
}

static void put_call(glim_buf *b, const glim_buf *arguments, const char *name, size_t n_name) {
    glim_buf plain = {0};
    put_plain(&plain, glim_buf_cstr(arguments), false);
    glim_buf_puts(b, ", {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"type\": \"function\", \"function\": {\"name\": ");
    glim_json_put_str(b, name, n_name);
    glim_buf_puts(b, ", \"arguments\": ");
    glim_json_put_str(b, plain.s, plain.len);
    glim_buf_puts(b, "}}]}");
    glim_buf_free(&plain);
}

size_t more_turns(gen *g) { return g->eval || chance(g, 18) ? 0 : 3 + below(g, 8); }

void add_turn(conv *c, const glim_buf *question, const glim_buf *answer, const char *call) {
    put_message(&c->more, "user", question, false);
    if (call) put_call(&c->more, answer, call, strlen(call));
    else put_message(&c->more, "assistant", answer, false);
}

/* A conversation as a row; pair: with chosen and rejected. */
static void write_conv(FILE *f, const conv *c, bool pair) {
    glim_buf b = {0};
    glim_buf_puts(&b, pair ? "{\"conversations\": [" : "{\"messages\": [");
    if (c->system.len) put_message(&b, "system", &c->system, true);
    put_message(&b, "user", &c->user, !c->system.len);
    if (pair) {
        glim_buf_puts(&b, "], \"chosen\": ");
        put_message(&b, "assistant", &c->answer, true);
        glim_buf_puts(&b, ", \"rejected\": ");
        put_message(&b, "assistant", &c->wrong, true);
    } else {
        if (c->call.len) put_call(&b, &c->answer, c->call.s, c->call.len);
        else put_message(&b, "assistant", &c->answer, false);
        glim_buf_append(&b, c->more.s, c->more.len);
        glim_buf_putc(&b, ']');
        if (c->call.len) glim_buf_printf(&b, ", \"tools\": %s", c->tools.s);
    }
    glim_buf_puts(&b, "}\n");
    fwrite(b.s, 1, b.len, f);
    glim_buf_free(&b);
}

/* Makes a conversation; returns the hash of what is asked, 0 for a greeting: those are few and the same. */
static uint64_t make(gen *g, task t, conv *c) {
    conv_clear(c);
    switch (t) {
    case T_ANSWER: answer_conv(g, c, RIGHT); break;
    case T_REFUSE: answer_conv(g, c, MISSING); break;
    case T_NOTHING: answer_conv(g, c, NOTHING); break;
    case T_INTENT: intent_conv(g, c); break;
    case T_FORM: form_conv(g, c); break;
    case T_TOOL: tool_conv(g, c); break;
    case T_TABLE: table_conv(g, c); break;
    default: chat_conv(g, c);
    }
    if (t == T_CHAT) return 0;
    glim_buf all = {0};
    glim_buf_puts(&all, glim_buf_cstr(&c->system));
    glim_buf_puts(&all, glim_buf_cstr(&c->user));
    const uint64_t h = hash_of(all.s);
    glim_buf_free(&all);
    return h;
}

/* The same for training, noted. */
static void make_known(gen *g, task t, conv *c) {
    const uint64_t h = make(g, t, c);
    if (h) set_add(g->sayings, h);
}

static void document(gen *g, glim_buf *doc) {
    glim_buf_clear(doc);
    const size_t way = below(g, 100);
    if (way < 45) answer_doc(g, doc);
    else if (way < 60) intent_doc(g, doc);
    else if (way < 73) form_doc(g, doc);
    else if (way < 84) table_doc(g, doc);
    else copy_doc(g, doc);
}

/* Lines broken around slots, before capitals and before Chinese behind a space, and in Chinese every few characters: what
 * is learnt are words, not sentences, and never a space together with a name. */
static void put_tokens(gen *g, glim_buf *out, const char *text) {
    glim_buf plain = {0};
    put_plain(&plain, text, true);
    size_t run = 0, most = 1 + below(g, 3);
    for (const char *s = glim_buf_cstr(&plain); *s; s++) {
        const unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];
        if (c == ' ' && ((next >= 'A' && next <= 'Z') || next >= 0x80)) {
            glim_buf_putc(out, '\n');
            continue;
        }
        if (c >= 0xe3 && ++run > most) glim_buf_putc(out, '\n'), run = 1, most = 1 + below(g, 3);
        if (c < 0x80) run = 0;
        glim_buf_putc(out, *s);
    }
    glim_buf_putc(out, '\n');
    glim_buf_free(&plain);
}

static task some_task(gen *g) {
    const size_t way = below(g, 100);
    return way < 33 ? T_ANSWER : way < 42 ? T_REFUSE : way < 64 ? T_INTENT : way < 77 ? T_FORM : way < 88 ? T_TOOL : way < 98 ? T_TABLE : T_CHAT;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: nano_gen OUT DOCUMENTS CONVERSATIONS PAIRS EVALUATIONS SEED\n");
        return 2;
    }
    const char *out = argv[1];
    const size_t n_docs = (size_t)atoll(argv[2]), n_sft = (size_t)atoll(argv[3]), n_pairs = (size_t)atoll(argv[4]), n_eval = (size_t)atoll(argv[5]);
    const uint64_t seed = (uint64_t)atoll(argv[6]);
    set names[2] = {0}, templates[2] = {0}, sayings[2] = {0};
    gen g = {.rng = {.seed = seed}, .names = &names[0], .templates = &templates[0], .sayings = &sayings[0]};
    char sub[512];
    conv c = {0};
    glim_buf doc = {0}, plain = {0};
    snprintf(sub, sizeof sub, "%s/eval", out);
    if ((mkdir(out, 0777) != 0 && errno != EEXIST) || (mkdir(sub, 0777) != 0 && errno != EEXIST)) return fprintf(stderr, "nano_gen: %s: %s\n", sub, strerror(errno)), 1;

    FILE *corpus = open_in(out, "corpus.jsonl"), *tokens = open_in(out, "tokens.txt");
    for (size_t i = 0; i < n_docs; i++) {
        g.zh = chance(&g, 50);
        document(&g, &doc);
        glim_buf_clear(&plain);
        put_plain(&plain, glim_buf_cstr(&doc), false);
        glim_buf line = {0};
        glim_buf_puts(&line, "{\"text\": ");
        glim_json_put_str(&line, glim_buf_cstr(&plain), plain.len);
        glim_buf_puts(&line, "}\n");
        fwrite(line.s, 1, line.len, corpus);
        glim_buf_clear(&line);
        if (i < 20000) {
            put_tokens(&g, &line, glim_buf_cstr(&doc));
            fwrite(line.s, 1, line.len, tokens);
        }
        glim_buf_free(&line);
    }
    fclose(corpus);

    FILE *sft = open_in(out, "sft.jsonl"), *pairs = open_in(out, "pairs.jsonl");
    g.senses = open_in(out, "senses.csv");
    fputs("text,label\n", g.senses);
    for (size_t i = 0; i < n_sft; i++) {
        g.zh = chance(&g, 50);
        make_known(&g, some_task(&g), &c);
        write_conv(sft, &c, false);
        if (i >= 20000) continue;
        const glim_buf *parts[] = {&c.system, &c.user, &c.answer, &c.tools};
        glim_buf line = {0};
        for (size_t k = 0; k < 4; k++) put_tokens(&g, &line, glim_buf_cstr(parts[k]));
        fwrite(line.s, 1, line.len, tokens);
        glim_buf_free(&line);
    }
    fclose(sft), fclose(tokens), fclose(g.senses);
    g.senses = NULL;
    set_free(&g.noted);
    for (size_t i = 0; i < n_pairs; i++) {
        g.zh = chance(&g, 50);
        do make_known(&g, chance(&g, 45) ? T_REFUSE : chance(&g, 70) ? T_ANSWER : T_INTENT, &c);
        while (c.wrong.len == 0);
        write_conv(pairs, &c, true);
    }
    fclose(pairs);

    g = (gen){.rng = {.seed = seed ^ 0x6576616c}, .eval = true, .names = &names[1], .templates = &templates[1], .sayings = &sayings[1], .known = &templates[0]};
    for (int t = 0; t < T_CHAT; t++)
        for (int zh = 0; zh < 2; zh++) {
            snprintf(sub, sizeof sub, "eval/%s-%s.jsonl", TASKS[t], zh ? "zh" : "en");
            FILE *f = open_in(out, sub);
            g.zh = zh;
            for (size_t i = 0; i < n_eval; i++) {
                uint64_t h;
                do {
                    g.novel = false;
                    h = make(&g, (task)t, &c);
                } while ((!g.novel && t != T_TABLE) || set_has(&sayings[0], h)); /* a table's request has no phrases */
                set_add(&sayings[1], h);
                write_conv(f, &c, false);
            }
            fclose(f);
        }
    const size_t n = set_common(&names[1], &names[0]), p = set_common(&templates[1], &templates[0]), s = set_common(&sayings[1], &sayings[0]);
    FILE *f = open_in(out, "overlap.json");
    fprintf(f, "{\"names\": {\"training\": %zu, \"evaluation\": %zu, \"both\": %zu}, \"phrases\": {\"training\": %zu, \"held_out\": %zu, \"both\": %zu}, "
               "\"requests\": {\"training\": %zu, \"evaluation\": %zu, \"both\": %zu}}\n",
            names[0].n, names[1].n, n, templates[0].n, templates[1].n, p, sayings[0].n, sayings[1].n, s);
    fclose(f);
    for (int i = 0; i < 2; i++) set_free(&names[i]), set_free(&templates[i]), set_free(&sayings[i]);
    conv_free(&c);
    glim_buf_free(&doc), glim_buf_free(&plain);
    if (n + p + s) return fprintf(stderr, "nano_gen: evaluation shares %zu names, %zu phrases and %zu requests with training\n", n, p, s), 1;
    return 0;
}
