/* folder.h - what the verbs of the data folder share: opening it, who acts, writing the answer. */
#ifndef GLIM_CLI_FOLDER_H
#define GLIM_CLI_FOLDER_H

#include "base/buf.h"
#include "base/json.h"
#include "cli/cli.h"
#include "store/store.h"

#define GLIM_DATA_FLAG(dst) \
    {"--data", NULL, GLIM_FLAG_STR, dst, "DIR", "the data folder (default: $XDG_DATA_HOME/glim)", 0, 0}

/* As a guest: beside a running server. create: make the folder if it is not there. */
glim_status glim_cli_folder(glim_store **out, const char *dir, bool create, glim_err *err);
/* "cli:" and the user's name, for the audit log; valid until the program ends. */
const char *glim_cli_actor(void);

/* Verbs under a verb: `glim key create`. */
typedef struct glim_subverb {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} glim_subverb;
/* Runs the one that argv[1] names, or says which there are. dflt (may be NULL) runs when argv[1] is a flag or missing. */
int glim_cli_subverb(int argc, char **argv, const char *verb, const char *what, const glim_subverb *subs, size_t n,
                     int (*dflt)(int argc, char **argv));

/* Writes text and frees it; v's reference is taken. */
glim_status glim_cli_put(glim_buf *b, glim_err *err);
glim_status glim_cli_put_json(json_t *v, glim_err *err);
/* Exit code of a command: 0, or the error told. */
int glim_cli_end(glim_status rc, const glim_err *err);

#endif
