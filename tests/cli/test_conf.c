/* glim.conf and the environment: what wins, what is an error, and that no bytes are too strange to parse. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "cli/conf.h"
#include "test.h"

typedef struct settings {
    const char *config, *data, *host;
    int64_t port;
    double temp;
    bool quick;
    glim_str_list adapters;
} settings;

#define PAGE(s)                                                                                        \
    const glim_flag own[] = {{"--config", NULL, GLIM_FLAG_STR, &(s).config, "FILE", "", 0, 0},         \
                             {"--data", NULL, GLIM_FLAG_STR, &(s).data, "DIR", "", 0, 0},              \
                             {"--host", NULL, GLIM_FLAG_STR, &(s).host, "A", "", 0, 0},                \
                             {"--port", "-p", GLIM_FLAG_INT, &(s).port, "N", "", 0, 65535},            \
                             {"--temp", NULL, GLIM_FLAG_REAL, &(s).temp, "T", "", 0, 0},               \
                             {"--quick", NULL, GLIM_FLAG_BOOL, &(s).quick, NULL, "", 0, 0},            \
                             {"--adapter", NULL, GLIM_FLAG_LIST, &(s).adapters, "NAME=DIR", "", 0, 0}, \
                             {0}};                                                                     \
    const glim_page page = {"test", "", {own}}

static char g_path[64];

static const char *conf_file(const char *text) {
    char *path = g_path;
    if (!path[0]) {
        char dir[] = "/tmp/glim-conf-XXXXXX";
        CHECK(mkdtemp(dir) != NULL);
        snprintf(path, sizeof g_path, "%s/glim.conf", dir);
    }
    CHECK(glim_file_write_atomic(path, text, strlen(text), NULL) == GLIM_OK);
    return path;
}

static void forget(const char *path) {
    char dir[64];
    unlink(path);
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = 0;
    rmdir(dir);
    g_path[0] = 0;
}

static void no_environment(void) {
    static const char *const names[] = {"GLIM_PORT", "GLIM_HOST", "GLIM_ADAPTER", "GLIM_QUICK", "GLIM_TEMP"};
    for (size_t i = 0; i < GLIM_COUNT(names); i++) unsetenv(names[i]);
    unsetenv("GLIM_DATA");
    setenv("GLIM_CONFIG", "", 1);
}

TEST(the_command_line_wins_over_the_environment_and_that_over_the_file) {
    settings s = {.port = 1};
    PAGE(s);
    glim_err err = {0};
    no_environment();
    const char *path = conf_file("# a comment = nothing\n\n host =  10.0.0.1 \r\nport=7\ntemp = 0.5\nquick = yes\nadapter = a=/x y\nadapter = b=/z");
    s.config = path;
    setenv("GLIM_PORT", "8", 1);
    setenv("GLIM_TEMP", "0.25", 1);
    const glim_flag *given[] = {&own[4]};
    s.temp = 2;
    CHECK_MSG(glim_conf_fill(&page, given, 1, &err) == GLIM_OK, "%s", err.msg);
    CHECK(strcmp(s.host, "10.0.0.1") == 0); /* the file */
    CHECK(s.port == 8);                     /* the environment */
    CHECK(s.temp == 2);                     /* the command line */
    CHECK(s.quick && s.adapters.n == 2 && strcmp(s.adapters.v[0], "a=/x y") == 0 && strcmp(s.adapters.v[1], "b=/z") == 0);

    setenv("GLIM_ADAPTER", " c=/1  d=/2 ", 1);
    s.adapters.n = 0;
    CHECK(glim_conf_fill(&page, given, 1, &err) == GLIM_OK);
    CHECK(s.adapters.n == 2 && strcmp(s.adapters.v[1], "d=/2") == 0);
    setenv("GLIM_QUICK", "perhaps", 1);
    CHECK(glim_conf_fill(&page, given, 1, &err) == GLIM_E_ARG);
    CHECK_MSG(strstr(err.msg, "GLIM_QUICK") && strstr(err.msg, "perhaps"), "%s", err.msg);
    no_environment();
    forget(path);
}

