/* cmd_tokenize.c - text to token ids and back.
 *
 * --jsonl is a contract with other programs: one JSON string a line in, one JSON array of ids a line out
 * ("[1, 2, 3]", "[]" for no tokens), flushed line by line, so that a pipe may be asked and answered in
 * turn. The other forms are for people. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "text/tok.h"

enum { MAX_TEXT = 1 << 30 };

typedef struct opts {
    bool jsonl, special, prefix, json, count, decode;
    const char *file;
    unsigned flags;
} opts;

static void put_ids(glim_buf *out, const glim_ids *ids) {
    glim_buf_reserve(out, ids->n * 12 + 2);
    glim_buf_putc(out, '[');
    for (size_t i = 0; i < ids->n; i++) glim_buf_printf(out, "%s%d", i ? ", " : "", ids->v[i]);
    glim_buf_putc(out, ']');
}

static glim_status write_out(const glim_buf *b, glim_err *err) {
    glim_status rc = glim_buf_status(b, "the answer", err);
    if (rc != GLIM_OK) return rc;
    if (fwrite(glim_buf_cstr(b), 1, b->len, stdout) != b->len || fflush(stdout) != 0)
        return glim_fail_errno(err, GLIM_E_IO, errno, "could not write to stdout");
    return GLIM_OK;
}

/* ---- --jsonl ------------------------------------------------------------------------------------ */

static glim_status one_line(const glim_tok *t, const opts *o, const char *line, size_t len, glim_ids *ids,
                            glim_buf *out, glim_err *err) {
    json_t *v;
    glim_status rc = glim_json_parse(&v, line, len, 0, err);
    if (rc != GLIM_OK) return rc;
    if (!json_is_string(v)) {
        rc = glim_fail(err, GLIM_E_FORMAT, "got %s, want a JSON string", glim_json_type_name(v));
    } else {
        ids->n = 0;
        glim_buf_clear(out);
        rc = glim_tok_encode(t, json_string_value(v), json_string_length(v), o->flags, ids, err);
        put_ids(out, ids);
        glim_buf_putc(out, '\n');
    }
    json_decref(v);
    return rc == GLIM_OK ? write_out(out, err) : rc;
}

static glim_status all_lines(const glim_tok *t, const opts *o, glim_err *err) {
    char *line = NULL;
    size_t cap = 0, n = 0;
    glim_ids ids = {0};
    glim_buf out = {0};
    glim_status rc = GLIM_OK;
    ssize_t len;
    while (rc == GLIM_OK && (len = getline(&line, &cap, stdin)) >= 0) {
        n++;
        rc = one_line(t, o, line, (size_t)len, &ids, &out, err);
        if (rc != GLIM_OK) glim_err_context(err, "stdin line %zu", n);
    }
    if (rc == GLIM_OK && ferror(stdin)) rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not read stdin");
    free(line);
    glim_ids_free(&ids);
    glim_buf_free(&out);
    return rc;
}

/* ---- one text --------------------------------------------------------------------------------------- */

static glim_status read_stdin(glim_buf *out, glim_err *err) {
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;) {
        glim_buf_append(out, chunk, n);
        if (out->len > MAX_TEXT)
            return glim_fail(err, GLIM_E_LIMIT, "stdin holds more than %d bytes", MAX_TEXT);
    }
    if (ferror(stdin)) return glim_fail_errno(err, GLIM_E_IO, errno, "could not read stdin");
    return glim_buf_status(out, "the text", err);
}

/* A piece as people can read it: a JSON string, bytes that are no text as \xNN. */
static void put_piece(glim_buf *out, const char *s, size_t len) {
    glim_buf_putc(out, '"');
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        int n = glim_utf8_next(s + i, len - i, &cp);
        unsigned char c = (unsigned char)s[i];
        if (c == '\n') glim_buf_puts(out, "\\n");
        else if (c == '\r') glim_buf_puts(out, "\\r");
        else if (c == '\t') glim_buf_puts(out, "\\t");
        else if (c == '"' || c == '\\') glim_buf_printf(out, "\\%c", c);
        else if (n <= 0 || c < 0x20 || c == 0x7f) glim_buf_printf(out, "\\x%02x", c);
        else glim_buf_append(out, s + i, (size_t)n);
        i += n > 0 ? (size_t)n : 1;
    }
    glim_buf_putc(out, '"');
}

static glim_status encode_text(const glim_tok *t, const opts *o, const char *text, size_t len, glim_err *err) {
    glim_ids ids = {0};
    glim_buf out = {0};
    glim_status rc = glim_tok_encode(t, text, len, o->flags, &ids, err);
    if (rc == GLIM_OK && o->count) {
        glim_buf_printf(&out, "%zu\n", ids.n);
    } else if (rc == GLIM_OK && o->json) {
        put_ids(&out, &ids);
        glim_buf_putc(&out, '\n');
    } else if (rc == GLIM_OK) {
        for (size_t i = 0; i < ids.n; i++) {
            size_t n;
            const char *s = glim_tok_piece(t, ids.v[i], &n);
            glim_buf_printf(&out, "%8d  ", ids.v[i]);
            if (s) put_piece(&out, s, n);
            glim_buf_puts(&out, glim_tok_is_added(t, ids.v[i]) ? "  added token\n" : "\n");
        }
        glim_buf_printf(&out, "%zu tokens, %zu bytes\n", ids.n, len);
    }
    if (rc == GLIM_OK) rc = write_out(&out, err);
    glim_ids_free(&ids);
    glim_buf_free(&out);
    return rc;
}

