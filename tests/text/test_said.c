/* What a request says: the runs and numbers that fields may be copied from, one place for one field, and what leaving things out costs. */
#include "text/said.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "test.h"
#include "test_constrain_vocab.h"
#include "text/said_internal.h"

static glim_said *said(const char *request) {
    glim_said *s = NULL;
    glim_err err = {0};
    CHECK_OK(glim_said_new(&s, request, strlen(request), &err), err);
    return s;
}

static json_t *json(const char *text) {
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    CHECK_MSG(v, "%s", text);
    return v;
}

/* Whether a field may be text. */
static bool may(const char *request, const char *text) {
    glim_said *s = said(request);
    glim_dfa *d = NULL;
    glim_err err = {0};
    glim_con_budget b = {GLIM_CON_WORK, GLIM_CON_MAX_NODES, GLIM_CON_DFA_BYTES};
    CHECK_OK(glim_said_dfa(&d, s, GLIM_SPELL_RAW, &b, &err), err);
    const bool yes = glim_dfa_matches(d, text, strlen(text));
    glim_dfa_free(d);
    glim_said_free(s);
    return yes;
}

TEST(a_run_is_of_whole_words_where_words_have_spaces) {
    const char *en = "My name is Elpi Isomqui, call 258-1140 at 11:00.", *zh = "送到优阁街136号，我要买露月AZ60";
    CHECK(may(en, "Elpi Isomqui") && may(en, "Elpi") && may(en, "258-1140") && may(en, "11:00") && may(en, "258-1140 at 11:00"));
    CHECK(!may(en, "Elp") && !may(en, "258") && !may(en, "1140") && !may(en, "11") && !may(en, "11:00.") && !may(en, " Elpi") && !may(en, "Elpi Isomqui,") && !may(en, "") && !may(en, "Isomqui Elpi"));
    CHECK(may(zh, "优阁街136号") && may(zh, "露月AZ60") && may(zh, "优阁街") && may(zh, "136"));
    CHECK(!may(zh, "露月AZ6") && !may(zh, "13") && !may(zh, "号，我") && !may(zh, "号我"));
    CHECK(may("mail a.b@c.de please", "a.b@c.de") && !may("mail a.b@c.de please", "c.de") && may("O'Brien", "O'Brien") && may("the Mini Fan (2nd)", "Mini Fan (2nd)"));
    CHECK(may("say \"hi\" twice", "hi\" twice"));
}

TEST(a_number_stands_by_itself_in_digits_or_words) {
    static const struct {
        const char *request, *want;
    } cases[] = {
        {"Call 258-1140, the time is 11:00, I need 8 of PN6.", "[8,0]"},
        {"two adults, twenty-five chairs and a dozen eggs for 1,200 yuan, 2.5 kg or 30cm", "[1200,2.5,30,2,25,12,0]"},
        {"要两百三十个，十二位，三万五，九点", "[230,12,35000,9,0]"},
        {"周三三个人，买3万份", "[3,30000,0]"},
        {"订单L60181920，电话17692807414，0个", "[17692807414,0]"},
        {"it was -5 or 零下12度, of 16GB and 100W", "[-5,-12,16,100,0]"},
        {"two hundred of 3k, or 2,3,4 and 1,5", "[3,3000,200,0]"},
        {"two hundred thousand, one hundred and twenty thousand, five hundred", "[200000,120000,500,0]"},
        {"－５度", "[-5,0]"},
        {"１，２００元, 3.5, １２：３０", "[3.5,0]"},
        {"half a dozen eggs, two dozen rolls, a hundred and twenty chairs, a thousand and five", "[6,24,120,1005,0]"},
        {"between one hundred and fifty, two hundred and three hundred, forty and six", "[100,50,200,300,40,6,0]"},
        {"三亿五千万，两亿三，三万亿，亿元", "[350000000,230000000,3000000000000,0]"},
        {"零下五度，一点五公斤，三点五十到，十二点五个人", "[-5,1.5,3,50,12,5,0]"},
        {"要３００份，３．５米，Ａ３", "[300,3.5,0]"},
        {"", "[0]"},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        glim_said *s = said(cases[i].request);
        json_t *got = glim_said_numbers(s, true);
        char *text = json_dumps(got, JSON_COMPACT);
        CHECK_MSG(strcmp(text, cases[i].want) == 0, "%s: %s, want %s", cases[i].request, text, cases[i].want);
        free(text);
        json_decref(got);
        glim_said_free(s);
    }
}

