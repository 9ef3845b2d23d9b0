/* days.h - days and months of the UTC calendar, as the ledger counts them: days since 1970-01-01. */
#ifndef GLIM_STORE_DAYS_H
#define GLIM_STORE_DAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

void glim_day_civil(int64_t day, int64_t *year, int *month, int *mday);
int64_t glim_day_of(int64_t year, int month, int mday);
/* "2026-03-01" into buf (16 bytes), which is returned. */
const char *glim_day_text(char buf[16], int64_t day);
/* "2026-03-01" or "2026-03" (its first day; *is_month). Years 1970 to 9999. Errors: GLIM_E_ARG. */
glim_status glim_day_parse(int64_t *day, bool *is_month, const char *text, const char *what, glim_err *err);
/* The first day of the month after the one that holds `day`. */
int64_t glim_day_next_month(int64_t day);
/* "2026-03-01T12:00:00Z" into buf (32 bytes), which is returned. */
const char *glim_time_text(char buf[32], int64_t time_us);

#endif
