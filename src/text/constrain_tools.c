/* constrain_tools.c - a whole reply: reasoning, then content of a schema or tool calls in the family's form.
 *
 *   GLM-4      NAME\n{json} [<|assistant|> NAME\n{json}]...
 *   4.5, 4.7   <tool_call>NAME\n<arg_key>K</arg_key>\n<arg_value>V</arg_value>\n...</tool_call>, 4.7 without line breaks
 *   ChatML     <tool_call>\n{"name": "NAME", "arguments": {json}}\n</tool_call>
 *
 * Tags are the control tokens of the vocabulary where it has them, else text. What is written must be read back by
 * reply.h as it was meant, so free text never spells a tag, and under "auto" in GLM-4's form a first line that is a
 * tool's name is a call.
 *
 * One of a few texts (choices) is the other thing a reply may be.
 *
 * Choices of tools: "required" and named tools force calls. Under "auto" calls are forced into their form if a tool is strict or the
 * content has a schema; otherwise nothing is. */
#include <stdlib.h>
#include <string.h>

#include "text/chat_internal.h"
#include "text/constrain_internal.h"

enum { MAX_TOOLS = 128 };

typedef struct tool {
    const char *name;
    const json_t *params; /* NULL: none */
    bool strict;
    uint32_t args;
} tool;

typedef struct plan {
    glim_grammar *g;
    const glim_constraint_spec *spec;
    glim_err *err;
    tool tool[MAX_TOOLS];
    size_t n_tools;
    bool forced, any_strict;
    uint32_t end; /* ACCEPT */
    glim_tag open, close;
    glim_xml_form form;
} plan;

static glim_tag tag(const plan *p, const char *text) {
    return (glim_tag){text, glim_tok_find(p->g->vocab->tok, text)};
}

static bool is_glm4(glim_chat_kind k) {
    return k == GLIM_CHAT_GLM4_9B || k == GLIM_CHAT_GLM4_0414 || k == GLIM_CHAT_GLM_Z1;
}
static bool is_xml(glim_chat_kind k) { return k == GLIM_CHAT_GLM45 || k == GLIM_CHAT_GLM47; }

/* ---- the request ---- */

static glim_status read_tools(plan *p) {
    const json_t *list = p->spec->tools;
    size_t n = json_array_size(list);
    if (list && !json_is_array(list)) return glim_fail(p->err, GLIM_E_FORMAT, "tools: got %s, want a list", glim_json_type_name(list));
    if (n > MAX_TOOLS) return glim_fail(p->err, GLIM_E_LIMIT, "tools: got %zu, want at most %d", n, MAX_TOOLS);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i), *f = glim_chat_tool_function(o);
        glim_chat_str name = glim_chat_json_str(f, "name");
        if (!json_is_object(f) || name.n == 0 || strlen(name.s) != name.n)
            return glim_fail(p->err, GLIM_E_FORMAT, "tools[%zu]: a function without a name", i);
        if (memchr(name.s, '\n', name.n) || memchr(name.s, '<', name.n))
            return glim_fail(p->err, GLIM_E_FORMAT, "tools[%zu]: name \"%s\" holds a line break or \"<\"", i, name.s);
        const json_t *params = json_object_get(f, "parameters");
        if (json_is_null(params)) params = NULL;
        bool strict = json_is_true(json_object_get(f, "strict")) || json_is_true(json_object_get(o, "strict"));
        p->tool[p->n_tools++] = (tool){name.s, params, strict, GLIM_NO_NODE};
    }
    return GLIM_OK;
}

static const tool *find(const plan *p, const char *name) {
    for (size_t i = 0; name && i < p->n_tools; i++)
        if (strcmp(p->tool[i].name, name) == 0) return &p->tool[i];
    return NULL;
}

/* The name in {"type": "function", "function": {"name": ...}} or in the flat form. */
static const char *named(const json_t *o) {
    const json_t *f = json_object_get(o, "function");
    return json_string_value(json_object_get(json_is_object(f) ? f : o, "name"));
}

