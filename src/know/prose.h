/* prose.h - what a row's sentences say of a word, as far as a table's reader may rely on it: that it is said, that it is denied, a time. */
#ifndef GLIM_KNOW_PROSE_H
#define GLIM_KNOW_PROSE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum glim_prose { GLIM_PROSE_SILENT, GLIM_PROSE_DENIES, GLIM_PROSE_SAYS } glim_prose;

/* Of a word without spaces around it, both folded. "不加味精", "no MSG", "nut-free" deny; one place that does not, and it is said. */
glim_prose glim_prose_of(const char *text, const char *word);
/* Is there a time of day in it, "6:30", "21点", "8 am"? */
bool glim_prose_has_time(const char *text);

#endif
