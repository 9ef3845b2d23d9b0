/* route_desk.c - the service desk over HTTP: ask, correct, hand over, another library.
 *
 *   GET  /desk               what it is: names, schema, rows          POST /desk/ask          {"question", "row"?, "model"?}
 *   POST /desk/corrections   {"question", "answer", "row"?, "handover"?} or {"row", "column", "value"}
 *   GET  /desk/handovers     questions that wait for a person         POST /desk/schema       a schema for the same file
 *   POST /desk/library       a CSV or XLSX file as the body
 *
 * Asking needs a key that may infer, the rest one that may change files. All of it runs on a desk thread; the shop has its own lock.
 * The server's model phrases answers where it can chat (desk_say.c); a "model" is one of its adapters. */
#include <string.h>

#include "app/shop.h"
#include "serve/fields.h"
#include "serve/query.h"
#include "serve/routes.h"

static glim_shop *shop_of(glim_call *c) {
    if (!c->s->p.shop) glim_api_fail(&c->error, 404, "no_desk", NULL, "this server has no service desk: start it with --desk FOLDER");
    return c->s->p.shop;
}

static bool dump(glim_call *c, json_t *v) {
    glim_json_dump_py(&c->reply, v, -1, false);
    json_decref(v);
    return true;
}

bool glim_route_desk_about(glim_call *c) {
    glim_shop *s = shop_of(c);
    json_t *about;
    glim_err err = {0};
    if (!s) return false;
    return glim_shop_about(s, &about, &err) == GLIM_OK ? dump(c, about) : glim_api_from(&c->error, &err, NULL);
}

bool glim_route_desk_ask(glim_call *c) {
    glim_shop *s = shop_of(c);
    json_t *body = s ? glim_call_json(c) : NULL;
    const char *question = NULL, *row = NULL, *name = NULL;
    char currency[4] = "";
    glim_shop_answer a = {0};
    glim_err err = {0};
    bool ok = body && glim_field_str(body, "question", &question, &c->error) && glim_field_str(body, "row", &row, &c->error) && glim_field_str(body, "model", &name, &c->error);
    if (ok && (!question || !question[strspn(question, " \t\r\n")])) ok = glim_api_fail(&c->error, 400, "missing_required_parameter", "question", "\"question\" is missing");
    bool talks = !c->s->p.plain_shop && glim_engine_can_chat(c->b->e, NULL) == GLIM_OK;
    if (ok && (talks || name)) ok = glim_call_model(c, name && *name ? name : c->b->facts.model);
    if (ok) ok = glim_currency_get(c->s->store, currency, &err) == GLIM_OK || glim_api_from(&c->error, &err, NULL);
    if (ok) {
        const glim_shop_model model = {glim_desk_say, c};
        glim_shop_question q = {.text = question, .n = strlen(question), .row = row && *row ? row : NULL, .model = talks ? &model : NULL};
        ok = glim_shop_ask(s, &q, &a, &err) == GLIM_OK || glim_api_from(&c->error, &err, err.code == GLIM_E_NOT_FOUND ? "row" : "question");
        memcpy(a.currency, currency, sizeof currency);
        if (ok) glim_shop_answer_json(&c->reply, q.text, q.n, &a);
    }
    glim_shop_answer_deinit(&a);
    json_decref(body);
    return ok;
}

bool glim_route_desk_correct(glim_call *c) {
    glim_shop *s = shop_of(c);
    json_t *body = s ? glim_call_json(c) : NULL;
    const char *question = NULL, *answer = NULL, *row = NULL, *column = NULL, *value = NULL;
    int64_t handover = 0;
    glim_err err = {0};
    bool ok = body && glim_field_str(body, "question", &question, &c->error) && glim_field_str(body, "answer", &answer, &c->error) &&
              glim_field_str(body, "row", &row, &c->error) && glim_field_str(body, "column", &column, &c->error) &&
              glim_field_str(body, "value", &value, &c->error) && glim_field_int(body, "handover", 0, INT64_MAX, &handover, &c->error);
    if (ok && !column == !question) ok = glim_api_fail(&c->error, 400, "invalid_value", NULL, "want either \"question\" and \"answer\", or \"row\", \"column\" and \"value\"");
    if (ok && row && !*row) row = NULL;
    if (ok) {
        glim_status rc = column ? glim_shop_correct_cell(s, row, column, value, &err) : glim_shop_correct_answer(s, question, answer, row, (uint64_t)handover, &err);
        ok = rc == GLIM_OK || glim_api_from(&c->error, &err, column ? "value" : "answer");
    }
    if (ok) glim_buf_puts(&c->reply, "{\"live\": true}");
    json_decref(body);
    return ok;
}

bool glim_route_desk_handovers(glim_call *c) {
    glim_shop *s = shop_of(c);
    json_t *list;
    glim_err err = {0};
    if (!s) return false;
    if (glim_shop_handovers(s, &list, &err) != GLIM_OK) return glim_api_from(&c->error, &err, NULL);
    glim_buf_puts(&c->reply, "{\"object\": \"list\", \"data\": ");
    dump(c, list);
    glim_buf_puts(&c->reply, "}");
    return true;
}

static bool about_again(glim_call *c, glim_shop *s, glim_status rc, const char *param, glim_err *err) {
    if (rc != GLIM_OK) return glim_api_from(&c->error, err, param);
    return glim_route_desk_about(c) && s;
}

bool glim_route_desk_library(glim_call *c) {
    glim_shop *s = shop_of(c);
    glim_err err = {0};
    if (!s) return false;
    const glim_query *q = c->task;
    bool zip = c->body.len >= 2 && memcmp(c->body.s, "PK", 2) == 0;
    return about_again(c, s, glim_shop_replace(s, zip ? "library.xlsx" : "library.csv", glim_buf_cstr(&c->body), c->body.len, q ? q->encoding : NULL, NULL, &err), "library", &err);
}

bool glim_route_desk_schema(glim_call *c) {
    glim_shop *s = shop_of(c);
    json_t *body = s ? glim_call_json(c) : NULL;
    glim_err err = {0};
    bool ok = body && about_again(c, s, glim_shop_set_schema(s, body, &err), "schema", &err);
    json_decref(body);
    return ok;
}