TEST(a_request_that_is_too_long_or_no_text_says_nothing) {
    char text[GLIM_SAID_BYTES + 2];
    glim_said *s;
    glim_err err = {0};
    memset(text, 'a', sizeof text);
    CHECK_OK(glim_said_new(&s, text, GLIM_SAID_BYTES, &err), err);
    CHECK(s);
    glim_said_free(s);
    CHECK_OK(glim_said_new(&s, text, GLIM_SAID_BYTES + 1, &err), err);
    CHECK(!s);
    CHECK_OK(glim_said_new(&s, "a\xff", 2, &err), err);
    CHECK(!s);
}

static double cost(const char *request, const char *schema, const char *answer) {
    glim_said *s = said(request);
    json_t *v = json(schema);
    const double c = glim_said_cost(s, v, NULL, answer, strlen(answer));
    for (size_t n = 0; n < strlen(answer); n++) CHECK_MSG(glim_said_cost(s, v, NULL, answer, n) <= c, "%s: the first %zu bytes cost more", answer, n);
    json_decref(v);
    glim_said_free(s);
    return c;
}

static const char *const TWO = "{\"type\":\"object\",\"properties\":{\"address\":{\"type\":\"string\"},\"time\":{\"type\":\"string\"}},\"required\":[\"address\",\"time\"]}";

TEST(one_place_serves_one_field) {
    CHECK(isinf(cost("At 20:15 please.", TWO, "{\"address\":\"20:15\",\"time\":\"20:15\"}")));
    CHECK(!isinf(cost("At 20:15 please.", TWO, "{\"address\":\"\",\"time\":\"20:15\"}")));
    CHECK(!isinf(cost("From 20:15 or 20:15.", TWO, "{\"address\":\"20:15\",\"time\":\"20:15\"}")));
    CHECK(isinf(cost("Elpi Isomqui at noon", TWO, "{\"address\":\"Elpi Isomqui\",\"time\":\"Isomqui\"}")));
    const char *number = "{\"type\":\"object\",\"properties\":{\"room\":{\"type\":\"string\"},\"people\":{\"type\":\"integer\"}},\"required\":[\"room\",\"people\"]}";
    CHECK(isinf(cost("Room 8 for us", number, "{\"room\":\"Room 8\",\"people\":8}")) && !isinf(cost("Room 8 for eight", number, "{\"room\":\"Room 8\",\"people\":8}")));
}

TEST(what_is_said_and_serves_no_field_costs) {
    const char *request = "A table please, call 258-1140, at 20:15.";
    const double all = cost(request, TWO, "{\"address\":\"258-1140\",\"time\":\"20:15\"}"), one = cost(request, TWO, "{\"address\":\"\",\"time\":\"20:15\"}"),
                 none = cost(request, TWO, "{\"address\":\"\",\"time\":\"\"}"), words = cost(request, TWO, "{\"address\":\"call\",\"time\":\"20:15\"}");
    CHECK_MSG(all < one && one < none && all < words, "%g, %g, %g, %g", all, one, none, words);
    const char *list = "{\"type\":\"object\",\"properties\":{\"pay\":{\"type\":\"string\",\"enum\":[\"card\",\"cash\"]},\"gift\":{\"type\":\"boolean\"}},\"required\":[\"pay\",\"gift\"]}";
    CHECK(cost("Food please, by card", list, "{\"pay\":\"card\",\"gift\":false}") < cost("Food please, by card", list, "{\"pay\":\"cash\",\"gift\":false}"));
    CHECK(cost("Food please, by card", list, "{\"pay\":\"card\",\"gift\":false}") < cost("Food please, by card", list, "{\"pay\":\"card\",\"gift\":true}"));
    CHECK(cost("Food please, by card, wrap it", list, "{\"pay\":\"card\",\"gift\":true}") < cost("Food please, by card, wrap it", list, "{\"pay\":\"card\",\"gift\":false}"));
    CHECK(cost("天气怎么样，地点在森塔", TWO, "{\"address\":\"森塔\",\"time\":\"\"}") + 16 < cost("天气怎么样，地点在森塔", TWO, "{\"address\":\"在森塔\",\"time\":\"\"}"));
    CHECK(cost("我要叫花鸡", TWO, "{\"address\":\"叫花鸡\",\"time\":\"\"}") == cost("我要花鸡", TWO, "{\"address\":\"花鸡\",\"time\":\"\"}"));
    CHECK(cost("我要禾玉砂锅", TWO, "{\"address\":\"禾玉砂锅\",\"time\":\"\"}") < cost("我要禾玉砂锅", TWO, "{\"address\":\"要禾玉砂锅\",\"time\":\"\"}"));
}

