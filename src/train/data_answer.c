/* data_answer.c - see data_answer.h. */
#include "train/data_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/likely.h"
#include "text/chat_internal.h"
#include "text/constrain.h"
#include "text/offer.h"
#include "text/priced.h"
#include "text/reply.h"
#include "text/said.h"
#include "text/statements.h"

static const double SENSE = 2; /* of what a tool costs by its sense */
enum { LONGEST = 512, STRING = 100 /* characters of a string that has no bound of its own */ };

typedef struct rule { /* all references are owned; none: the row does not say */
    json_t *tools, *schema, *labels;
    glim_offer *offered; /* labels are an intent's: their list */
    json_t *want;      /* the label, the object, or the arguments */
    bool statement;    /* labels are what rows say */
    double *cost;      /* of labels, or of tools' names */
    json_t *names;     /* of tools; NULL: they cost the same */
    glim_priced priced;
    const char *name;  /* of the tool, in want's owner `calls` */
    json_t *call;
    glim_said *said;   /* of the request behind a form or tools */
} rule;

struct glim_answers {
    rule *v; /* [n] by example */
    size_t n, cap, n_ruled;
    const glim_sense *sense;
};

glim_answers *glim_answers_new(const glim_sense *sense) {
    glim_answers *a = glim_xcalloc(1, sizeof *a);
    a->sense = sense;
    return a;
}

static void free_rule(rule *r) {
    json_decref(r->tools);
    json_decref(r->schema);
    json_decref(r->labels);
    glim_offer_free(r->offered);
    json_decref(r->want);
    json_decref(r->call);
    glim_said_free(r->said);
    json_decref(r->names);
    free(r->cost);
    *r = (rule){0};
}

void glim_answers_free(glim_answers *a) {
    if (!a) return;
    for (size_t i = 0; i < a->n; i++) free_rule(&a->v[i]);
    free(a->v);
    free(a);
}

size_t glim_answers_n(const glim_answers *a) { return a->n_ruled; }

/* ---- what a row says ---- */

static bool begins(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* What follows the task's line, in either language; NULL: another task. */
static const char *task_of(const char *system, const char *zh, const char *en) {
    if (begins(system, zh)) return system + strlen(zh);
    return begins(system, en) ? system + strlen(en) : NULL;
}

/* A copy in which every string without a bound has one, so that a model that repeats itself comes to an end. */
static void bound(json_t *v) {
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach(v, i, item) bound(item);
    json_object_foreach(v, key, item) bound(item);
    const char *type = json_string_value(json_object_get(v, "type"));
    if (!type || strcmp(type, "string") != 0) return;
    static const char *const bounds[] = {"enum", "const", "maxLength", "pattern", "format"};
    for (size_t k = 0; k < GLIM_COUNT(bounds); k++)
        if (json_object_get(v, bounds[k])) return;
    json_object_set_new(v, "maxLength", json_integer(STRING));
}

static json_t *bounded(const json_t *v) {
    json_t *copy = json_deep_copy(v);
    if (copy) bound(copy);
    return copy;
}

/* Arguments as a text or as an object. */
static json_t *object_of(const json_t *v) {
    json_t *o = NULL;
    if (json_is_object(v)) return json_incref((json_t *)v);
    if (!json_is_string(v) || glim_json_parse(&o, json_string_value(v), json_string_length(v), 0, NULL) != GLIM_OK) return NULL;
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

static bool among(const json_t *list, const json_t *v) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), v)) return true;
    return false;
}

/* What the user says in the message that is answered. */
static glim_status read_request(rule *r, const json_t *messages, glim_err *err) {
    const json_t *user = json_array_get(messages, json_array_size(messages) - 2);
    const glim_chat_str text = glim_chat_json_str(user, "content");
    if (strcmp(glim_chat_json_str(user, "role").s, "user") != 0 || !json_is_string(json_object_get(user, "content"))) return GLIM_OK;
    return glim_said_new(&r->said, text.s, text.n, err);
}

