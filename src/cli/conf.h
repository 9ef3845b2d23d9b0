/* conf.h - flags from elsewhere: the environment and glim.conf.
 *
 * A command line wins over the environment, which wins over the file. A command whose page has --config takes every
 * long flag from there; every other command takes --data only, so that `glim key` finds the folder of the server.
 *
 *   environment  GLIM_ and the flag in capitals, '-' as '_': GLIM_ANY_MODEL=yes. Several values: separated by spaces
 *   file         name = value, one a line, names are the long flags without "--"; '#' begins a line of comment; a flag
 *                that may be given several times may be there several times; --config FILE, else GLIM_CONFIG ("" is
 *                none), else $XDG_CONFIG_HOME/glim/glim.conf, else /etc/glim/glim.conf
 *
 * Unknown names, values that do not fit and names given twice are errors with file and line. */
#ifndef GLIM_CLI_CONF_H
#define GLIM_CLI_CONF_H

#include "cli/cli.h"

enum { GLIM_CONF_BYTES = 1 << 20, GLIM_CONF_LINES = 4096 };

typedef struct glim_conf_line {
    const char *name, *value; /* point into text */
    int line;                 /* from 1 */
} glim_conf_line;

typedef struct glim_conf {
    char *path, *text; /* heap */
    glim_conf_line *lines;
    size_t n;
} glim_conf;

/* text [n] is copied; path is for messages. Errors: GLIM_E_FORMAT with path and line, GLIM_E_LIMIT. */
glim_status glim_conf_parse(glim_conf *out, const char *path, const char *text, size_t n, glim_err *err);
glim_status glim_conf_read(glim_conf *out, const char *path, glim_err *err);
void glim_conf_free(glim_conf *c); /* takes {0} */
/* The value of a name, the last one; NULL: not there. */
const char *glim_conf_get(const glim_conf *c, const char *name);

/* Fills the flags of a page that the command line did not give: all of a page with --config, of others only the data folder's (--data, or --store
 * where --data means rows). What the flags point to stays until the program ends. */
glim_status glim_conf_fill(const glim_page *u, const glim_flag *const *given, size_t n_given, glim_err *err);

#endif
