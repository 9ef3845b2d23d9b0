/* cmd_backup.c - glim backup and glim restore: the data folder copied while it is served, and brought back. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/folder.h"
#include "cli/progress.h"
#include "store/backup.h"
#include "store/days.h"

typedef struct shown {
    const char *label;
    glim_progress *bar;
} shown;

static bool show(void *ctx, uint64_t done, uint64_t total) {
    shown *v = ctx;
    if (!v->bar) v->bar = glim_progress_begin(v->label, total, GLIM_PROGRESS_BYTES);
    glim_progress_update(v->bar, done);
    return !glim_cli_interrupt_pending();
}

static glim_status told(const char *what, const glim_backup_result *r, const char *where, bool json, glim_err *err) {
    char bytes[32], created[32];
    if (json)
        return glim_cli_put_json(json_pack("{s:s, s:I, s:I, s:s}", what, where, "files", (json_int_t)r->n_files, "bytes", (json_int_t)r->bytes,
                                           "created", glim_time_text(created, r->created_us)), err);
    printf("%s %s: %" PRId64 " files, %s, of %s; checked\n", what, where, r->n_files, glim_human_bytes(bytes, sizeof bytes, (double)r->bytes),
           glim_time_text(created, r->created_us));
    return GLIM_OK;
}

int glim_cmd_backup(int argc, char **argv) {
    const char *data = NULL;
    bool json = false;
    const glim_flag own[] = {{"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0}, GLIM_DATA_FLAG(&data), {0}};
    const glim_page u = {"glim backup TO",
                          "Copies the data folder to TO, a new folder, or one file when TO ends in \".tar\": keys, ledger, jobs, files and the\n"
                          "event log, as they were at one moment, and checks the copy. Works while the folder is served.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_cli_catch_interrupt();
    glim_err err = {0};
    glim_store *s = NULL;
    glim_backup_result r;
    shown v = {.label = "backup"};
    glim_status rc = glim_cli_folder(&s, data, false, &err);
    if (rc == GLIM_OK) rc = glim_backup_write(s, pos.v[0], glim_cli_actor(), show, &v, &r, &err);
    glim_progress_end(v.bar);
    glim_store_close(s);
    if (rc == GLIM_OK) rc = told("backup", &r, pos.v[0], json, &err);
    return glim_cli_end(rc, &err);
}

int glim_cmd_restore(int argc, char **argv) {
    const char *data = NULL;
    bool json = false, check = false;
    const glim_flag own[] = {{"--check", NULL, GLIM_FLAG_BOOL, &check, NULL, "only check that it could be restored", 0, 0},
                             {"--json", NULL, GLIM_FLAG_BOOL, &json, NULL, "one JSON object on stdout", 0, 0},
                             GLIM_DATA_FLAG(&data),
                             {0}};
    const glim_page u = {"glim restore FROM",
                          "Makes a data folder from a backup (a folder or a .tar file). The folder must not exist yet: it is whole when it\n"
                          "gets its name, and every file in it was checked.", {own}};
    glim_str_list pos = {0};
    int code = glim_args(argc, argv, &u, &pos, 1, 1);
    if (code >= 0) return code;
    glim_cli_catch_interrupt();
    glim_err err = {0};
    glim_backup_result r;
    shown v = {.label = "restore"};
    glim_status rc = glim_backup_restore(pos.v[0], data, check, glim_cli_actor(), show, &v, &r, &err);
    glim_progress_end(v.bar);
    if (rc == GLIM_OK) rc = told(check ? "checked" : "restored", &r, pos.v[0], json, &err);
    return glim_cli_end(rc, &err);
}