/* What each tool costs by its name and description. */
static glim_status price_tools(rule *r, const json_t *messages, const glim_sense *sense, glim_err *err) {
    const json_t *user = json_array_get(messages, json_array_size(messages) - 2);
    const glim_chat_str said = glim_chat_json_str(user, "content");
    const size_t n = json_array_size(r->tools);
    glim_sense_thing *thing = NULL;
    glim_buf text = {0};
    double none;
    bool any = false;
    void *mem = NULL, *cost = NULL;
    r->names = json_array();
    glim_status rc = r->names ? glim_try_calloc(&mem, n, sizeof *thing, "tools", err) : glim_fail(err, GLIM_E_NOMEM, "could not allocate a list");
    if (rc == GLIM_OK) rc = glim_try_calloc(&cost, n, sizeof *r->cost, "what tools cost", err);
    thing = mem;
    r->cost = cost;
    for (size_t i = 0; rc == GLIM_OK && i < n; i++) {
        const json_t *f = glim_chat_tool_function(json_array_get(r->tools, i));
        const size_t begin = text.len;
        if (json_array_append_new(r->names, json_string(glim_chat_json_str(f, "name").s)) != 0) rc = glim_fail(err, GLIM_E_NOMEM, "could not allocate a name");
        glim_buf_puts(&text, glim_chat_json_str(f, "name").s);
        if (glim_chat_json_str(f, "description").n) glim_buf_printf(&text, ": %s", glim_chat_json_str(f, "description").s);
        thing[i].n = text.len - begin; /* where it begins is known when all stand there */
    }
    if (rc == GLIM_OK) rc = glim_buf_status(&text, "the names of tools", err);
    for (size_t i = 0, at = 0; rc == GLIM_OK && i < n; at += thing[i++].n) thing[i].s = glim_buf_cstr(&text) + at;
    if (rc == GLIM_OK) rc = glim_sense_shares(r->cost, &none, &any, sense, "tool", thing, n, said.s, said.n, err);
    if (!any) {
        json_decref(r->names);
        r->names = NULL;
    }
    for (size_t i = 0; rc == GLIM_OK && any && i < n; i++) r->cost[i] = SENSE * glim_sense_cost(r->cost[i]);
    r->priced = glim_priced_of(r->names, r->cost);
    glim_buf_free(&text);
    free(thing);
    return rc;
}

