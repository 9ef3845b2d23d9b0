/* data_table.c - templates over named columns: "Question: {text}" and "{category}". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "train/data_internal.h"

static const char *pick(const glim_data_cells *c, const char *const *names) {
    for (; *names; names++)
        for (size_t i = 0; i < c->n; i++)
            if (strcasecmp(c->name[i], *names) == 0) return c->name[i];
    return NULL;
}

static char *braced(const char *name) {
    glim_buf b = {0};
    glim_buf_putc(&b, '{');
    glim_buf_puts(&b, name);
    glim_buf_putc(&b, '}');
    char *out = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return out;
}

bool glim_data_table_guess(const glim_data_cells *c, char **prompt, char **answer) {
    static const char *const prompts[] = {"prompt", "question", "query", "instruction", "input", "text", "utterance", "sentence",
                                          "问题", "文本", NULL};
    static const char *const answers[] = {"completion", "answer", "response", "output", "label", "category", "intent", "class",
                                          "target", "答案", "标签", "意图", NULL};
    const char *p = pick(c, prompts), *a = pick(c, answers);
    *prompt = *answer = NULL;
    if (!p || !a || strchr(p, '{') || strchr(p, '}') || strchr(a, '{') || strchr(a, '}')) return false;
    *prompt = braced(p);
    *answer = braced(a);
    return true;
}

static glim_status no_column(const char *name, size_t n, const glim_data_cells *c, glim_err *err) {
    glim_buf have = {0};
    for (size_t i = 0; i < c->n; i++) glim_buf_printf(&have, "%s{%s}", i ? ", " : "", c->name[i]);
    glim_status rc = glim_fail(err, GLIM_E_ARG, "the template names {%.*s}, but the columns are %s", (int)(n < 100 ? n : 100), name,
                               have.len ? have.s : "none");
    glim_buf_free(&have);
    return rc;
}

glim_status glim_data_table_fill(glim_buf *out, const char *tmpl, const glim_data_cells *c, glim_err *err) {
    for (const char *s = tmpl; *s;) {
        if ((s[0] == '{' && s[1] == '{') || (s[0] == '}' && s[1] == '}')) {
            glim_buf_putc(out, *s);
            s += 2;
            continue;
        }
        if (*s != '{') {
            glim_buf_putc(out, *s++);
            continue;
        }
        const char *end = strchr(s, '}');
        if (!end) {
            glim_status rc = glim_fail(err, GLIM_E_ARG, "the template \"%s\" has a \"{\" without \"}\"", tmpl);
            glim_err_hint(err, "a brace that is meant as text is written {{");
            return rc;
        }
        size_t n = (size_t)(end - s - 1), i = 0;
        while (i < c->n && !(strlen(c->name[i]) == n && memcmp(c->name[i], s + 1, n) == 0)) i++;
        if (i == c->n) return no_column(s + 1, n, c, err);
        glim_buf_append(out, c->value[i], c->len[i]);
        s = end + 1;
    }
    return glim_buf_status(out, "a filled template", err);
}