TEST(the_arguments_of_a_call_are_read_in_two_forms) {
    json_t *tools = json("[{\"type\":\"function\",\"function\":{\"name\":\"book\",\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\"}}}}}]");
    glim_said *s = said("At 20:15 please.");
    const char *glm = "\nbook\n{\"a\": \"20:15\", \"b\": \"20:15\"}", *chatml = "<tool_call>\n{\"name\": \"book\", \"arguments\": {\"a\": \"20:15\", \"b\": \"20:15\"}}\n</tool_call>",
               *other = "cook\n{\"a\": \"20:15\", \"b\": \"20:15\"}";
    CHECK(isinf(glim_said_cost(s, NULL, tools, glm, strlen(glm))) && isinf(glim_said_cost(s, NULL, tools, chatml, strlen(chatml))) && glim_said_cost(s, NULL, tools, other, strlen(other)) == 0);
    for (size_t n = 0; n < strlen(glm); n++) glim_said_cost(s, NULL, tools, glm, n);
    for (size_t n = 0; n < strlen(chatml); n++) glim_said_cost(s, NULL, tools, chatml, n);
    glim_said_free(s);
    json_decref(tools);
}

static bool answer_fits(vocab *v, glim_constraint_spec spec, const char *request, const char *text) {
    glim_said *s = said(request);
    glim_constraint *c = NULL;
    glim_constraint_state *at = NULL;
    glim_err err = {0};
    spec.said = s;
    CHECK_OK(glim_constraint_compile(&c, v->v, &spec, &err), err);
    glim_said_free(s);
    CHECK_OK(glim_constraint_state_new(&at, c, &err), err);
    bool fine = true;
    for (const char *p = text; *p && fine;) { /* a special token as a whole, else bytes */
        size_t n = 1;
        int32_t id = v->byte_token[(unsigned char)*p];
        for (size_t i = 0; i < GLIM_COUNT(small_specials); i++)
            if (strncmp(p, small_specials[i], strlen(small_specials[i])) == 0) n = strlen(small_specials[i]), id = glim_tok_find(v->tok, small_specials[i]);
        fine = glim_constraint_accept(at, id, &err) == GLIM_OK;
        p += n;
    }
    fine = fine && glim_constraint_complete(at);
    glim_constraint_state_free(at);
    glim_constraint_free(c);
    return fine;
}

/* Whether the constraint takes text as a whole answer. */
static bool takes(vocab *v, const char *schema, const char *request, const char *text) {
    json_t *o = json(schema);
    const bool fine = answer_fits(v, (glim_constraint_spec){.schema = o}, request, text);
    json_decref(o);
    return fine;
}

