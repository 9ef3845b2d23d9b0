/* shop_answer.c - an answer: the rows that it cites, and itself as JSON. */
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "store/prices.h"

const char *glim_shop_part_name(glim_shop_part p) {
    static const char *const names[] = {"none", "correction", "linear model", "filter", "retrieval", "language model"};
    return names[p];
}

const char *glim_shop_status_name(glim_shop_status s) {
    static const char *const names[] = {"answered", "not_in_library", "out_of_scope", "handed_over"};
    return names[s];
}

void glim_shop_answer_deinit(glim_shop_answer *a) {
    glim_buf_free(&a->text);
    glim_buf_free(&a->filter);
    glim_buf_free(&a->rows_json);
    *a = (glim_shop_answer){0};
}

static void cite_row(glim_shop *s, glim_shop_answer *a, bool note, uint32_t row) {
    if (a->n_rows == GLIM_SHOP_ROWS) return;
    glim_shop_row *r = &a->row[a->n_rows++];
    char id[GLIM_LIB_ID_MAX + 1];
    glim_lib_row_id(note ? s->notes : s->lib, row, id);
    *r = (glim_shop_row){.note = note, .row = row};
    memcpy(r->id, id, sizeof id);
}

void glim_shop_cite_row(glim_shop *s, glim_shop_answer *a, uint32_t row) { cite_row(s, a, false, row); }
void glim_shop_cite_note(glim_shop *s, glim_shop_answer *a, uint32_t row) { cite_row(s, a, true, row); }

void glim_shop_show_rows(glim_shop *s, glim_shop_answer *a) {
    glim_buf *b = &a->rows_json;
    glim_buf cell = {0};
    glim_buf_putc(b, '[');
    for (size_t i = 0; i < a->n_rows; i++) {
        const glim_lib *l = a->row[i].note ? s->notes : s->lib;
        glim_buf_puts(b, i ? ", {\"id\": " : "{\"id\": ");
        glim_json_put_str(b, a->row[i].id, strlen(a->row[i].id));
        glim_buf_printf(b, ", \"library\": \"%s\", \"line\": %u, \"name\": ", a->row[i].note ? "notes" : "products", l->line[a->row[i].row]);
        const char *name = glim_lib_row_name(l, a->row[i].row, a->zh);
        glim_json_put_str(b, name, strlen(name));
        glim_buf_puts(b, ", \"cells\": {");
        bool any = false;
        for (size_t c = 0; c < l->n_col; c++) {
            if (!*glim_lib_cell(l, a->row[i].row, c) || !glim_lib_col_speaks(l, c, a->zh)) continue;
            glim_buf_clear(&cell);
            if (l->col[c].type == GLIM_LIB_TEXT || l->col[c].type == GLIM_LIB_NAME) glim_buf_puts(&cell, glim_lib_cell(l, a->row[i].row, c)); /* whole: a clerk corrects it */
            else glim_lib_show(&cell, l, a->row[i].row, c, a->zh);
            if (any) glim_buf_puts(b, ", ");
            any = true;
            glim_json_put_str(b, l->col[c].column, strlen(l->col[c].column));
            glim_buf_puts(b, ": ");
            glim_json_put_str(b, glim_buf_cstr(&cell), cell.len);
        }
        glim_buf_puts(b, "}}");
    }
    glim_buf_putc(b, ']');
    glim_buf_free(&cell);
}

void glim_shop_answer_json(glim_buf *out, const char *question, size_t n, const glim_shop_answer *a) {
    glim_buf_puts(out, "{\"question\": ");
    glim_json_put_str(out, question, n);
    glim_buf_puts(out, ", \"answer\": ");
    glim_json_put_str(out, glim_buf_cstr(&a->text), a->text.len);
    glim_buf_printf(out, ", \"status\": \"%s\", \"part\": \"%s\", \"found_by\": \"%s\"", glim_shop_status_name(a->status), glim_shop_part_name(a->part), glim_shop_part_name(a->found));
    glim_buf_printf(out, ", \"phrased_by\": %s, \"model_answer_dropped\": %s", a->phrased ? "\"language model\"" : "null", a->unchecked_dropped ? "true" : "false");
    glim_buf_puts(out, ", \"intent\": ");
    glim_json_put_str(out, a->intent, strlen(a->intent));
    glim_buf_printf(out, ", \"p\": %.4f, \"seconded\": %s, \"filter\": ", (double)a->p, a->seconded ? "true" : "false");
    if (a->filter.len) glim_json_put_str(out, a->filter.s, a->filter.len);
    else glim_buf_puts(out, "null");
    glim_buf_printf(out, ", \"n_fit\": %zu, \"rows\": %s, \"handover\": ", a->n_all, a->rows_json.len ? a->rows_json.s : "[]");
    if (a->handover) glim_buf_printf(out, "%llu", (unsigned long long)a->handover);
    else glim_buf_puts(out, "null");
    glim_buf_printf(out, ", \"ms\": %.3f, \"model_ms\": %.3f, \"usage\": ", a->ms, a->model_ms);
    if (a->n_asked) glim_buf_printf(out, "{\"prompt_tokens\": %zu, \"completion_tokens\": %zu, \"tokens_per_s\": %.1f}", a->n_prompt, a->n_tokens, a->decode_s > 0 ? (double)a->n_tokens / a->decode_s : 0);
    else glim_buf_puts(out, "null");
    char money[32];
    if (a->currency[0]) glim_buf_printf(out, ", \"cost\": \"%s\", \"currency\": \"%s\"}", glim_money_text(money, a->cost), a->currency);
    else glim_buf_puts(out, ", \"cost\": null, \"currency\": null}");
}