glim_status glim_answers_take(void *ctx, size_t example, const json_t *messages, const json_t *tools, glim_err *err) {
    glim_answers *a = ctx;
    if (example >= a->cap) {
        size_t cap = 2 * example + 64;
        void *p = a->v;
        glim_status rc = glim_try_realloc(&p, cap, sizeof *a->v, "what rows may answer", err);
        if (rc != GLIM_OK) return rc;
        a->v = p;
        memset(a->v + a->cap, 0, (cap - a->cap) * sizeof *a->v);
        a->cap = cap;
    }
    if (example >= a->n) a->n = example + 1;
    rule *r = &a->v[example];
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1), *first = json_array_get(messages, 0);
    const json_t *call = json_array_get(json_object_get(last, "tool_calls"), 0), *f = json_object_get(call, "function");
    const char *system = strcmp(glim_chat_json_str(first, "role").s, "system") == 0 ? json_string_value(json_object_get(first, "content")) : NULL;
    const char *text;
    free_rule(r);
    if (json_array_size(tools) && f && json_array_size(json_object_get(last, "tool_calls")) == 1) {
        r->tools = json_incref((json_t *)tools);
        r->call = json_incref((json_t *)call);
        r->name = json_string_value(json_object_get(f, "name"));
        r->want = object_of(json_object_get(f, "arguments"));
        if (!r->want || !r->name) return glim_fail(err, GLIM_E_FORMAT, "the wanted call has no name, or its arguments are no object");
    } else if (system && (text = task_of(system, "任务：填表\n", "Task: fill the form\n"))) {
        glim_status rc = glim_json_parse(&r->schema, text, strlen(text), 0, err);
        if (rc != GLIM_OK) return rc;
        r->want = object_of(json_object_get(last, "content"));
        if (!r->want) return glim_fail(err, GLIM_E_FORMAT, "the wanted answer is no JSON object");
    } else if (system && task_of(system, "任务：选择意图\n", "Task: choose an intent\n")) {
        const glim_chat_str said = glim_chat_json_str(json_array_get(messages, json_array_size(messages) - 2), "content");
        glim_status rc = glim_offer_new(&r->offered, system, said.s, said.n, a->sense, err);
        if (rc != GLIM_OK) return rc;
        r->labels = r->offered ? json_incref((json_t *)glim_offer_labels(r->offered)) : NULL;
        r->want = json_incref(json_object_get(last, "content"));
        if (!r->labels) return glim_fail(err, GLIM_E_FORMAT, "there are no labels to choose from");
        if (!among(r->labels, r->want)) return glim_fail(err, GLIM_E_FORMAT, "the wanted answer is none of the labels");
    } else {
        const json_t *user = json_array_get(messages, json_array_size(messages) - 2);
        const char *asked = strcmp(glim_chat_json_str(user, "role").s, "user") == 0 ? json_string_value(json_object_get(user, "content")) : NULL;
        glim_status rc = system && asked ? glim_statements(&r->labels, &r->cost, system, asked, a->sense, err) : GLIM_OK;
        if (rc != GLIM_OK || !r->labels) return rc;
        r->statement = true;
        r->priced = glim_priced_of(r->labels, r->cost);
        r->want = json_incref(json_object_get(last, "content"));
        if (!among(r->labels, r->want)) { /* an answer in words of its own: nothing says which others are right */
            free_rule(r);
            return GLIM_OK;
        }
    }
    a->n_ruled++;
    glim_status rc = r->tools || r->schema ? read_request(r, messages, err) : GLIM_OK;
    return rc == GLIM_OK && r->tools && r->said && a->sense ? price_tools(r, messages, a->sense, err) : rc;
}

/* ---- what came out, looked at without the automaton ---- */

static bool has_type(const json_t *v, const char *type) {
    return strcmp(type, "string") == 0 ? json_is_string(v) : strcmp(type, "integer") == 0 ? json_is_integer(v) : strcmp(type, "number") == 0 ? json_is_number(v)
         : strcmp(type, "boolean") == 0 ? json_is_boolean(v) : strcmp(type, "object") == 0 ? json_is_object(v) : strcmp(type, "array") == 0 ? json_is_array(v)
         : strcmp(type, "null") == 0 ? json_is_null(v) : true;
}

/* Types, enums, required keys and no others: what the desk's forms and tools are made of; other keywords are the automaton's. */
static bool is_valid(const json_t *schema, const json_t *v) {
    const char *type = json_string_value(json_object_get(schema, "type")), *key;
    const json_t *list = json_object_get(schema, "enum"), *props = json_object_get(schema, "properties");
    json_t *item;
    size_t i;
    if (type && !has_type(v, type)) return false;
    if (list && !among(list, v)) return false;
    json_array_foreach(json_object_get(schema, "required"), i, item)
        if (json_is_string(item) && !json_object_get(v, json_string_value(item))) return false;
    if (json_is_object(v) && props)
        json_object_foreach((json_t *)v, key, item) {
            const json_t *of = json_object_get(props, key);
            if (of ? !is_valid(of, item) : !json_object_get(schema, "additionalProperties")) return false;
        }
    return true;
}

/* 3 and 3.0 are one number. */
static bool same(const json_t *a, const json_t *b) {
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    if (json_is_object(a) && json_is_object(b)) {
        if (json_object_size(a) != json_object_size(b)) return false;
        json_object_foreach((json_t *)a, key, item) {
            const json_t *other = json_object_get(b, key);
            if (!other || !same(item, other)) return false;
        }
        return true;
    }
    if (json_is_array(a) && json_is_array(b)) {
        if (json_array_size(a) != json_array_size(b)) return false;
        json_array_foreach((json_t *)a, i, item)
            if (!same(item, json_array_get(b, i))) return false;
        return true;
    }
    return json_equal(a, b);
}