/* ids between anything that is no digit: "1 2 3", "[1, 2, 3]". */
static glim_status decode_text(const glim_tok *t, const char *text, size_t len, glim_err *err) {
    glim_ids ids = {0};
    glim_buf out = {0};
    glim_status rc = GLIM_OK;
    for (size_t i = 0; i < len && rc == GLIM_OK;) {
        if (strchr(" \t\r\n,[]", text[i]) && text[i]) {
            i++;
            continue;
        }
        size_t from = i;
        int64_t v = 0;
        while (i < len && text[i] >= '0' && text[i] <= '9' && i - from < 10) v = v * 10 + (text[i++] - '0');
        if (i == from || (i < len && (!strchr(" \t\r\n,[]", text[i]) || !text[i])))
            rc = glim_fail(err, GLIM_E_ARG, "byte %zu of the ids: got \"%.*s\", want numbers and commas or spaces",
                           from, (int)(len - from < 20 ? len - from : 20), text + from);
        else if (v > INT32_MAX || !glim_tok_piece(t, (int32_t)v, NULL))
            rc = glim_fail(err, GLIM_E_ARG, "%lld is not a token of this vocabulary (%zu tokens)", (long long)v,
                           glim_tok_n(t));
        else
            rc = glim_ids_push(&ids, (int32_t)v, err);
    }
    if (rc == GLIM_OK) {
        glim_tok_decode(t, ids.v, ids.n, true, &out);
        rc = write_out(&out, err);
    }
    glim_ids_free(&ids);
    glim_buf_free(&out);
    return rc;
}

static glim_status run(const opts *o, const glim_str_list *pos, glim_err *err) {
    if (o->jsonl && (pos->n > 1 || o->file || o->decode || o->count || o->json))
        return glim_fail(err, GLIM_E_ARG, "--jsonl takes its texts from stdin, and only --special and --prefix with it");
    if (pos->n > 1 && o->file) return glim_fail(err, GLIM_E_ARG, "TEXT and --file cannot both be given");
    if (o->decode && (o->count || o->json || o->flags))
        return glim_fail(err, GLIM_E_ARG, "--decode goes with none of --count, --json, --special and --prefix");
    glim_tok *t;
    glim_status rc = glim_tok_open(&t, pos->v[0], err);
    if (rc != GLIM_OK) return rc;
    glim_buf text = {0};
    if (o->jsonl) {
        rc = all_lines(t, o, err);
    } else {
        if (pos->n > 1) glim_buf_puts(&text, pos->v[1]);
        else if (o->file) rc = glim_file_read(&text, o->file, MAX_TEXT, err);
        else rc = read_stdin(&text, err);
        if (rc == GLIM_OK) rc = glim_buf_status(&text, "the text", err);
        if (rc == GLIM_OK)
            rc = o->decode ? decode_text(t, glim_buf_cstr(&text), text.len, err)
                           : encode_text(t, o, glim_buf_cstr(&text), text.len, err);
    }
    glim_buf_free(&text);
    glim_tok_free(t);
    return rc;
}

int glim_cmd_tokenize(int argc, char **argv) {
    opts o = {0};
    const glim_flag own[] = {
        {"--jsonl", NULL, GLIM_FLAG_BOOL, &o.jsonl, NULL, "one JSON string a line on stdin, one array of ids a line out", 0, 0},
        {"--special", NULL, GLIM_FLAG_BOOL, &o.special, NULL, "texts of added tokens (<|user|>) become those tokens", 0, 0},
        {"--prefix", NULL, GLIM_FLAG_BOOL, &o.prefix, NULL, "put the family's prefix first ([gMASK]<sop>)", 0, 0},
        {"--file", "-f", GLIM_FLAG_STR, &o.file, "F", "take the text from a file", 0, 0},
        {"--json", NULL, GLIM_FLAG_BOOL, &o.json, NULL, "only the ids, as a JSON array", 0, 0},
        {"--count", NULL, GLIM_FLAG_BOOL, &o.count, NULL, "only how many tokens", 0, 0},
        {"--decode", NULL, GLIM_FLAG_BOOL, &o.decode, NULL, "the text holds ids: print what they say", 0, 0},
        {0}};
    const glim_page u = {"glim tokenize PATH [TEXT]",
                          "Turns text into token ids, exactly as the model's own tokenizer does. PATH is a model folder, a\n"
                          "GGUF file, tokenizer.json or tokenizer.model. Text comes from the command line, --file or stdin.",
                          {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 2);
    if (code >= 0) return code;
    o.flags = (o.special ? GLIM_TOK_SPECIAL : 0u) | (o.prefix ? GLIM_TOK_PREFIX : 0u);
    glim_err err = {0};
    return run(&o, &pos, &err) == GLIM_OK ? GLIM_EXIT_OK : glim_cli_error(&err);
}