/* Leaves only the tools that may be called; none for "none". */
static glim_status read_choice(plan *p) {
    const json_t *c = p->spec->tool_choice;
    const char *mode = json_string_value(c);
    bool keep[MAX_TOOLS] = {false};
    if (!c || json_is_null(c)) mode = "auto";
    if (json_is_object(c)) {
        const char *type = json_string_value(json_object_get(c, "type"));
        const json_t *list = NULL;
        if (type && strcmp(type, "allowed_tools") == 0) {
            const json_t *in = json_object_get(c, "allowed_tools");
            if (!json_is_object(in)) in = c;
            list = json_object_get(in, "tools");
            mode = json_string_value(json_object_get(in, "mode"));
            if (!mode) mode = "auto";
            if (!json_is_array(list)) return glim_fail(p->err, GLIM_E_FORMAT, "tool_choice: allowed_tools without a list of tools");
        }
        size_t n = list ? json_array_size(list) : 1;
        for (size_t i = 0; i < n; i++) {
            const char *name = named(list ? json_array_get(list, i) : c);
            const tool *t = find(p, name);
            if (!t) return glim_fail(p->err, GLIM_E_NOT_FOUND, "tool_choice: \"%s\" is not among the tools", name ? name : "");
            keep[t - p->tool] = true;
        }
        if (!list) mode = "required";
    } else memset(keep, true, sizeof keep);
    if (!mode || (strcmp(mode, "none") && strcmp(mode, "auto") && strcmp(mode, "required")))
        return glim_fail(p->err, GLIM_E_FORMAT, "tool_choice: got \"%s\", want none, auto, required or a function", mode ? mode : "");
    p->forced = strcmp(mode, "required") == 0;
    size_t n = 0;
    for (size_t i = 0; i < p->n_tools; i++)
        if (keep[i] && strcmp(mode, "none") != 0) p->tool[n++] = p->tool[i];
    p->n_tools = n;
    if (p->forced && n == 0) return glim_fail(p->err, GLIM_E_FORMAT, "tool_choice: a call is required, but there are no tools");
    for (size_t i = 0; i < n; i++) p->any_strict |= p->tool[i].strict;
    return GLIM_OK;
}

/* ---- calls ---- */

static uint32_t lit(plan *p, const char *s, uint32_t next) { return *s ? glim_node_lit(p->g, s, strlen(s), next) : next; }

/* The arguments of every tool, once. */
static glim_status compile_args(plan *p) {
    json_t *none = json_pack("{s:s,s:{}}", "type", "object", "properties");
    glim_status rc = none ? GLIM_OK : glim_con_nomem(p->err);
    for (size_t i = 0; i < p->n_tools && rc == GLIM_OK; i++) {
        tool *t = &p->tool[i];
        char what[160];
        snprintf(what, sizeof what, "parameters of tool \"%.100s\"", t->name);
        const json_t *schema = t->params ? t->params : none;
        if (is_xml(p->spec->kind)) rc = glim_grammar_xml(p->g, schema, what, !t->strict, &p->form, &t->args, p->err);
        else {
            json_t *object = json_pack("{s:s}", "type", "object"), *both = NULL;
            /* Arguments are an object whatever the schema forgot to say; references point into the schema itself. */
            if (object && json_is_object(schema) && !json_object_get(schema, "type") && !json_object_get(schema, "$ref"))
                both = json_copy((json_t *)schema);
            if (both && json_object_set_new(both, "type", json_string("object"))) rc = glim_con_nomem(p->err);
            if (rc == GLIM_OK) rc = glim_grammar_schema(p->g, both ? both : schema, what, !t->strict, &t->args, p->err);
            json_decref(object);
            json_decref(both);
        }
    }
    json_decref(none);
    return rc;
}

/* Any one of the tools, from its name on; then next. */
static uint32_t one_call(plan *p, const char *before, const char *after_name, const char *after, uint32_t next) {
    uint32_t out = GLIM_NO_NODE;
    glim_buf b = {0};
    next = lit(p, after, next);
    if (is_xml(p->spec->kind) || p->spec->kind == GLIM_CHAT_CHATML) next = glim_node_tag(p->g, &p->close, next);
    for (size_t i = p->n_tools; i-- > 0;) {
        glim_buf_clear(&b);
        glim_buf_puts(&b, before);
        if (p->spec->kind == GLIM_CHAT_CHATML) {
            glim_buf_printf(&b, "{\"name\": ");
            glim_spell_json(&b, p->tool[i].name, strlen(p->tool[i].name));
        } else glim_buf_puts(&b, p->tool[i].name);
        glim_buf_puts(&b, after_name);
        uint32_t done = next;
        if (p->spec->kind == GLIM_CHAT_CHATML) done = lit(p, "}\n", done);
        uint32_t args = glim_node_call(p->g, p->tool[i].args, false, done);
        out = glim_node_split(p->g, glim_node_lit(p->g, glim_buf_cstr(&b), b.len, args), out);
    }
    if (b.failed) p->g->failed = true;
    glim_buf_free(&b);
    return out;
}