TEST(what_a_file_gets_wrong_is_told_with_its_line) {
    static const struct {
        const char *text, *says, *hints;
    } cases[] = {{"port = 1\nprot = 2\n", "line 2: there is no setting \"prot\"", ""},
                 {"hos = x\n", "line 1", "\"host\""},
                 {"\n\nport = many\n", "line 3", ""},
                 {"port = 70000", "line 1", ""},
                 {"port = 1\nhost = a\nport = 2", "line 3: \"port\" was set in line 1", ""},
                 {"host\n", "want NAME = VALUE", ""},
                 {"host =\n", "has no value", ""},
                 {"--host = x\n", "without dashes", ""},
                 {"Host = x\n", "is not a name", ""},
                 {"= x\n", "is not a name", ""},
                 {"config = other\n", "there is no setting \"config\"", ""},
                 {"host = \xff\n", "not UTF-8", ""},
                 {"quick = 2\n", "want yes or no", ""}};
    no_environment();
    const char *path = NULL;
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        settings s = {0};
        PAGE(s);
        glim_err err = {0};
        s.config = path = conf_file(cases[i].text);
        CHECK(glim_conf_fill(&page, NULL, 0, &err) != GLIM_OK);
        CHECK_MSG(strstr(err.msg, cases[i].says) && strstr(err.msg, path), "%s: %s", cases[i].text, err.msg);
        CHECK_MSG(strstr(err.hint, cases[i].hints), "%s: %s", cases[i].text, err.hint);
    }
    settings s = {.config = "/nonexistent/glim.conf"};
    PAGE(s);
    CHECK(glim_conf_fill(&page, NULL, 0, NULL) == GLIM_E_NOT_FOUND);
    forget(path);
}

TEST(other_commands_take_the_data_folder_and_nothing_else) {
    const char *data = NULL;
    int64_t port = 5;
    const glim_flag own[] = {{"--data", NULL, GLIM_FLAG_STR, &data, "DIR", "", 0, 0}, {"--port", NULL, GLIM_FLAG_INT, &port, "N", "", 0, 9}, {0}};
    const glim_page page = {"test", "", {own}};
    glim_err err = {0};
    no_environment();
    const char *path = conf_file("port = 8000\nname-of-another-verb = 1\ndata = /srv/glim\n");
    setenv("GLIM_CONFIG", path, 1);
    CHECK_MSG(glim_conf_fill(&page, NULL, 0, &err) == GLIM_OK, "%s", err.msg);
    CHECK(data && strcmp(data, "/srv/glim") == 0 && port == 5);
    setenv("GLIM_DATA", "/elsewhere", 1);
    setenv("GLIM_PORT", "7", 1);
    CHECK(glim_conf_fill(&page, NULL, 0, &err) == GLIM_OK && strcmp(data, "/elsewhere") == 0 && port == 5);
    no_environment();
    forget(path);
}

TEST(any_bytes_are_parsed_or_refused) {
    glim_rng r = {.seed = 7};
    char text[200];
    for (int i = 0; i < 20000; i++) {
        static const char some[] = "ab-=# \n\r\t\"\xc3\xa9\0z9";
        size_t n = (size_t)(glim_rng_u64(&r) % sizeof text);
        for (size_t k = 0; k < n; k++) text[k] = some[glim_rng_u64(&r) % (sizeof some - (i % 2 ? 3 : 0))];
        glim_conf c;
        glim_err err = {0};
        if (glim_conf_parse(&c, "x", text, n, &err) != GLIM_OK) {
            CHECK(err.msg[0]);
            continue;
        }
        for (size_t k = 0; k < c.n; k++) CHECK(c.lines[k].name[0] && c.lines[k].value[0] && !strpbrk(c.lines[k].value, "\n"));
        glim_conf_free(&c);
    }
}

TEST(the_data_folder_of_a_page_whose_data_is_rows_goes_to_store) {
    const char *rows = NULL, *store = NULL;
    const glim_flag own[] = {{"--data", NULL, GLIM_FLAG_STR, &rows, "FILE", "", 0, 0}, {"--store", NULL, GLIM_FLAG_STR, &store, "DIR", "", 0, 0}, {0}};
    const glim_page page = {"tune", "", {own}};
    glim_err err = {0};
    no_environment();
    const char *path = conf_file("data = /from/the/file\nport = 3\n");
    setenv("GLIM_CONFIG", path, 1);
    CHECK_MSG(glim_conf_fill(&page, NULL, 0, &err) == GLIM_OK, "%s", err.msg);
    CHECK(!rows && store && strcmp(store, "/from/the/file") == 0);
    setenv("GLIM_DATA", "/from/the/environment", 1);
    setenv("GLIM_STORE", "/of/no/meaning", 1);
    CHECK(glim_conf_fill(&page, NULL, 0, &err) == GLIM_OK);
    CHECK(!rows && strcmp(store, "/from/the/environment") == 0);
    unsetenv("GLIM_STORE");
    store = "/given";
    const glim_flag *given[] = {&own[1]};
    CHECK(glim_conf_fill(&page, given, 1, &err) == GLIM_OK);
    CHECK(!rows && strcmp(store, "/given") == 0);
    no_environment();
    forget(path);
}
