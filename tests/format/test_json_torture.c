/* JSONTestSuite (Nicolas Seriot's "Parsing JSON is a minefield") against our JSON: every y_ parses, every
 * n_ is refused; but duplicate keys and NULs in keys, which y_ files hold, are refused by name. The
 * archive is read in place: tar in gzip, unpacked by a pipe from gzip. */
#include "files.h"

#include "base/json.h"

/* A field of a tar header: octal digits. */
static size_t octal(const char *s, size_t n) {
    size_t v = 0;
    for (size_t i = 0; i < n && s[i] >= '0' && s[i] <= '7'; i++) v = v * 8 + (size_t)(s[i] - '0');
    return v;
}

static glim_buf unpack(const char *path) {
    char cmd[4200];
    snprintf(cmd, sizeof cmd, "gzip -dc '%s'", path);
    FILE *p = popen(cmd, "r");
    CHECK(p != NULL);
    glim_buf b = {0};
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, p)) > 0;) glim_buf_append(&b, part, n);
    CHECK(pclose(p) == 0);
    CHECK(!b.failed);
    return b;
}

TEST(json_torture_is_exact) {
    const char *path = glim_test_data("json-parsing/JSONTestSuite.tar.gz");
    if (!path) SKIP("no json-parsing in the test data");
    glim_buf tar = unpack(path);
    int y = 0, n = 0, either = 0, refused = 0;
    for (size_t at_byte = 0; at_byte + 512 <= tar.len && tar.s[at_byte];) {
        const char *h = tar.s + at_byte;
        size_t size = octal(h + 124, 12);
        char name[101] = {0};
        memcpy(name, h, 100);
        CHECK(size <= tar.len - at_byte - 512);
        at_byte += 512 + (size + 511) / 512 * 512;
        const char *base = strrchr(name, '/');
        base = base ? base + 1 : name;
        if ((h[156] != '0' && h[156] != 0) || !strstr(base, ".json") || base[1] != '_') continue;

        glim_err err = {0};
        json_t *v;
        char *text = heap_copy(h + 512, size);
        glim_status rc = glim_json_parse(&v, text, size, 0, &err);
        free(text);
        CHECK((rc == GLIM_OK) == (v != NULL));
        json_decref(v);
        if (rc != GLIM_OK) CHECK_MSG(err.msg[0] && !strchr(err.msg, '\n'), "%s: no message", base);
        if (base[0] == 'y') {
            bool twice = strstr(base, "duplicated_key") != NULL, nul = strstr(base, "null_in_key") || strstr(base, "escaped_null_in_key");
            if (twice || nul) {
                CHECK_MSG(rc == GLIM_E_FORMAT && strstr(err.msg, twice ? "duplicate" : "NUL"), "%s: %s", base, err.msg);
                refused++;
            } else {
                CHECK_MSG(rc == GLIM_OK, "%s: %s", base, err.msg);
                y++;
            }
        } else if (base[0] == 'n') {
            CHECK_MSG(rc != GLIM_OK, "%s was accepted", base);
            n++;
        } else {
            either++;
        }
    }
    printf("    %d accepted, %d refused, %d refused by our rules, %d either way\n", y, n, refused, either);
    CHECK(y + refused >= 90 && n >= 180 && either >= 30);
    CHECK(refused >= 2);
    glim_buf_free(&tar);
}
