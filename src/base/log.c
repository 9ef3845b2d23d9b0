/* log.c - see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic int g_level = -1; /* -1: read GLIM_LOG at first use */

static const char *const names[] = {"error", "warn", "info", "debug"};

glim_log_level glim_log_get_level(void) {
    int l = atomic_load_explicit(&g_level, memory_order_relaxed);
    if (l < 0) {
        l = GLIM_WARN;
        const char *e = getenv("GLIM_LOG");
        for (int i = 0; e && i < 4; i++)
            if (strcmp(e, names[i]) == 0) l = i;
        atomic_store(&g_level, l);
    }
    return (glim_log_level)l;
}

void glim_log_set_level(glim_log_level level) { atomic_store(&g_level, (int)level); }

void glim_log(glim_log_level level, const char *module, const char *fmt, ...) {
    if (level > glim_log_get_level()) return;
    char line[1024];
    int n = snprintf(line, sizeof line, "%s %s ", names[level], module);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    size_t len = (size_t)n + (m < 0 ? 0 : (size_t)m);
    if (len > sizeof line - 2) len = sizeof line - 2;
    for (size_t i = 0; i < len; i++) /* names come from clients: a line is one line, and moves no terminal's cursor */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) line[i] = '?';
    line[len] = '\n';
    /* One write: lines of several threads do not mix. */
    ssize_t w = write(STDERR_FILENO, line, len + 1);
    (void)w;
}
