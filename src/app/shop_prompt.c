/* shop_prompt.c - rows to a language model in the form of docs/desk.md, and the check of what it wrote. */
#include <ctype.h>
#include <string.h>

#include "app/shop_internal.h"

static const char *const rules_zh[] = {"只根据资料里的行回答，不要编造。", "每句话后面写行号，如[P012]。", "资料里没有答案时，只写：资料库里没有这个信息。"};
static const char *const rules_en[] = {"Answer only from the rows and make nothing up.", "After each sentence write the id of its row, like [P012].",
                                       "If the rows do not hold the answer, write only: This is not in the library."};

void glim_shop_system(glim_buf *out, const glim_shop *s, bool zh) {
    const json_t *prompt = json_object_get(json_object_get(s->conf, "prompt"), zh ? "zh" : "en"), *step;
    const char *role = json_string_value(json_object_get(prompt, "role"));
    size_t i, n = 0;
    glim_buf_puts(out, zh ? "任务：回答\n" : "Task: answer\n");
    glim_buf_printf(out, "%s\n", role ? role : zh ? "你是本店的客服。" : "You are this shop's assistant.");
    json_array_foreach(json_object_get(prompt, "steps"), i, step)
        if (json_is_string(step)) glim_buf_printf(out, "%zu. %s\n", ++n, json_string_value(step));
    for (i = 0; i < 3; i++) glim_buf_printf(out, "%zu. %s%s", ++n, (zh ? rules_zh : rules_en)[i], i < 2 ? "\n" : "");
}

void glim_shop_user(glim_buf *out, const glim_shop *s, const glim_shop_answer *a, const glim_filter *f, const char *question, size_t n) {
    int first[GLIM_FILTER_ASKS + GLIM_FILTER_CONDS + 1];
    size_t n_first = 0;
    for (size_t i = 0; i < f->n_ask; i++) first[n_first++] = f->ask[i];
    if (f->sort >= 0) first[n_first++] = f->sort;
    for (size_t i = 0; i < f->n_cond; i++) first[n_first++] = f->cond[i].col;
    glim_buf_puts(out, a->zh ? "资料：\n" : "Rows:\n");
    for (size_t i = 0; i < a->n_rows && i < 4; i++) {
        if (a->row[i].note) glim_lib_row_line(out, s->notes, a->row[i].row, a->zh, NULL, 0);
        else glim_lib_row_line(out, s->lib, a->row[i].row, a->zh, first, n_first);
        glim_buf_putc(out, '\n');
    }
    if (a->n_rows == 0) glim_buf_puts(out, a->zh ? "（无）\n" : "(none)\n");
    glim_buf_puts(out, a->zh ? "\n问题：" : "\nQuestion: ");
    glim_buf_append(out, question, n);
}

/* The next figure in a text: digits with points and commas between them, commas dropped. */
static bool next_figure(const char **p, const char *end, char out[64]) {
    while (*p < end && !isdigit((unsigned char)**p)) ++*p;
    if (*p == end) return false;
    size_t n = 0;
    for (; *p < end && n < 63; ++*p) {
        if (isdigit((unsigned char)**p)) out[n++] = **p;
        else if (**p == '.' && *p + 1 < end && isdigit((unsigned char)(*p)[1])) out[n++] = '.';
        else if (!(**p == ',' && *p + 1 < end && isdigit((unsigned char)(*p)[1]))) break;
    }
    out[n] = 0;
    return true;
}

static bool has_figure(const char *text, const char *figure) {
    char t[64];
    for (const char *p = text, *end = text + strlen(text); next_figure(&p, end, t);)
        if (strcmp(t, figure) == 0) return true;
    return false;
}

bool glim_shop_grounded(const char *answer, size_t n, const char *rows, const char *question, const glim_shop_answer *a, bool *refusal) {
    const char *end = answer + n, *const refusals[] = {"资料库里没有这个信息。", "This is not in the library."};
    *refusal = false;
    for (size_t i = 0; i < 2; i++)
        if (strncmp(answer, refusals[i], strlen(refusals[i])) == 0) *refusal = true;
    if (*refusal) return true;
    if (n == 0 || n > 4096) return false;
    size_t cited = 0;
    glim_buf prose = {0};
    for (const char *p = answer; p < end;) { /* ids are no figures of the answer */
        if (*p != '[') {
            glim_buf_putc(&prose, *p++);
            continue;
        }
        const char *e = memchr(p, ']', (size_t)(end - p));
        size_t k = e ? (size_t)(e - p) - 1 : 0;
        bool known = false;
        for (size_t i = 0; i < a->n_rows && !known && e; i++) known = strlen(a->row[i].id) == k && memcmp(a->row[i].id, p + 1, k) == 0;
        if (!known) {
            glim_buf_free(&prose);
            return false;
        }
        cited++;
        p = e + 1;
    }
    bool fine = cited > 0 && !prose.failed;
    char figure[64];
    for (const char *p = glim_buf_cstr(&prose), *e = p + prose.len; fine && next_figure(&p, e, figure);) fine = has_figure(rows, figure) || has_figure(question, figure);
    glim_buf_free(&prose);
    return fine;
}
