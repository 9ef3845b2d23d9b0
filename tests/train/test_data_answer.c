/* A model's own answers under constraint: always valid, right when they are what the row wants, whatever its spelling. */
#include "train/data_answer.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

/* Under sanitizers each way through the code once; the release build compares them all. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const char *const INTENTS = "{\"role\": \"system\", \"content\": \"Task: choose an intent\\n- ask_price: asks for a price\\n- return_goods\\nIf none fits, write none\"}";
static const char *const ZH = "{\"role\": \"system\", \"content\": \"任务：选择意图\\n- ask_price: 询问价格\\n- open_hours: 营业时间\\n都不合适时写 none\"}";
static const char *const FORM = "{\"role\": \"system\", \"content\": \"Task: fill the form\\n{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"colour\\\":{\\\"type\\\":\\\"string\\\",\\\"enum\\\":"
                                "[\\\"black\\\",\\\"white\\\"]},\\\"gift\\\":{\\\"type\\\":\\\"boolean\\\"}},\\\"required\\\":[\\\"colour\\\",\\\"gift\\\"]}\"}";
static const char *const TOOLS = "[{\"type\": \"function\", \"function\": {\"name\": \"book\", \"parameters\": {\"type\": \"object\", \"properties\": {\"room\": {\"type\": \"string\", \"enum\": "
                                 "[\"twin\", \"suite\"]}, \"late\": {\"type\": \"boolean\"}}, \"required\": [\"room\", \"late\"]}}}, {\"type\": \"function\", \"function\": {\"name\": \"cancel\", "
                                 "\"parameters\": {\"type\": \"object\", \"properties\": {\"sure\": {\"type\": \"boolean\"}}, \"required\": [\"sure\"]}}}]";

static void put_row(glim_buf *b, const char *system, const char *user, const char *answer) {
    glim_buf_printf(b, "{\"messages\": [%s, {\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\", \"content\": ", system, user);
    glim_json_put_str(b, answer, strlen(answer));
    glim_buf_puts(b, "}]}\n");
}

static void put_call(glim_buf *b, const char *user, const char *name, const char *args) {
    glim_buf_printf(b, "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"type\": \"function\", \"function\": {\"name\": \"%s\", \"arguments\": ",
                    user, name);
    glim_json_put_str(b, args, strlen(args));
    glim_buf_printf(b, "}}]}], \"tools\": %s}\n", TOOLS);
}

static glim_engine *engine(const char *fixture) {
    glim_engine *e;
    glim_err err = {0};
    CHECK_OK(glim_engine_open(&e, glim_test_source(fixture), &(glim_engine_params){.n_threads = 1, .model = {.n_ctx = 1024}}, &err), err);
    return e;
}

static const glim_sense *reader; /* beside the model; NULL: none */

static glim_status measure_as(glim_eval_answers *out, size_t *n_ruled, glim_engine *e, const glim_buf *rows, const glim_adapter *adapter, glim_data_params p, glim_err *err) {
    glim_answers *a = glim_answers_new(reader);
    glim_dataset *d = NULL;
    p.tok = e->tok, p.config = &e->model->cfg, p.conv = glim_answers_take, p.conv_ctx = a;
    glim_status rc = glim_dataset_parse(&d, "rows.jsonl", rows->s, rows->len, &p, NULL, err);
    *n_ruled = glim_answers_n(a);
    if (rc == GLIM_OK) rc = glim_eval_answer(out, e, d, a, &(glim_eval_params){.adapter = adapter}, err);
    glim_dataset_free(d);
    glim_answers_free(a);
    return rc;
}

static glim_status measure(glim_eval_answers *out, size_t *n_ruled, glim_engine *e, const glim_buf *rows, const glim_adapter *adapter, glim_err *err) {
    return measure_as(out, n_ruled, e, rows, adapter, (glim_data_params){.chat = GLIM_CHAT_GLM4_0414}, err);
}

/* What the model says, as a row's wanted answer: `name {..}` for calls. respell: keys the other way round, spaces. */
static void put_said(glim_buf *b, size_t k, const char *user, const char *said, bool respell) {
    char text[400], name[40];
    bool yes = strstr(said, "true") != NULL;
    if (k < 2) put_row(b, k ? ZH : INTENTS, user, said);
    else if (k == 2) {
        snprintf(text, sizeof text, "{ \"gift\" : %s, \"colour\" : \"%s\" }", yes ? "true" : "false", strstr(said, "black") ? "black" : "white");
        put_row(b, FORM, user, respell ? text : said);
    } else {
        const char *json = strchr(said, '{');
        CHECK(json && json > said);
        snprintf(name, sizeof name, "%.*s", (int)(json - said - 1), said);
        snprintf(text, sizeof text, "{\"late\":%s,\"room\":\"%s\"}", yes ? "true" : "false", strstr(said, "twin") ? "twin" : "suite");
        put_call(b, user, name, respell && strcmp(name, "book") == 0 ? text : json);
    }
}

