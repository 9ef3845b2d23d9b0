/* conf.c - see conf.h. */
#include "cli/conf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8.h"

void glim_conf_free(glim_conf *c) {
    free(c->path);
    free(c->text);
    free(c->lines);
    *c = (glim_conf){0};
}

const char *glim_conf_get(const glim_conf *c, const char *name) {
    const char *v = NULL;
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->lines[i].name, name) == 0) v = c->lines[i].value;
    return v;
}

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static char *trim(char *s, char *end) {
    while (s < end && blank(*s)) s++;
    while (end > s && blank(end[-1])) end--;
    *end = 0;
    return s;
}

static glim_status parse_line(glim_conf *c, char *s, char *end, int line, glim_err *err) {
    char *eq = memchr(s, '=', (size_t)(end - s));
    char *name = trim(s, eq ? eq : end);
    if (!eq) return *name == 0 || *name == '#' ? GLIM_OK : glim_fail(err, GLIM_E_FORMAT, "\"%s\" line %d: want NAME = VALUE, got \"%.60s\"", c->path, line, name);
    if (*name == '#') return GLIM_OK;
    char *value = trim(eq + 1, end);
    size_t n = strlen(name);
    if (strncmp(name, "--", 2) == 0)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\" line %d: names stand without dashes: %.60s = ...", c->path, line, name + 2);
    if (n == 0 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        return glim_fail(err, GLIM_E_FORMAT, "\"%s\" line %d: \"%.60s\" is not a name", c->path, line, name);
    if (*value == 0) return glim_fail(err, GLIM_E_FORMAT, "\"%s\" line %d: \"%.60s\" has no value", c->path, line, name);
    if (c->n == GLIM_CONF_LINES) return glim_fail(err, GLIM_E_LIMIT, "\"%s\" line %d: more than %d settings", c->path, line, GLIM_CONF_LINES);
    c->lines[c->n++] = (glim_conf_line){name, value, line};
    return GLIM_OK;
}

glim_status glim_conf_parse(glim_conf *out, const char *path, const char *text, size_t n, glim_err *err) {
    glim_conf c = {.path = glim_xstrdup(path)};
    glim_status rc = GLIM_OK;
    if (n > GLIM_CONF_BYTES) rc = glim_fail(err, GLIM_E_LIMIT, "\"%s\" has %zu bytes, want at most %d", path, n, GLIM_CONF_BYTES);
    else if (memchr(text, 0, n) || !glim_utf8_valid(text, n)) rc = glim_fail(err, GLIM_E_FORMAT, "\"%s\" is not UTF-8 text", path);
    if (rc == GLIM_OK) {
        c.text = glim_xmalloc(n + 1);
        memcpy(c.text, text, n);
        c.text[n] = 0;
        c.lines = glim_xcalloc(GLIM_CONF_LINES, sizeof *c.lines);
    }
    char *at = c.text, *end = at ? at + n : NULL;
    for (int line = 1; rc == GLIM_OK && at < end; line++) {
        char *nl = memchr(at, '\n', (size_t)(end - at));
        if (!nl) nl = end;
        rc = parse_line(&c, at, nl, line, err);
        at = nl + 1;
    }
    if (rc != GLIM_OK) glim_conf_free(&c);
    *out = c;
    return rc;
}

glim_status glim_conf_read(glim_conf *out, const char *path, glim_err *err) {
    glim_buf b = {0};
    *out = (glim_conf){0};
    glim_status rc = glim_file_read(&b, path, GLIM_CONF_BYTES, err);
    if (rc == GLIM_OK) rc = glim_conf_parse(out, path, glim_buf_cstr(&b), b.len, err);
    glim_buf_free(&b);
    return rc;
}

/* ---- filling flags ---- */

/* What flags point to: kept for the life of the program. */
static glim_conf g_conf;
static glim_arena g_words;

static const glim_flag *flag_named(const glim_page *u, const char *name) {
    for (size_t t = 0; t < GLIM_COUNT(u->tables) && u->tables[t]; t++)
        for (const glim_flag *f = u->tables[t]; f->name; f++)
            if (strcmp(f->name + 2, name) == 0) return f;
    return NULL;
}

/* The flag that takes the setting "data", the data folder: --data, but --store where --data means rows (glim tune). */
static const glim_flag *folder_flag(const glim_page *u) {
    const glim_flag *f = flag_named(u, "store");
    return f ? f : flag_named(u, "data");
}

static bool among(const glim_flag *f, const glim_flag *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == f) return true;
    return false;
}

static glim_status fill_bool(const glim_flag *f, const char *value, glim_err *err) {
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < GLIM_COUNT(yes); i++) {
        if (strcmp(value, yes[i]) == 0) return *(bool *)f->dst = true, GLIM_OK;
        if (strcmp(value, no[i]) == 0) return *(bool *)f->dst = false, GLIM_OK;
    }
    return glim_fail(err, GLIM_E_ARG, "%s: got \"%.60s\", want yes or no", f->name, value);
}