/* The same of the arguments of a call in the form of GLM-4.5, "a=1;b=2". */
static bool takes_args(vocab *v, const char *schema, const char *request, const char *args) {
    json_t *tools = json("[{\"type\":\"function\",\"function\":{\"name\":\"book\"}}]");
    glim_buf text = {0};
    json_object_set_new(json_object_get(json_array_get(tools, 0), "function"), "parameters", json(schema));
    json_t *choice = json("\"required\"");
    glim_buf_puts(&text, "<tool_call>book\n");
    for (const char *p = args; *p;) {
        const size_t key = strcspn(p, "="), value = strcspn(p + key + 1, ";");
        glim_buf_printf(&text, "<arg_key>%.*s</arg_key>\n<arg_value>%.*s</arg_value>\n", (int)key, p, (int)value, p + key + 1);
        p += key + 1 + value;
        p += *p == ';';
    }
    glim_buf_puts(&text, "</tool_call>");
    const bool fine = answer_fits(v, (glim_constraint_spec){.tools = tools, .tool_choice = choice, .kind = GLIM_CHAT_GLM45, .single_call = true}, request, glim_buf_cstr(&text));
    glim_buf_free(&text);
    json_decref(choice);
    json_decref(tools);
    return fine;
}

TEST(a_constraint_takes_only_what_the_request_says) {
    vocab v = make_vocab(GLIM_COUNT(small_specials), -1);
    const char *schema = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},\"code\":{\"type\":\"string\",\"pattern\":\"^[a-z]{2}$\"},"
                         "\"note\":{\"type\":\"string\",\"maxLength\":4},\"kind\":{\"type\":\"string\",\"enum\":[\"big\",\"small\"]},\"m\":{\"type\":\"integer\",\"minimum\":50}},\"required\":[\"name\",\"n\"]}";
    const char *request = "Table for 8, name \"Jo\" Isomqui";
    CHECK(takes(&v, schema, request, "{\"name\":\"Isomqui\",\"n\":8}") && takes(&v, schema, request, "{\"name\":\"Jo\\\" Isomqui\",\"n\":0}") && takes(&v, schema, request, "{\"name\":\"\",\"n\":0}"));
    CHECK(!takes(&v, schema, request, "{\"name\":\"Isomq\",\"n\":8}") && !takes(&v, schema, request, "{\"name\":\"Bob\",\"n\":8}") && !takes(&v, schema, request, "{\"name\":\"Jo\",\"n\":7}"));
    CHECK(takes(&v, schema, request, "{\"name\":\"Jo\",\"n\":8,\"code\":\"zz\"}") && takes(&v, schema, request, "{\"name\":\"Jo\",\"n\":8,\"note\":\"for\",\"kind\":\"small\"}"));
    CHECK(!takes(&v, schema, request, "{\"name\":\"Jo\",\"n\":8,\"m\":77}")); /* may be left out, and nothing is said that it takes */
    const char *bounds = "{\"type\":\"object\",\"properties\":{\"m\":{\"type\":\"integer\",\"minimum\":50}},\"required\":[\"m\"]}";
    CHECK(takes(&v, bounds, request, "{\"m\":77}") && !takes(&v, bounds, request, "{\"m\":8}") && !takes(&v, bounds, "for 60", "{\"m\":77}"));
    CHECK(!takes(&v, schema, request, "{\"name\":\"Jo\",\"n\":8,\"note\":\"Isomqui\"}") && !takes(&v, schema, request, "{\"name\":\"Jo\",\"n\":8,\"note\":\"\"}"));
    free_vocab(&v);
}

TEST(what_may_be_left_out_is_where_nothing_of_the_request_fits) {
    vocab v = make_vocab(GLIM_COUNT(small_specials), -1);
    const char *schema = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"code\":{\"type\":\"string\",\"minLength\":12},\"m\":{\"type\":\"integer\",\"minimum\":50}},\"required\":[\"name\"]}";
    const char *must = "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\",\"minLength\":12}},\"required\":[\"code\"]}", *request = "Jo, for 8";
    CHECK(takes(&v, schema, request, "{\"name\":\"Jo\"}") && !takes(&v, schema, request, "{\"name\":\"Jo\",\"m\":77}"));
    CHECK(!takes(&v, schema, request, "{\"name\":\"Jo\",\"code\":\"abcdefghijkl\"}"));
    CHECK(takes(&v, schema, "Jo, code abcdefghijkl", "{\"name\":\"Jo\",\"code\":\"abcdefghijkl\"}"));
    CHECK(takes(&v, must, request, "{\"code\":\"abcdefghijkl\"}") && !takes(&v, must, request, "{\"code\":\"abc\"}")); /* there must be one */
    CHECK(takes(&v, schema, "", "{\"name\":\"\"}") && !takes(&v, schema, "", "{\"name\":\"x\"}"));
    CHECK(takes_args(&v, schema, request, "name=Jo") && !takes_args(&v, schema, request, "name=Jo;m=77") && !takes_args(&v, schema, request, "name=Jo;code=abcdefghijkl"));
    free_vocab(&v);
}