TEST(an_answer_under_constraint_is_valid_and_right_when_the_row_wants_it) {
    static const char *const users[] = {"how much is it", "多少钱", "a black one please", "a suite, not late"};
    glim_engine *e = engine("tests/fixtures/glm4");
    glim_adapter *adapter = NULL;
    glim_err err = {0};
    CHECK_OK(glim_adapter_load(&adapter, e->model, glim_test_source("tests/fixtures/adapters/glm4-all"), &err), err);
    for (int with = SANITIZED; with < 2; with++) {
        glim_buf rows = {0}, again = {0};
        glim_eval_answers a, b;
        size_t n;
        /* No answer is what these rows want: the first tells what the model says. */
        put_row(&rows, INTENTS, users[0], "none");
        put_row(&rows, ZH, users[1], "none");
        put_row(&rows, FORM, users[2], "{\"colour\":\"red\",\"gift\":true}");
        put_call(&rows, users[3], "book", "{\"room\": \"tent\", \"late\": true}");
        put_row(&rows, "{\"role\": \"system\", \"content\": \"Be brief.\"}", "hi", "hello");
        CHECK_OK(measure(&a, &n, e, &rows, with ? adapter : NULL, &err), err);
        CHECK(n == 4 && a.n == 4 && a.n_label == 2 && a.n_form == 1 && a.n_tool == 1 && a.n_valid == 4);
        CHECK(a.n_right + a.n_wrong == 4 && a.n_wrong >= 2);
        const char *said[4] = {"none", "none", NULL, NULL};
        for (size_t i = 0; i < a.n_wrong; i++) said[a.wrong[i].line - 1] = a.wrong[i].got;
        CHECK(said[2] && said[3]);
        for (int respell = SANITIZED; said[2] && said[3] && respell < 2; respell++) {
            glim_buf_clear(&again);
            for (size_t k = 0; k < 4; k++) put_said(&again, k, users[k], said[k], respell);
            CHECK_OK(measure(&b, &n, e, &again, with ? adapter : NULL, &err), err);
            CHECK_MSG(b.n == 4 && b.n_right == 4 && b.n_wrong == 0, "%zu of %zu right; line %zu wants %s, said %s", b.n_right, b.n, b.wrong[0].line, b.wrong[0].want, b.wrong[0].got);
        }
        glim_buf_free(&rows);
        glim_buf_free(&again);
    }
    glim_adapter_free(adapter);
    glim_engine_free(e);
}

/* Where the prompt opens <think> the answer is asked for behind the closing tag: what a row says there is what it says where the tag is prompt. */
TEST(an_answer_under_constraint_stands_behind_the_thinking) {
    static const char *const labels = "{\"role\": \"system\", \"content\": \"Task: choose an intent\\n- red\\n- green\\n- blue\\n- seven\\n- house\\n- water\\n- stone\\n- paper\\n- light\\n"
                                      "- music\\n- night\\n- other\"}";
    const glim_chat_kind kinds[] = {GLIM_CHAT_GLM_Z1, GLIM_CHAT_GLM47, GLIM_CHAT_GLM45};
    static const char *const users[] = {"how much is it", "when do you open", "bring it back", "a b c", "one two", "你好", "what is that", "x"};
    glim_engine *e = engine("tests/fixtures/glm4");
    for (size_t k = 0; k < (SANITIZED ? 1 : GLIM_COUNT(kinds)); k++) {
        glim_buf rows = {0};
        glim_eval_answers a, b;
        glim_err err = {0};
        size_t n;
        for (size_t i = 0; i < GLIM_COUNT(users); i++) put_row(&rows, labels, users[i], "other");
        CHECK_OK(measure_as(&a, &n, e, &rows, NULL, (glim_data_params){.chat = kinds[k]}, &err), err);
        CHECK_OK(measure_as(&b, &n, e, &rows, NULL, (glim_data_params){.chat = kinds[k], .loss = GLIM_LOSS_LABEL}, &err), err);
        CHECK(n == GLIM_COUNT(users) && a.n_valid == n && b.n_valid == n && a.n_wrong > 0);
        CHECK_MSG(a.n_right == b.n_right && a.n_wrong == b.n_wrong, "%zu right, and %zu", a.n_right, b.n_right);
        for (size_t i = 0; i < a.n_wrong && i < b.n_wrong; i++)
            CHECK_MSG(a.wrong[i].line == b.wrong[i].line && strcmp(a.wrong[i].got, b.wrong[i].got) == 0, "%s: %s, and %s", glim_chat_name(kinds[k]), a.wrong[i].got, b.wrong[i].got);
        glim_buf_free(&rows);
    }
    glim_engine_free(e);
}

