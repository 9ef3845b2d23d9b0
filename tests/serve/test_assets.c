/* test_assets.c - Studio's files in the binary are those of web/, under the paths and types that browsers want. */
#include <stdlib.h>

#include "serve/assets.h"
#include "test.h"

static bool ends(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

static bool has(const glim_asset *a, const char *word) { return memmem(a->data, a->size, word, strlen(word)) != NULL; }

TEST(the_page_is_at_the_root_and_nothing_else_is_found) {
    const glim_asset *a = glim_asset_find("/");
    CHECK(a && a->size > 100 && memcmp(a->data, "<!doctype html>", 15) == 0);
    CHECK_STR(a->type, "text/html; charset=utf-8");
    const char *absent[] = {"", "/assets", "/assets/", "/index.html", "/assets/../web/index.html", "/assets/css", "/assets/css/base.css ", "//"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) CHECK_MSG(!glim_asset_find(absent[i]), "found \"%s\"", absent[i]);
}

TEST(every_asset_is_the_file_it_was_made_from) {
    size_t n;
    const glim_asset *all = glim_asset_all(&n);
    CHECK(n >= 3);
    for (size_t i = 0; i < n; i++) {
        char name[300];
        const char *path = all[i].path;
        CHECK(glim_asset_find(path) == &all[i]); /* so no path is there twice */
        CHECK(strcmp(path, "/") == 0 || strncmp(path, "/assets/", 8) == 0);
        snprintf(name, sizeof name, "web/%s", strcmp(path, "/") == 0 ? "index.html" : path + 8);
        FILE *f = fopen(glim_test_source(name), "rb");
        CHECK_MSG(f, "%s is not there", name);
        unsigned char *bytes = malloc(all[i].size + 1);
        size_t got = fread(bytes, 1, all[i].size + 1, f);
        fclose(f);
        bool same = got == all[i].size && memcmp(bytes, all[i].data, got) == 0;
        free(bytes);
        CHECK_MSG(same, "%s differs from what is in the binary", name);
    }
}

TEST(tags_are_quoted_and_differ) {
    size_t n;
    const glim_asset *all = glim_asset_all(&n);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(all[i].etag);
        CHECK(len == 22 && all[i].etag[0] == '"' && all[i].etag[len - 1] == '"');
        for (size_t j = 0; j < i; j++) CHECK_MSG(strcmp(all[i].etag, all[j].etag) != 0, "%s and %s", all[i].path, all[j].path);
    }
}

TEST(types_are_those_that_nosniff_demands) {
    size_t n;
    const glim_asset *all = glim_asset_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (ends(all[i].path, ".js")) CHECK_STR(all[i].type, "text/javascript; charset=utf-8");
        if (ends(all[i].path, ".css")) CHECK_STR(all[i].type, "text/css; charset=utf-8");
        if (ends(all[i].path, ".json")) CHECK_STR(all[i].type, "application/json; charset=utf-8");
        if (ends(all[i].path, ".svg")) CHECK_STR(all[i].type, "image/svg+xml; charset=utf-8");
    }
}

/* The policy of the server would block these in the browser; here they are found without one. */
TEST(nothing_needs_a_policy_weaker_than_self) {
    size_t n;
    const glim_asset *all = glim_asset_all(&n), *page = glim_asset_find("/");
    CHECK(!has(page, "<style") && !has(page, " style=") && !has(page, "onclick") && !has(page, "onload"));
    CHECK(!has(page, "<script>") && !has(page, "javascript:"));
    for (size_t i = 0; i < n; i++) {
        const char *words[] = {"//cdn", "https://unpkg", "googleapis", "eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"};
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            CHECK_MSG(!has(&all[i], words[k]), "%s holds \"%s\"", all[i].path, words[k]);
    }
}
