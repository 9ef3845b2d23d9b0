/* folder.c - see folder.h. */
#include "cli/folder.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

glim_status glim_cli_folder(glim_store **out, const char *dir, bool create, glim_err *err) {
    return glim_store_open(out, dir, &(glim_store_params){.role = GLIM_STORE_GUEST, .must_exist = !create}, err);
}

const char *glim_cli_actor(void) {
    static char actor[80];
    const struct passwd *p = getpwuid(getuid());
    if (p && p->pw_name) snprintf(actor, sizeof actor, "cli:%.64s", p->pw_name);
    else snprintf(actor, sizeof actor, "cli:%ld", (long)getuid());
    return actor;
}

static void list_subverbs(FILE *f, const char *verb, const char *what, const glim_subverb *subs, size_t n) {
    fprintf(f, "usage: glim %s VERB\n\n%s\n\n", verb, what);
    for (size_t i = 0; i < n; i++) fprintf(f, "  glim %s %-9s %s\n", verb, subs[i].name, subs[i].what);
    fprintf(f, "\n`glim %s VERB --help` shows a verb's flags.\n", verb);
}

int glim_cli_subverb(int argc, char **argv, const char *verb, const char *what, const glim_subverb *subs, size_t n,
                     int (*dflt)(int argc, char **argv)) {
    bool help = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (help && !dflt) {
        list_subverbs(stdout, verb, what, subs, n);
        return GLIM_EXIT_OK;
    }
    if (dflt && (argc < 2 || argv[1][0] == '-')) return dflt(argc, argv);
    if (argc < 2) {
        list_subverbs(stderr, verb, what, subs, n);
        return GLIM_EXIT_USAGE;
    }
    for (size_t i = 0; i < n; i++)
        if (strcmp(argv[1], subs[i].name) == 0) return subs[i].run(argc - 1, argv + 1);
    glim_err err;
    glim_fail(&err, GLIM_E_ARG, "glim %s has no verb \"%.40s\"", verb, argv[1]);
    glim_err_hint(&err, "`glim %s --help` lists them", verb);
    return glim_cli_error(&err);
}

glim_status glim_cli_put(glim_buf *b, glim_err *err) {
    glim_status rc = glim_buf_status(b, "the answer", err);
    if (rc == GLIM_OK && (fwrite(glim_buf_cstr(b), 1, b->len, stdout) != b->len || fflush(stdout) != 0))
        rc = glim_fail_errno(err, GLIM_E_IO, errno, "could not write to stdout");
    glim_buf_free(b);
    return rc;
}

glim_status glim_cli_put_json(json_t *v, glim_err *err) {
    if (!v) return glim_fail(err, GLIM_E_NOMEM, "out of memory");
    glim_buf b = {0};
    glim_json_dump_py(&b, v, -1, false);
    glim_buf_putc(&b, '\n');
    json_decref(v);
    return glim_cli_put(&b, err);
}

int glim_cli_end(glim_status rc, const glim_err *err) { return rc == GLIM_OK ? GLIM_EXIT_OK : glim_cli_error(err); }