/* A model of chance writes only what the request says, and one place of it once. */
TEST(values_of_forms_and_calls_stand_in_the_request) {
    static const char *const form = "{\"role\": \"system\", \"content\": \"Task: fill the form\\n{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"name\\\":{\\\"type\\\":\\\"string\\\"},"
                                    "\\\"tel\\\":{\\\"type\\\":\\\"string\\\"},\\\"people\\\":{\\\"type\\\":\\\"integer\\\"}},\\\"required\\\":[\\\"name\\\",\\\"tel\\\",\\\"people\\\"]}\"}";
    static const char *const tools = "[{\"type\": \"function\", \"function\": {\"name\": \"book\", \"parameters\": {\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, "
                                     "\"people\": {\"type\": \"integer\"}}, \"required\": [\"name\"]}}}]";
    static const char *const users[] = {"A table for 8, please, my name is Dunarel Vezendun", "我叫康石苑，两位", "Elpi, call 258-1140", "ok"};
    const size_t n_users = SANITIZED ? 2 : GLIM_COUNT(users);
    glim_engine *e = engine("tests/fixtures/glm4");
    glim_err err = {0};
    glim_buf rows = {0};
    glim_eval_answers a;
    size_t n, calls = 0;
    for (size_t i = 0; i < n_users; i++) {
        put_row(&rows, form, users[i], "{\"name\":\"?\",\"tel\":\"\",\"people\":-1}");
        glim_buf_printf(&rows, "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"type\": \"function\", \"function\": {\"name\": "
                               "\"book\", \"arguments\": \"{\\\"name\\\": \\\"?\\\"}\"}}]}], \"tools\": %s}\n", users[i], tools);
    }
    CHECK_OK(measure(&a, &n, e, &rows, NULL, &err), err);
    CHECK_MSG(a.n == 2 * n_users && a.n_form == n_users && a.n_tool == n_users && a.n_valid == a.n && a.n_right == 0 && a.n_wrong == a.n, "%zu of %zu valid", a.n_valid, a.n);
    for (size_t i = 0; i < a.n_wrong; i++) {
        const char *user = users[(a.wrong[i].line - 1) / 2], *object = strchr(a.wrong[i].got, '{');
        json_t *v = NULL;
        CHECK_OK(glim_json_parse(&v, object, strlen(object), 0, &err), err);
        const char *name = json_string_value(json_object_get(v, "name")), *tel = json_string_value(json_object_get(v, "tel"));
        const json_t *people = json_object_get(v, "people");
        CHECK_MSG(name && strstr(user, name) && (!tel || strstr(user, tel)), "%s: %s", user, a.wrong[i].got);
        CHECK_MSG(!tel || !*tel || !*name || strstr(strstr(user, name) + strlen(name), tel) || strstr(strstr(user, tel) + strlen(tel), name), "%s: %s", user, a.wrong[i].got);
        CHECK_MSG(!people || json_integer_value(people) == 0 || (json_integer_value(people) == 8 && strchr(user, '8')) || (json_integer_value(people) == 2 && strstr(user, "两")), "%s: %s", user, a.wrong[i].got);
        calls += a.wrong[i].line % 2 == 0;
        json_decref(v);
    }
    CHECK(calls == n_users);
    glim_buf_free(&rows);
    glim_engine_free(e);
}

TEST(rows_whose_wanted_answer_is_not_allowed_are_bad_rows) {
    static const struct {
        const char *system, *answer, *says;
    } bad[] = {{"Task: choose an intent\\n- a\\n- b", "none", "none of the labels"}, /* it is not offered */
               {"Task: choose an intent\\n- a\\n- b\\nIf none fits, write none", "c", "none of the labels"},
               {"Task: choose an intent\\nno labels", "a", "no labels"},
               {"Task: fill the form\\n{\\\"type\\\":", "{}", "JSON"},
               {"Task: fill the form\\n{\\\"type\\\":\\\"object\\\"}", "yes", "no JSON object"}};
    glim_engine *e = engine("tests/fixtures/glm4");
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        glim_buf rows = {0}, system = {0};
        glim_eval_answers a;
        glim_err err = {0};
        size_t n;
        glim_buf_printf(&system, "{\"role\": \"system\", \"content\": \"%s\"}", bad[i].system);
        put_row(&rows, system.s, "hi", bad[i].answer);
        CHECK(measure(&a, &n, e, &rows, NULL, &err) == GLIM_E_FORMAT);
        CHECK_MSG(strstr(err.msg, "line 1") && strstr(err.msg, bad[i].says), "%s", err.msg);
        glim_buf_free(&rows);
        glim_buf_free(&system);
    }
    glim_engine_free(e);
}

