/* args.c - command lines: flags anywhere, "--name value" or "--name=value", "--" ends them. What they leave out may come
 * from the environment or a file (conf.c). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/conf.h"

static void print_help(const glim_page *u) {
    printf("usage: %s\n\n%s\n", u->synopsis, u->what);
    for (size_t t = 0; t < GLIM_COUNT(u->tables) && u->tables[t]; t++) {
        printf("\n");
        for (const glim_flag *f = u->tables[t]; f->name; f++) {
            char left[64];
            snprintf(left, sizeof left, "%s%s%s%s%s", f->brief ? f->brief : "", f->brief ? ", " : "    ", f->name,
                     f->arg ? " " : "", f->arg ? f->arg : "");
            printf("  %-28s %s\n", left, f->help);
        }
    }
}

static const glim_flag *find(const glim_page *u, const char *word, size_t len) {
    for (size_t t = 0; t < GLIM_COUNT(u->tables) && u->tables[t]; t++)
        for (const glim_flag *f = u->tables[t]; f->name; f++) {
            if (strlen(f->name) == len && memcmp(f->name, word, len) == 0) return f;
            if (f->brief && strlen(f->brief) == len && memcmp(f->brief, word, len) == 0) return f;
        }
    return NULL;
}

/* The flag that shares the most letters at its start with a mistyped one, or NULL. */
const char *glim_flag_nearest(const glim_page *u, const char *word) {
    const char *best = NULL;
    size_t best_len = 3; /* "--x" alone proves nothing */
    for (size_t t = 0; t < GLIM_COUNT(u->tables) && u->tables[t]; t++)
        for (const glim_flag *f = u->tables[t]; f->name; f++) {
            size_t k = 0;
            while (f->name[k] && f->name[k] == word[k]) k++;
            if (k > best_len) best_len = k, best = f->name;
        }
    return best;
}

static int wrong(const glim_page *u, const glim_err *err) {
    glim_cli_error(err);
    fprintf(stderr, "usage: %s  (--help shows the flags)\n", u->synopsis);
    return GLIM_EXIT_USAGE;
}

glim_status glim_flag_set(const glim_flag *f, const char *value, glim_err *err) {
    char *end;
    errno = 0;
    switch (f->kind) {
    case GLIM_FLAG_INT: {
        long long v = strtoll(value, &end, 10);
        if (end == value || *end || errno)
            return glim_fail(err, GLIM_E_ARG, "%s: got \"%s\", want a whole number", f->name, value);
        if ((f->lo || f->hi) && (v < f->lo || v > f->hi))
            return glim_fail(err, GLIM_E_ARG, "%s: got %lld, want %lld to %lld", f->name, v, (long long)f->lo,
                             (long long)f->hi);
        *(int64_t *)f->dst = v;
        return GLIM_OK;
    }
    case GLIM_FLAG_REAL: {
        double v = strtod(value, &end);
        if (end == value || *end || !isfinite(v))
            return glim_fail(err, GLIM_E_ARG, "%s: got \"%s\", want a number", f->name, value);
        *(double *)f->dst = v;
        return GLIM_OK;
    }
    case GLIM_FLAG_STR: *(const char **)f->dst = value; return GLIM_OK;
    case GLIM_FLAG_LIST: {
        glim_str_list *l = f->dst;
        if (l->n == GLIM_COUNT(l->v))
            return glim_fail(err, GLIM_E_ARG, "%s: given more than %zu times", f->name, GLIM_COUNT(l->v));
        l->v[l->n++] = value;
        return GLIM_OK;
    }
    default: return GLIM_OK;
    }
}

int glim_args(int argc, char **argv, const glim_page *u, glim_str_list *pos, size_t min_pos, size_t max_pos) {
    glim_err err;
    bool flags_end = false;
    const glim_flag *given[GLIM_FLAGS_MAX];
    size_t n_given = 0;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (flags_end || a[0] != '-' || a[1] == 0) {
            if (pos->n == max_pos) {
                glim_fail(&err, GLIM_E_ARG, "\"%s\" is one word too many", a);
                return wrong(u, &err);
            }
            pos->v[pos->n++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) {
            flags_end = true;
            continue;
        }
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            print_help(u);
            return GLIM_EXIT_OK;
        }
        const char *eq = a[1] == '-' ? strchr(a, '=') : NULL;
        const glim_flag *f = find(u, a, eq ? (size_t)(eq - a) : strlen(a));
        if (!f) {
            glim_fail(&err, GLIM_E_ARG, "there is no flag \"%s\"", a);
            const char *near = glim_flag_nearest(u, a);
            if (near) glim_err_hint(&err, "did you mean %s?", near);
            return wrong(u, &err);
        }
        if (n_given < GLIM_FLAGS_MAX) given[n_given++] = f;
        if (f->kind == GLIM_FLAG_BOOL) {
            if (eq) {
                glim_fail(&err, GLIM_E_ARG, "%s takes no value", f->name);
                return wrong(u, &err);
            }
            *(bool *)f->dst = true;
            continue;
        }
        if (!eq && i + 1 == argc) {
            glim_fail(&err, GLIM_E_ARG, "%s wants a value: %s %s", f->name, f->name, f->arg);
            return wrong(u, &err);
        }
        if (glim_flag_set(f, eq ? eq + 1 : argv[++i], &err) != GLIM_OK) return wrong(u, &err);
    }
    if (glim_conf_fill(u, given, n_given, &err) != GLIM_OK) return glim_cli_error(&err);
    if (pos->n < min_pos) {
        glim_fail(&err, GLIM_E_ARG, "%s: something is missing", argv[0]);
        return wrong(u, &err);
    }
    return -1;
}

bool glim_cli_color(int fd) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

int glim_cli_error(const glim_err *err) {
    bool color = glim_cli_color(STDERR_FILENO);
    fflush(stdout);
    fprintf(stderr, "%sglim:%s %s\n", color ? "\033[31m" : "", color ? "\033[0m" : "", err->msg);
    if (err->hint[0]) fprintf(stderr, "hint: %s\n", err->hint);
    switch (err->code) {
    case GLIM_OK: return GLIM_EXIT_OK;
    case GLIM_E_CANCELLED: return GLIM_EXIT_INTERRUPT;
    case GLIM_E_IO:
    case GLIM_E_NET:
    case GLIM_E_STATE: return GLIM_EXIT_FAIL;
    default: return GLIM_EXIT_USAGE;
    }
}

const char *glim_human_bytes(char *buf, size_t cap, double b) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t u = 0;
    while (b >= 1000 && u + 1 < GLIM_COUNT(unit)) b /= 1024, u++;
    snprintf(buf, cap, u == 0 || b >= 100 ? "%.0f %s" : b >= 10 ? "%.1f %s" : "%.2f %s", b, unit[u]);
    return buf;
}

const char *glim_human_count(char *buf, size_t cap, double n) {
    if (n >= 1e9) snprintf(buf, cap, "%.2f billion", n / 1e9);
    else if (n >= 1e6) snprintf(buf, cap, n >= 1e8 ? "%.0f million" : "%.1f million", n / 1e6);
    else snprintf(buf, cap, "%.0f", n);
    return buf;
}