/* One call or more, without what opens the first: its tag (XML, ChatML), or nothing (GLM-4). */
static uint32_t calls(plan *p) {
    glim_grammar *g = p->g;
    glim_chat_kind k = p->spec->kind;
    uint32_t again = glim_node_simple(g, GLIM_NODE_SPLIT), body;
    if (is_glm4(k)) body = one_call(p, "", "\n", "", again);
    else if (k == GLIM_CHAT_GLM45) body = one_call(p, "", "\n", "", again);
    else if (k == GLIM_CHAT_GLM47) body = one_call(p, "", "", "", again);
    else body = one_call(p, "\n", ", \"arguments\": ", "", again);
    if (g->failed || g->full) return GLIM_NO_NODE;
    uint32_t more = GLIM_NO_NODE;
    int32_t turn = glim_tok_find(g->vocab->tok, "<|assistant|>");
    if (p->spec->single_call) more = GLIM_NO_NODE;
    else if (is_glm4(k)) more = turn >= 0 ? glim_node_token(g, turn, body) : GLIM_NO_NODE;
    else more = lit(p, k == GLIM_CHAT_GLM47 ? "" : "\n", glim_node_tag(g, &p->open, body));
    if (g->failed || g->full) return GLIM_NO_NODE;
    g->node[again].next = p->end;
    g->node[again].b = more == GLIM_NO_NODE ? p->end : more;
    return body;
}

/* ---- text before calls ---- */

/* GLM-4: a text whose first line, line breaks before it aside, is no tool's name. States: place in the names plus one,
 * 0 before anything else, UINT32_MAX anything from then on. */
static uint64_t head_step(const void *ctx, uint64_t s, uint8_t b) {
    const glim_keyset *t = ctx;
    if (s == UINT32_MAX) return s;
    if (s == 0 && b == '\n') return 0;
    uint32_t to = glim_keyset_step(t, s ? (uint32_t)s - 1 : 0, b);
    if (!to) return UINT32_MAX;
    return t->node[to].ends ? UINT64_MAX : (uint64_t)to + 1;
}
static bool head_accepts(const void *ctx, uint64_t s) {
    (void)ctx;
    (void)s;
    return true;
}

static glim_status glm4_text(plan *p, uint32_t next, uint32_t *out) {
    glim_grammar *g = p->g;
    glim_keyset *t = glim_grammar_keyset(g);
    for (size_t i = 0; t && i < p->n_tools; i++) {
        glim_buf b = {0};
        glim_buf_printf(&b, "%s\n", p->tool[i].name);
        if (b.failed) g->failed = true;
        else glim_keyset_add(g, t, b.s, b.len);
        glim_buf_free(&b);
    }
    if (g->failed) return glim_con_nomem(p->err);
    glim_dfa *d;
    glim_dfa_machine m = {.start = 0, .step = head_step, .accepts = head_accepts, .ctx = t};
    glim_status rc = glim_dfa_explore(&d, &m, &g->budget, p->err);
    if (rc != GLIM_OK) return rc;
    d->exits = (glim_bytes){{0}}; /* control tokens and the end only */
    *out = glim_node_dfa(g, glim_grammar_own(g, d), next);
    return GLIM_OK;
}

static uint32_t common(plan *p, glim_common which, uint32_t next) {
    return glim_node_dfa(p->g, glim_vocab_common(p->g->vocab, which, p->err), next);
}

/* Free text, perhaps calls after it. */
static glim_status text_and_calls(plan *p, uint32_t body, uint32_t *out) {
    glim_grammar *g = p->g;
    if (is_glm4(p->spec->kind)) {
        int32_t turn = glim_tok_find(g->vocab->tok, "<|assistant|>");
        uint32_t text = GLIM_NO_NODE, then = p->end;
        if (turn >= 0) then = glim_node_split(g, then, glim_node_token(g, turn, body));
        glim_status rc = glm4_text(p, then, &text);
        *out = glim_node_split(g, text, glim_node_split(g, body, lit(p, "\n", body)));
        return rc;
    }
    if (p->open.id >= 0)
        *out = common(p, GLIM_COMMON_NO_CALL, glim_node_split(g, p->end, glim_node_token(g, p->open.id, body)));
    else
        *out = glim_node_split(g, common(p, GLIM_COMMON_NO_CALL, p->end), common(p, GLIM_COMMON_TO_CALL, body));
    return GLIM_OK;
}

/* ---- reasoning ---- */

static uint32_t thinking(plan *p, uint32_t next) {
    glim_grammar *g = p->g;
    if (p->spec->think == GLIM_THINK_NONE) return next;
    glim_tag open = tag(p, "<think>"), close = tag(p, "</think>");
    uint32_t text = close.id >= 0 ? common(p, GLIM_COMMON_NO_THINK, glim_node_token(g, close.id, next))
                                  : common(p, GLIM_COMMON_TO_THINK, next);
    if (p->spec->think == GLIM_THINK_OPENED) return text;
    uint32_t first = glim_node_tag(g, &open, text);
    return glim_node_split(g, next, glim_node_split(g, first, lit(p, "\n", first)));
}

