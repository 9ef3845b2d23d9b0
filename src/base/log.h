/* log.h - stdout is the answer, stderr is the log: level, module, key=value.
 * Prompts and completions never go through here. GLIM_LOG=error|warn|info|debug sets the level
 * (default warn); any thread may log, a line is written whole. */
#ifndef GLIM_BASE_LOG_H
#define GLIM_BASE_LOG_H

typedef enum glim_log_level { GLIM_ERROR, GLIM_WARN, GLIM_INFO, GLIM_DEBUG } glim_log_level;

void glim_log_set_level(glim_log_level level);
glim_log_level glim_log_get_level(void);
void glim_log(glim_log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
