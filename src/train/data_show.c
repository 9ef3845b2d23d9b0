/* data_show.c - what a person sees of a data set: one line of summary, one example token by token. */
#include <string.h>

#include "base/utf8.h"
#include "train/data_internal.h"

void glim_dataset_summary(const glim_data_report *r, glim_buf *out) {
    glim_buf_printf(out, "%zu examples, %zu tokens of which %zu count in the loss, longest %zu; read as %s%s", r->n_examples, r->n_tokens,
                    r->n_targets, r->longest, r->how, r->guessed ? " (guessed)" : "");
    if (r->n_cut) glim_buf_printf(out, "; %zu cut to the limit", r->n_cut);
    if (r->n_dropped) glim_buf_printf(out, "; %zu longer than the limit left out", r->n_dropped);
    if (r->n_context)
        glim_buf_printf(out, "; %zu answer%s only context: the template writes %s without the thinking that the prompt asks for", r->n_context,
                        r->n_context == 1 ? " is" : "s are", r->n_context == 1 ? "it" : "them");
    if (r->n_bad) glim_buf_printf(out, "; %zu bad rows left out", r->n_bad);
}

/* A token's bytes as one printable piece: control bytes and broken UTF-8 as \n, \t or \xNN. */
static void put_visible(glim_buf *out, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int k = glim_utf8_next(s + i, n - i, &cp);
        unsigned char c = (unsigned char)s[i];
        if (k > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0) && cp != '\\') {
            glim_buf_append(out, s + i, (size_t)k);
            i += (size_t)k;
            continue;
        }
        if (c == '\n') glim_buf_puts(out, "\\n");
        else if (c == '\t') glim_buf_puts(out, "\\t");
        else if (c == '\\') glim_buf_puts(out, "\\\\");
        else glim_buf_printf(out, "\\x%02x", c);
        i++;
    }
}

/* The text as it is read, with what counts between marks. Bytes of one character may lie in two tokens: runs of
 * tokens with the same mask are joined before they are shown. */
static void put_marked(glim_buf *out, const glim_tok *tok, const glim_example *e, bool color) {
    for (size_t i = 0; i < e->n;) {
        size_t j = i;
        glim_buf run = {0};
        for (; j < e->n && e->loss[j] == e->loss[i]; j++) {
            size_t n;
            const char *s = glim_tok_piece(tok, e->tokens[j], &n);
            if (s) glim_buf_append(&run, s, n);
        }
        if (e->loss[i]) glim_buf_puts(out, color ? "\x1b[32m" : "⟦");
        for (size_t k = 0; k < run.len;) { /* line breaks stay: this is for reading */
            const char *nl = memchr(run.s + k, '\n', run.len - k);
            size_t n = nl ? (size_t)(nl - run.s) - k : run.len - k;
            put_visible(out, run.s + k, n);
            k += n;
            if (nl) glim_buf_putc(out, '\n'), k++;
        }
        if (e->loss[i]) glim_buf_puts(out, color ? "\x1b[0m" : "⟧");
        glim_buf_free(&run);
        i = j;
    }
    glim_buf_putc(out, '\n');
}

static void put_example(glim_buf *out, const glim_tok *tok, const glim_example *e, bool color) {
    size_t targets = 0;
    for (size_t i = 0; i < e->n; i++) targets += e->loss[i];
    glim_buf_printf(out, "%zu tokens, %zu count in the loss (+)\n", e->n, targets);
    for (size_t i = 0; i < e->n; i++) {
        size_t n = 0;
        const char *s = glim_tok_piece(tok, e->tokens[i], &n);
        const char *on = color && e->loss[i] ? "\x1b[32m" : "", *off = color && e->loss[i] ? "\x1b[0m" : "";
        glim_buf_printf(out, "%6zu %7d %c %s%s", i, e->tokens[i], e->loss[i] ? '+' : ' ', on,
                        glim_tok_is_added(tok, e->tokens[i]) ? "" : "\"");
        if (s) put_visible(out, s, n);
        glim_buf_printf(out, "%s%s\n", s ? (glim_tok_is_added(tok, e->tokens[i]) ? "" : "\"") : "(no token of this tokenizer)", off);
    }
    put_marked(out, tok, e, color);
}

glim_status glim_dataset_inspect(const glim_dataset *d, const glim_tok *tok, size_t index, FILE *f, bool color, glim_err *err) {
    if (index >= glim_dataset_n(d))
        return glim_fail(err, GLIM_E_ARG, "example %zu: the set has %zu, counted from 0", index, glim_dataset_n(d));
    glim_buf b = {0};
    glim_buf_printf(&b, "example %zu", index);
    if (glim_dataset_line(d, index)) glim_buf_printf(&b, " (line %zu)", glim_dataset_line(d, index));
    glim_buf_puts(&b, ": ");
    glim_example e[2];
    if (d->pairs) {
        glim_dataset_pair(d, index, &e[0], &e[1]);
        glim_buf_puts(&b, "chosen, ");
        put_example(&b, tok, &e[0], color);
        glim_buf_puts(&b, "rejected, ");
        put_example(&b, tok, &e[1], color);
    } else {
        glim_dataset_example(d, index, &e[0]);
        put_example(&b, tok, &e[0], color);
    }
    glim_status rc = glim_buf_status(&b, "an inspected example", err);
    if (rc == GLIM_OK && fwrite(b.s, 1, b.len, f) != b.len) rc = glim_fail(err, GLIM_E_IO, "could not write the example");
    glim_buf_free(&b);
    return rc;
}