/* ---- one of a few texts ---- */

/* The line break with which the assistants of some templates begin may stand before it. */
static glim_status choice(plan *p, uint32_t *out) {
    const json_t *list = p->spec->choices, *v;
    size_t i, n = json_array_size(list);
    if (!json_is_array(list) || n == 0) return glim_fail(p->err, GLIM_E_FORMAT, "choices: got %s, want a list of texts", n || !json_is_array(list) ? glim_json_type_name(list) : "none");
    const char **words = calloc(n, sizeof *words);
    size_t *lens = calloc(n, sizeof *lens);
    glim_status rc = words && lens ? GLIM_OK : glim_con_nomem(p->err);
    json_array_foreach((json_t *)list, i, v) {
        if (rc != GLIM_OK) break;
        if (!json_is_string(v) || json_string_length(v) == 0) rc = glim_fail(p->err, GLIM_E_FORMAT, "choices[%zu]: got %s, want a text that is not empty", i, json_is_string(v) ? "an empty one" : glim_json_type_name(v));
        else words[i] = json_string_value(v), lens[i] = json_string_length(v);
    }
    glim_dfa *d = NULL;
    if (rc == GLIM_OK) rc = glim_dfa_words(&d, words, lens, n, &p->g->budget, p->err);
    if (rc == GLIM_OK) {
        uint32_t one = glim_node_dfa(p->g, glim_grammar_own(p->g, d), p->end);
        *out = glim_node_split(p->g, one, lit(p, "\n", one));
    }
    free(words);
    free(lens);
    return rc;
}

/* ---- the whole ---- */

glim_status glim_grammar_spec(glim_grammar *g, const glim_constraint_spec *spec, uint32_t *root, glim_err *err) {
    plan *p = glim_xcalloc(1, sizeof *p);
    *p = (plan){.g = g, .spec = spec, .err = err};
    uint32_t content = GLIM_NO_NODE, out = GLIM_NO_NODE;
    glim_status rc = GLIM_OK;
    if (spec->choices) {
        p->end = glim_node_simple(g, GLIM_NODE_ACCEPT);
        rc = choice(p, &out);
        *root = rc == GLIM_OK ? thinking(p, out) : GLIM_NO_NODE;
        goto out;
    }
    rc = read_tools(p);
    if (rc == GLIM_OK) rc = read_choice(p);
    *root = GLIM_NO_NODE;
    if (rc != GLIM_OK) goto out;
    bool has_content = spec->schema || spec->json_object;
    bool has_calls = p->n_tools && (p->forced || p->any_strict || has_content);
    if (!has_calls && !has_content) goto out;
    p->end = glim_node_simple(g, GLIM_NODE_ACCEPT);
    if (has_content && !p->forced) {
        json_t *object = json_pack("{s:s}", "type", "object");
        uint32_t body = GLIM_NO_NODE;
        rc = object ? glim_grammar_schema(g, spec->schema ? spec->schema : object, "schema", spec->lenient, &body, err)
                    : glim_con_nomem(err);
        json_decref(object);
        if (rc != GLIM_OK) goto out;
        out = content = glim_grammar_space(g, glim_node_call(g, body, false, p->end));
    }
    if (has_calls) {
        if (!is_glm4(spec->kind) && !is_xml(spec->kind) && spec->kind != GLIM_CHAT_CHATML) {
            rc = glim_fail(err, GLIM_E_UNSUPPORTED, "template \"%s\" has no form for tool calls", glim_chat_name(spec->kind));
            goto out;
        }
        p->open = tag(p, "<tool_call>");
        p->close = tag(p, "</tool_call>");
        p->form = (glim_xml_form){tag(p, "<arg_key>"), tag(p, "</arg_key>"), tag(p, "<arg_value>"), tag(p, "</arg_value>"),
                                  spec->kind == GLIM_CHAT_GLM45 ? "\n" : ""};
        if ((rc = compile_args(p)) != GLIM_OK) goto out;
        uint32_t body = calls(p);
        if (g->failed || g->full) goto out;
        uint32_t opened = is_glm4(spec->kind) ? body : glim_node_tag(g, &p->open, body);
        uint32_t first = glim_node_split(g, opened, lit(p, "\n", opened));
        if (p->forced) out = first;
        else if (has_content) out = glim_node_split(g, content, first);
        else rc = text_and_calls(p, body, &out);
    }
    if (rc == GLIM_OK) *root = thinking(p, out);
out:
    free(p);
    return rc;
}