static glim_status fill(const glim_flag *f, const char *value, glim_err *err) {
    return f->kind == GLIM_FLAG_BOOL ? fill_bool(f, value, err) : glim_flag_set(f, value, err);
}

/* GLIM_MAX_BODY for max-body. */
static const char *from_env(const char *setting, char name[64]) {
    size_t n = (size_t)snprintf(name, 64, "GLIM_%s", setting);
    for (size_t i = 0; i < n && i < 63; i++) name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static glim_status fill_env(const glim_flag *f, const char *value, glim_err *err) {
    if (f->kind != GLIM_FLAG_LIST) return fill(f, value, err);
    for (const char *at = value + strspn(value, " "); *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        const char *word = glim_arena_strndup(&g_words, at, n);
        glim_status rc = word ? fill(f, word, err) : glim_fail(err, GLIM_E_NOMEM, "no memory for %s", f->name);
        if (rc != GLIM_OK) return rc;
        at += n;
    }
    return GLIM_OK;
}

/* The file to read: named, or one of the usual ones if it is there. Heap or NULL. */
static char *find_file(const glim_page *u) {
    const glim_flag *f = flag_named(u, "config");
    const char *named = f ? *(const char **)f->dst : NULL, *env = getenv("GLIM_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (named) return glim_xstrdup(named);
    if (env) return *env ? glim_xstrdup(env) : NULL;
    char *dir = xdg && *xdg == '/' ? glim_xstrdup(xdg) : home && *home == '/' ? glim_path_join(home, ".config") : NULL;
    char *path = dir ? glim_path_join(dir, "glim/glim.conf") : NULL;
    free(dir);
    if (path && glim_path_exists(path)) return path;
    free(path);
    return glim_path_exists("/etc/glim/glim.conf") ? glim_xstrdup("/etc/glim/glim.conf") : NULL;
}

static glim_status unknown(const glim_page *u, const glim_conf_line *l, glim_err *err) {
    glim_fail(err, GLIM_E_ARG, "\"%s\" line %d: there is no setting \"%.60s\"", g_conf.path, l->line, l->name);
    char word[64];
    snprintf(word, sizeof word, "--%.60s", l->name);
    const char *near = glim_flag_nearest(u, word);
    if (near) glim_err_hint(err, "did you mean \"%s\"?", near + 2);
    return GLIM_E_ARG;
}

/* strict: every name must be one of the page's. */
static glim_status fill_file(const glim_page *u, bool strict, const glim_flag *const *done, size_t n_done, glim_err *err) {
    for (size_t i = 0; i < g_conf.n; i++) {
        const glim_conf_line *l = &g_conf.lines[i];
        const glim_flag *f = strcmp(l->name, "data") == 0 ? folder_flag(u) : strict ? flag_named(u, l->name) : NULL;
        if (!f || strcmp(l->name, "config") == 0) {
            if (strict) return unknown(u, l, err);
            continue;
        }
        for (size_t k = 0; k < i && f->kind != GLIM_FLAG_LIST; k++)
            if (strcmp(g_conf.lines[k].name, l->name) == 0)
                return glim_fail(err, GLIM_E_ARG, "\"%s\" line %d: \"%s\" was set in line %d already", g_conf.path, l->line, l->name, g_conf.lines[k].line);
        if (among(f, done, n_done)) continue;
        glim_status rc = fill(f, l->value, err);
        if (rc != GLIM_OK) return glim_err_context(err, "\"%s\" line %d", g_conf.path, l->line), rc;
    }
    return GLIM_OK;
}

glim_status glim_conf_fill(const glim_page *u, const glim_flag *const *given, size_t n_given, glim_err *err) {
    const glim_flag *done[GLIM_FLAGS_MAX];
    size_t n_done = n_given;
    const glim_flag *folder = folder_flag(u);
    bool strict = flag_named(u, "config") != NULL;
    if (!strict && !folder) return GLIM_OK;
    if (n_given) memcpy(done, given, n_given * sizeof *given);
    for (size_t t = 0; t < GLIM_COUNT(u->tables) && u->tables[t]; t++)
        for (const glim_flag *f = u->tables[t]; f->name; f++) {
            char name[64];
            const char *v = f == folder ? from_env("data", name) : strict ? from_env(f->name + 2, name) : NULL;
            if (!v || among(f, done, n_done) || strcmp(f->name, "--config") == 0 || n_done == GLIM_FLAGS_MAX) continue;
            glim_status rc = fill_env(f, v, err);
            if (rc != GLIM_OK) return glim_err_context(err, "%s", name), rc;
            done[n_done++] = f;
        }
    glim_conf_free(&g_conf);
    char *path = find_file(u);
    if (!path) return GLIM_OK;
    glim_status rc = glim_conf_read(&g_conf, path, err);
    if (rc == GLIM_OK) rc = fill_file(u, strict, done, n_done, err);
    free(path);
    return rc;
}