static const json_t *tool_named(const json_t *tools, const char *name) {
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *f = glim_chat_tool_function(json_array_get(tools, i));
        if (strcmp(glim_chat_json_str(f, "name").s, name) == 0) return f;
    }
    return NULL;
}

/* text [n] as decoded, special tokens not shown. */
static glim_status judge(const rule *r, glim_chat_kind kind, const char *text, size_t n, bool *valid, bool *right, glim_err *err) {
    glim_chat_str s = glim_py_strip((glim_chat_str){text, n});
    *valid = *right = false;
    if (r->labels) {
        json_t *v = json_stringn(s.s, s.n);
        *valid = v && among(r->labels, v);
        *right = v && json_equal(v, r->want);
        json_decref(v);
        return GLIM_OK;
    }
    json_t *got = NULL;
    glim_reply reply;
    glim_reply_init(&reply, kind, r->tools, false, false);
    glim_status rc = GLIM_OK;
    if (r->schema) {
        if (glim_json_parse(&got, s.s, s.n, 0, NULL) == GLIM_OK) *valid = is_valid(r->schema, got);
        *right = *valid && same(got, r->want);
    } else {
        rc = glim_reply_put(&reply, text, n, err);
        if (rc == GLIM_OK) rc = glim_reply_end(&reply, err);
        const glim_reply_call *c = rc == GLIM_OK && reply.n_calls == 1 ? &reply.calls[0] : NULL;
        const json_t *f = c ? tool_named(r->tools, c->name) : NULL, *params = json_object_get(f, "parameters");
        if (f && c->closed && glim_json_parse(&got, glim_buf_cstr(&c->args), c->args.len, 0, NULL) == GLIM_OK)
            *valid = json_is_object(got) && (!params || is_valid(params, got));
        *right = *valid && strcmp(c->name, r->name) == 0 && same(got, r->want);
    }
    glim_reply_free(&reply);
    json_decref(got);
    return rc;
}

/* ---- decoding ---- */

/* Where the last answer begins: behind its thinking. */
static size_t answer_begins(const glim_example *e, const glim_tok *tok) {
    size_t begin, end;
    glim_example_answer(e, &begin, &end);
    return glim_example_said(e, tok, begin, end);
}

static void cut(char to[160], const char *s, size_t n) {
    if (n > 159) {
        n = 159;
        while (n && ((unsigned char)s[n] & 0xc0) == 0x80) n--;
    }
    memcpy(to, s, n);
    to[n] = 0;
}

static void note_wrong(glim_eval_answers *out, const rule *r, size_t line, const glim_gen_result *g) {
    if (out->n_wrong == GLIM_EVAL_WRONG) return;
    glim_eval_wrong *w = &out->wrong[out->n_wrong++];
    glim_buf b = {0};
    w->line = line;
    if (r->name) glim_buf_printf(&b, "%s ", r->name);
    if (r->labels) glim_buf_puts(&b, json_string_value(r->want));
    else glim_json_dump_py(&b, r->want, -1, false);
    cut(w->want, glim_buf_cstr(&b), b.len);
    glim_chat_str s = glim_py_strip((glim_chat_str){glim_buf_cstr(&g->text), g->text.len});
    cut(w->got, s.s, s.n);
    glim_buf_free(&b);
}

static double cost_of(void *ctx, const char *text, size_t n, bool ends) {
    (void)ends;
    rule *r = ctx;
    const double said = glim_said_cost(r->said, r->schema, r->tools, text, n);
    if (!r->names) return said;
    for (; n && (*text == '\n' || *text == ' '); n--) text++;
    const char *line = memchr(text, '\n', n); /* ends the tool's name in GLM-4's form */
    return said + glim_priced_cost(&r->priced, text, line ? (size_t)(line - text) : n, line != NULL);
}

