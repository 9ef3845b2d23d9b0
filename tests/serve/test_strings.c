/* test_strings.c - Studio's words: Chinese and English have the same keys, and the pages use exactly these. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#include "serve/assets.h"
#include "test.h"

static json_t *strings(const char *language) {
    char path[64];
    snprintf(path, sizeof path, "/assets/strings/%s.json", language);
    const glim_asset *a = glim_asset_find(path);
    CHECK_MSG(a, "there is no %s", path);
    json_error_t why;
    json_t *v = json_loadb((const char *)a->data, a->size, JSON_REJECT_DUPLICATES, &why);
    CHECK_MSG(v && json_is_object(v), "%s:%d: %s", path, why.line, why.text);
    return v;
}

/* The {names} of a text, each with a comma, in the order of the text. */
static void names(const char *text, char *out, size_t cap) {
    size_t n = 0;
    for (const char *p = strchr(text, '{'); p; p = strchr(p + 1, '{')) {
        const char *end = strchr(p, '}');
        CHECK_MSG(end && n + (size_t)(end - p) + 2 < cap, "a brace without an end in \"%s\"", text);
        memcpy(out + n, p, (size_t)(end - p));
        n += (size_t)(end - p);
        out[n++] = ',';
    }
    out[n] = 0;
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Languages may put their parameters in another order. */
static void sorted_names(const char *text, char list[8][40], size_t *n) {
    char all[320];
    *n = 0;
    memset(list, 0, 8 * 40);
    names(text, all, sizeof all);
    for (char *p = strtok(all, ","); p && *n < 8; p = strtok(NULL, ",")) snprintf(list[(*n)++], 40, "%s", p);
    qsort(list, *n, 40, by_text);
}

TEST(chinese_and_english_have_the_same_keys_and_parameters) {
    json_t *en = strings("en"), *zh = strings("zh"), *v;
    const char *key;
    CHECK(json_object_size(en) > 50);
    json_object_foreach(en, key, v) {
        const char *a = json_string_value(v), *b = json_string_value(json_object_get(zh, key));
        CHECK_MSG(a && a[0], "en.json: \"%s\" is empty or no string", key);
        CHECK_MSG(b && b[0], "zh.json lacks \"%s\"", key);
        char mine[8][40], theirs[8][40];
        size_t n, m;
        sorted_names(a, mine, &n);
        sorted_names(b, theirs, &m);
        CHECK_MSG(n == m && memcmp(mine, theirs, sizeof mine) == 0, "\"%s\": the parameters differ: \"%s\" and \"%s\"", key, a, b);
    }
    json_object_foreach(zh, key, v) CHECK_MSG(json_object_get(en, key), "en.json lacks \"%s\"", key);
    json_decref(en);
    json_decref(zh);
}

static bool is_js(const glim_asset *a) {
    size_t n = strlen(a->path);
    return n > 3 && strcmp(a->path + n - 3, ".js") == 0;
}

/* Is this the beginning of a key, "panel." for instance? */
static bool begins_a_key(const json_t *en, const char *s) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)en, key, v) if (strncmp(key, s, strlen(s)) == 0) return true;
    return false;
}

/* Every 'word.word' of the scripts whose first word is one that keys begin with is a key, or the beginning of one. */
TEST(every_key_in_the_scripts_has_a_text) {
    json_t *en = strings("en");
    size_t n, seen = 0;
    const glim_asset *all = glim_asset_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (!is_js(&all[i])) continue;
        const char *p = (const char *)all[i].data, *end = p + all[i].size;
        for (; p < end; p++) {
            if (*p != '\'' && *p != '`') continue;
            char word[80];
            size_t len = 0;
            const char *q = p + 1;
            while (q < end && len < sizeof word - 1 && (isalnum((unsigned char)*q) || *q == '.' || *q == '_')) word[len++] = *q++;
            word[len] = 0;
            const char *dot = strchr(word, '.');
            if (!dot || q == end) continue;
            char first[80];
            snprintf(first, sizeof first, "%.*s", (int)(dot - word + 1), word);
            if (!begins_a_key(en, first)) continue;
            seen++;
            bool whole = *q == *p && word[len - 1] != '.';
            bool part = *q == '$' || (*q == *p && word[len - 1] == '.');
            CHECK_MSG(!whole || json_object_get(en, word), "%s uses \"%s\", which has no text", all[i].path, word);
            CHECK_MSG(!part || begins_a_key(en, word), "%s uses \"%s...\", and no key begins so", all[i].path, word);
        }
    }
    CHECK(seen > 50);
    json_decref(en);
}

/* A key is used where a script holds it whole, or a beginning of it that is completed there. */
static bool used(const char *key) {
    size_t n, len = strlen(key);
    const glim_asset *all = glim_asset_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (!is_js(&all[i])) continue;
        char word[100];
        snprintf(word, sizeof word, "'%s'", key);
        if (memmem(all[i].data, all[i].size, word, strlen(word))) return true;
        for (size_t k = 3; k < len; k++) {
            snprintf(word, sizeof word, "`%.*s${", (int)k, key);
            if (memmem(all[i].data, all[i].size, word, strlen(word))) return true;
            snprintf(word, sizeof word, "'%.*s' +", (int)k, key);
            if (key[k - 1] == '.' && memmem(all[i].data, all[i].size, word, strlen(word))) return true;
        }
    }
    return false;
}

TEST(no_text_is_left_over) {
    json_t *en = strings("en"), *v;
    const char *key;
    json_object_foreach(en, key, v) CHECK_MSG(used(key), "no script uses \"%s\"", key);
    json_decref(en);
}
