/* shop_prompt.c - rows and intents to a language model, in the forms of docs/desk.md. */
#include <string.h>

#include "app/shop_internal.h"

static const char *const rules_zh[] = {"只根据资料里的行回答，不要编造。", "每句话前面写行号，如[1]。", "资料里没有答案时，只写：资料库里没有这个信息。"};
static const char *const rules_en[] = {"Answer only from the rows and make nothing up.", "Before each sentence write the number of its row, like [1].",
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
        glim_buf_printf(out, "[%zu] ", i + 1);
        if (a->row[i].note) glim_lib_row_line(out, s->notes, a->row[i].row, a->zh, NULL, 0);
        else glim_lib_row_line(out, s->lib, a->row[i].row, a->zh, first, n_first);
        glim_buf_putc(out, '\n');
    }
    if (a->n_rows == 0) glim_buf_puts(out, a->zh ? "（无）\n" : "(none)\n");
    glim_buf_puts(out, a->zh ? "\n问题：" : "\nQuestion: ");
    glim_buf_append(out, question, n);
}

/* The row of "[n]" at p, and what comes behind it; -1: there is no such row. */
static int numbered(const glim_shop_answer *a, const char *p, const char *end, const char **next) {
    if (end - p < 3 || p[0] != '[' || p[1] < '1' || p[1] > '9' || p[2] != ']' || (size_t)(p[1] - '0') > a->n_rows) return -1;
    *next = p + 3;
    return p[1] - '1';
}

static const char *name_of(const glim_shop *s, const glim_shop_answer *a, size_t i) {
    return glim_lib_row_name(a->row[i].note ? s->notes : s->lib, a->row[i].row, a->zh);
}

/* Whether a sentence has the name of any of the answer's rows. */
static bool names_one(const glim_shop *s, const glim_shop_answer *a, const char *text, size_t n) {
    for (size_t i = 0; i < a->n_rows; i++) {
        const char *name = name_of(s, a, i);
        if (*name && memmem(text, n, name, strlen(name))) return true;
    }
    return false;
}

bool glim_shop_cite(glim_buf *out, const glim_shop *s, const glim_shop_answer *a, bool names, const char *said, size_t n) {
    const char *p = said, *end = said + n;
    while (p < end) {
        int row[9], k;
        size_t n_row = 0;
        while (p < end && (*p == ' ' || *p == '\n')) p++;
        while (n_row < 9 && (k = numbered(a, p, end, &p)) >= 0) row[n_row++] = k;
        while (p < end && *p == ' ') p++;
        const char *next = p < end ? memchr(p, '[', (size_t)(end - p)) : NULL, *stop = next ? next : end;
        const char *last = stop;
        while (last > p && (last[-1] == ' ' || last[-1] == '\n')) last--;
        if (n_row == 0 || last == p) return false;
        if (out->len && !a->zh) glim_buf_putc(out, ' ');
        if (names && n_row == 1 && !names_one(s, a, p, (size_t)(last - p))) glim_buf_printf(out, "%s%s", name_of(s, a, (size_t)row[0]), a->zh ? "：" : ": ");
        glim_buf_append(out, p, (size_t)(last - p));
        for (size_t i = 0; i < n_row; i++) glim_buf_printf(out, "%s[%s]", i == 0 && !a->zh ? " " : "", a->row[row[i]].id);
        p = stop;
    }
    return out->len > 0;
}

bool glim_shop_intents(glim_buf *system, json_t **labels, const glim_shop *s, bool zh) {
    const json_t *about = json_object_get(s->conf, "intents");
    size_t n = glim_intent_n_labels(s->intents);
    *labels = NULL;
    if (n < 2 || n > 39) return false;
    json_t *list = json_array();
    glim_buf_puts(system, zh ? "任务：选择意图\n" : "Task: choose an intent\n");
    for (size_t i = 0; i < n; i++) {
        const char *label = glim_intent_label(s->intents, i), *what = json_string_value(json_object_get(json_object_get(about, label), zh ? "what_zh" : "what_en"));
        glim_buf_printf(system, what ? "- %s: %s\n" : "- %s\n", label, what);
        json_array_append_new(list, json_string(label));
    }
    glim_buf_puts(system, zh ? "都不合适时写 none" : "If none fits, write none");
    json_array_append_new(list, json_string("none"));
    *labels = list;
    return true;
}