TEST(arguments_of_a_call_with_bounds_are_copied_in_both_forms) {
    vocab v = make_vocab(GLIM_COUNT(small_specials), -1);
    const char *schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":9},\"b\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":4},\"c\":{\"type\":\"string\"}},\"required\":[\"a\"]}";
    static const struct {
        const char *args, *json;
        bool fits;
    } t[] = {
        {"a=Isomqui", "{\"a\":\"Isomqui\"}", true},
        {"a=Bob", "{\"a\":\"Bob\"}", false},          /* nobody says so */
        {"a=name Jo Isomqui", "{\"a\":\"name Jo Isomqui\"}", false}, /* too long */
        {"a=", "{\"a\":\"\"}", true},
        {"a=Jo;b=name", "{\"a\":\"Jo\",\"b\":\"name\"}", true},
        {"a=Jo;b=x1", "{\"a\":\"Jo\",\"b\":\"x1\"}", false},
        {"a=Jo;b=", "{\"a\":\"Jo\",\"b\":\"\"}", false},
        {"a=Jo;c=Table", "{\"a\":\"Jo\",\"c\":\"Table\"}", true},
        {"a=Jo;c=", "{\"a\":\"Jo\",\"c\":\"\"}", false},
    };
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        CHECK_MSG(takes_args(&v, schema, "Table for 8, name Jo Isomqui", t[i].args) == t[i].fits, "%s", t[i].args);
        CHECK_MSG(takes(&v, schema, "Table for 8, name Jo Isomqui", t[i].json) == t[i].fits, "%s", t[i].json);
    }
    free_vocab(&v);
}

/* A form of many fields over the longest request, words all different or two that come again and again: of these an automaton cannot be made. */
TEST(a_request_that_repeats_itself_is_no_error) {
    vocab v = make_vocab(GLIM_COUNT(small_specials), -1);
    char request[GLIM_SAID_BYTES + 1], *end = request;
    glim_buf schema = {0};
    glim_buf_puts(&schema, "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}");
    for (int i = 0; i < 12; i++) glim_buf_printf(&schema, ",\"f%d\":{\"type\":\"string\"%s}", i, i % 2 ? "" : ",\"maxLength\":40");
    glim_buf_puts(&schema, "},\"required\":[\"n\",\"f1\"]}");
    while (end + 3 < request + sizeof request) *end++ = 'a', *end++ = ' ';
    memcpy(end - 2, "7", 2);
    const double t0 = glim_now_s();
    CHECK(takes(&v, schema.s, request, "{\"n\":7,\"f1\":\"no word of it\"}")); /* the schema alone */
    CHECK(!takes(&v, schema.s, request, "{\"n\":8,\"f1\":\"a\"}"));
    for (end = request; end + 12 < request + sizeof request;) end += sprintf(end, "w%d ", (int)(end - request) * 7919 % 10007);
    const double t1 = glim_now_s();
    CHECK(takes(&v, schema.s, request, "{\"n\":0,\"f1\":\"w0\"}") && !takes(&v, schema.s, request, "{\"n\":0,\"f1\":\"no word of it\"}"));
    printf("    %.2f s for one that repeats itself, %.2f s for one that does not\n", t1 - t0, glim_now_s() - t1);
    glim_buf_free(&schema);
    free_vocab(&v);
}
