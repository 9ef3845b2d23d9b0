/* JSON: our limits and Python's spelling. The torture set lives in ${GLIM_DATA}/json-parsing. */
#include "base/json.h"

#include <stdlib.h>

#include "test.h"

static glim_status parse(const char *s, size_t n, glim_err *err) {
    json_t *v;
    glim_status rc = glim_json_parse(&v, s, n, 256, err);
    json_decref(v);
    return rc;
}

TEST(duplicate_keys_nul_keys_and_trailing_bytes_are_refused) {
    glim_err err;
    CHECK(parse("{\"a\":1,\"a\":2}", 13, &err) == GLIM_E_FORMAT);
    CHECK(strstr(err.msg, "duplicate"));
    CHECK(parse("{\"a\\u0000b\":1}", 14, &err) == GLIM_E_FORMAT);
    CHECK(strstr(err.msg, "NUL"));
    CHECK(parse("{} x", 4, &err) == GLIM_E_FORMAT);
    CHECK(parse("\"a\\u0000b\"", 10, &err) == GLIM_OK);
}

TEST(integers_beyond_64_bits_are_reals_and_strings_stay) {
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"[9223372036854775807, -9223372036854775808]", "[9223372036854775807, -9223372036854775808]"},
        {"[9223372036854775808, -9223372036854775809, 1]", "[9.223372036854775808e18, -9.223372036854775808e18, 1]"},
        {"18446744073709551615", "18446744073709551616.0"},
        {"{\"18446744073709551615\": 18446744073709551615}", "{\"18446744073709551615\": 18446744073709551616.0}"},
        {"[\"\\\"99999999999999999999\", 99999999999999999999]", "[\"\\\"99999999999999999999\", 1e20]"},
        {"[99999999999999999999, 12345678901234567890.5, 12345678901234567890e1]", "[1e20, 12345678901234567890.5, 12345678901234567890e1]"}};
    for (size_t i = 0; i < GLIM_COUNT(rows); i++) {
        json_t *got, *want;
        glim_err err = {0};
        char *text = malloc(strlen(rows[i].text)); /* without a NUL behind it */
        memcpy(text, rows[i].text, strlen(rows[i].text));
        CHECK_OK(glim_json_parse(&got, text, strlen(rows[i].text), 0, &err), err);
        CHECK_OK(glim_json_parse(&want, rows[i].want, strlen(rows[i].want), 0, &err), err);
        CHECK_MSG(json_equal(got, want), "%s", rows[i].text);
        json_decref(got);
        json_decref(want);
        free(text);
    }
    char digits[402];
    memset(digits, '1', sizeof digits);
    glim_err err = {0};
    CHECK(parse(digits, sizeof digits, &err) == GLIM_E_FORMAT);
    CHECK(parse("[99999999999999999999, 01]", 26, &err) == GLIM_E_FORMAT);
}

TEST(nesting_is_limited_before_recursion_starts) {
    char deep[300];
    memset(deep, '[', sizeof deep);
    glim_err err;
    CHECK(parse(deep, sizeof deep, &err) == GLIM_E_LIMIT);
}

TEST(dumps_spell_like_python) {
    static const struct {
        const char *in, *flat, *indented;
    } cases[] = {
        {"{\"a\":[1,2.5,\"\xe4\xbd\xa0\"],\"b\":{},\"c\":[],\"d\":null,\"e\":true}",
         "{\"a\": [1, 2.5, \"\xe4\xbd\xa0\"], \"b\": {}, \"c\": [], \"d\": null, \"e\": true}",
         "{\n    \"a\": [\n        1,\n        2.5,\n        \"\xe4\xbd\xa0\"\n    ],\n    \"b\": {},\n    "
         "\"c\": [],\n    \"d\": null,\n    \"e\": true\n}"},
        {"[1e-5,1e16,1e15,123456.789,0.0001,-0.0,1e100,5e-324,1.0]",
         "[1e-05, 1e+16, 1000000000000000.0, 123456.789, 0.0001, -0.0, 1e+100, 5e-324, 1.0]", NULL},
        {"\"\\u0001\\n\\\"\\\\/\"", "\"\\u0001\\n\\\"\\\\/\"", NULL},
    };
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        json_t *v;
        glim_err err;
        CHECK_OK(glim_json_parse(&v, cases[i].in, strlen(cases[i].in), 0, &err), err);
        glim_buf b = {0};
        glim_json_dump_py(&b, v, -1, false);
        CHECK_STR(b.s, cases[i].flat);
        glim_buf_clear(&b);
        if (cases[i].indented) {
            glim_json_dump_py(&b, v, 4, false);
            CHECK_STR(b.s, cases[i].indented);
        }
        glim_buf_free(&b);
        json_decref(v);
    }
}