static glim_status one(glim_eval_answers *out, glim_session *s, glim_constraint_vocab *v, const rule *r, const glim_example *x, size_t line, glim_err *err) {
    glim_constraint *c = NULL;
    glim_gen_result g = {0};
    json_t *required = json_string("required"), *schema = r->said ? json_incref(r->schema) : bounded(r->schema), *tools = r->said ? json_incref(r->tools) : bounded(r->tools);
    glim_constraint_spec spec = {.schema = schema, .lenient = true, .choices = r->labels, .tools = tools, .tool_choice = tools ? required : NULL,
                                 .said = r->said, .single_call = true, .kind = s->e->chat};
    bool valid = false, right = false;
    glim_status rc = required && !schema == !r->schema && !tools == !r->tools ? glim_constraint_compile(&c, v, &spec, err) : glim_fail(err, GLIM_E_NOMEM, "could not allocate a word");
    /* Arguments that may be left out make a shorter call the likelier one: without a request to account for, a call is written token by token. */
    const glim_likely_params how = {.max_tokens = LONGEST, .max_reads = r->tools && !r->said ? 1 : 0, .for_reply = true,
                                    .cost = r->said ? cost_of : r->offered ? glim_offer_cost : r->statement && r->cost ? glim_priced_cost : NULL,
                                    .cost_ctx = r->offered ? (void *)r->offered : r->statement ? (void *)&r->priced : (void *)r};
    if (rc == GLIM_OK) rc = glim_session_likeliest(s, x->tokens, answer_begins(x, s->e->tok), c, &how, &g, err);
    if (rc == GLIM_OK && g.stop_id >= 0) rc = judge(r, s->e->chat, glim_buf_cstr(&g.text), g.text.len, &valid, &right, err);
    if (rc == GLIM_OK) {
        out->n++;
        out->n_tool += r->tools != NULL;
        out->n_form += r->schema != NULL;
        out->n_label += r->labels && !r->statement;
        out->n_statement += r->statement;
        out->n_valid += valid;
        out->n_right += right;
        out->n_tokens += g.ids.n;
        if (!right) note_wrong(out, r, line, &g);
    } else glim_err_context(err, "line %zu", line);
    glim_gen_result_free(&g);
    glim_constraint_free(c);
    json_decref(required);
    json_decref(schema);
    json_decref(tools);
    return rc;
}

glim_status glim_eval_answer(glim_eval_answers *out, glim_engine *e, const glim_dataset *d, const glim_answers *a, const glim_eval_params *p, glim_err *err) {
    glim_constraint_vocab *v = NULL;
    glim_adapter_scratch *scratch = NULL;
    glim_session s = {0};
    size_t n = glim_dataset_n(d);
    *out = (glim_eval_answers){0};
    glim_status rc = glim_constraint_vocab_new(&v, e->tok, e->stops, e->n_stops, 0, err);
    if (rc == GLIM_OK) rc = glim_session_open(&s, e, err);
    if (rc == GLIM_OK && p->adapter) rc = glim_adapter_scratch_new(&scratch, e->model, err);
    if (rc == GLIM_OK) glim_ws_adapters(e->ws, p->adapter ? &p->adapter : NULL, scratch);
    for (size_t i = 0; i < n && rc == GLIM_OK; i++) {
        const rule *r = i < a->n ? &a->v[i] : NULL;
        glim_example x;
        if (r && r->want) {
            rc = glim_dataset_example(d, i, &x);
            if (rc == GLIM_OK) rc = one(out, &s, v, r, &x, glim_dataset_line(d, i), err);
        }
        if (rc == GLIM_OK && p->progress && !p->progress(p->progress_ctx, i + 1, n)) rc = glim_fail(err, GLIM_E_CANCELLED, "evaluation was stopped");
    }
    glim_ws_adapters(e->ws, NULL, NULL);
    if (s.e) glim_session_close(&s);
    glim_adapter_scratch_free(scratch);
    glim_constraint_vocab_free(v);
    return rc;
}