/* ---- a reader beside the model ---- */

/* Knows by the first letter behind "say " which of two meanings is meant, and of things by their own first letter; kind tells nothing here. */
static const char *reads_kind;
static glim_status by_letter(void *ctx, const char *kind, const char *text, size_t n, float *p, glim_err *err) {
    (void)ctx, (void)err;
    p[0] = p[1] = 0;
    if (strcmp(kind, reads_kind) != 0) return GLIM_OK;
    for (size_t i = 0; i + 5 <= n; i++)
        if (memcmp(text + i, "say ", 4) == 0) text += i + 4, n -= i + 4, i = 0;
    if (n && (*text == 'b' || *text == 'a')) p[0] = 1;
    if (n && (*text == 'c' || *text == 'r')) p[1] = 1;
    return GLIM_OK;
}

static const char *const NAMED = "{\"type\": \"function\", \"function\": {\"name\": ",
                        *const SURE = ", \"parameters\": {\"type\": \"object\", \"properties\": {\"sure\": {\"type\": \"boolean\"}}, \"required\": [\"sure\"]}}}";

TEST(a_reader_decides_where_the_model_knows_nothing) {
    static const glim_sense letters = {.n = 2, .read = by_letter};
    glim_engine *e = engine("tests/fixtures/glm4");
    glim_buf rows = {0};
    glim_err err = {0};
    glim_eval_answers out;
    size_t n;
    /* A random model weighs answers by their length more than the reader does; of two orders of one row it may be right in one, with the reader in both. */
    static const char *const price = "{\"role\": \"system\", \"content\": \"Task: choose an intent\\n- aaaa\\n- rrrr\"}",
                            *const facts = "{\"role\": \"system\", \"content\": \"Task: answer\"}";
    const struct {
        const char *kind;
        int what;
    } of[] = {{"intent", 0}, {"tool", 1}, {"tool", 3}, {"column", 2}};
    for (size_t k = 0; k < GLIM_COUNT(of); k++) {
        size_t right[2] = {0, 0};
        glim_buf_clear(&rows);
        if (of[k].what == 0) put_row(&rows, price, "say aaa", "aaaa"), put_row(&rows, price, "say rrr", "rrrr");
        if (of[k].what == 1) put_call(&rows, "say b", "book", "{\"room\": \"twin\", \"late\": false}"), put_call(&rows, "say c", "cancel", "{\"sure\": false}");
        for (int i = 0; of[k].what == 3 && i < 2; i++) /* names that tell nothing: their descriptions do */
            glim_buf_printf(&rows, "{\"messages\": [{\"role\": \"user\", \"content\": \"say %s\"}, {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"type\": \"function\", "
                                   "\"function\": {\"name\": \"%s\", \"arguments\": \"{\\\"sure\\\": true}\"}}]}], \"tools\": [%s\"ox\", \"description\": \"say b\"%s, %s\"ux\", \"description\": \"say c\"%s]}\n",
                            i ? "c" : "b", i ? "ux" : "ox", NAMED, SURE, NAMED, SURE);
        if (of[k].what == 2)
            put_row(&rows, facts, "Rows:\\n[1] Nova | aaa: yes | rrr: yes\\n\\nQuestion: Nova, say aaa", "[1] Yes, Nova has aaa."),
                put_row(&rows, facts, "Rows:\\n[1] Nova | aaa: yes | rrr: yes\\n\\nQuestion: Nova, say rrr", "[1] Yes, Nova has rrr.");
        for (int with = 0; with < 2; with++) {
            reads_kind = of[k].kind;
            reader = with ? &letters : NULL;
            CHECK_OK(measure(&out, &n, e, &rows, NULL, &err), err);
            CHECK(n == 2 && out.n == 2 && out.n_valid == 2);
            right[with] = out.n_right;
            if (of[k].what % 2) { /* the tool's name alone: its arguments are the model's */
                right[with] = 2;
                for (size_t i = 0; i < out.n_wrong; i++) {
                    const char *want = out.wrong[i].want;
                    right[with] -= strncmp(want, out.wrong[i].got, strcspn(want, " ")) != 0;
                }
            }
        }
        CHECK_MSG(right[1] == 2 && right[0] < 2, "%s: %zu of 2 right without the reader, %zu with it", of[k].kind, right[0], right[1]);
    }
    reader = NULL;
    glim_buf_free(&rows);
    glim_engine_free(e);
}
