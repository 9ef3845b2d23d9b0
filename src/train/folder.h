/* folder.h - the folder that a run writes to: one run at a time, nothing in it that a killed one left half written, and no trace of a
 * run that never began. */
#ifndef GLIM_TRAIN_FOLDER_H
#define GLIM_TRAIN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct glim_run_folder { /* {0}: none is held */
    char *path;  /* NULL: none */
    size_t kept; /* bytes of path that were there before: the folders behind them were made by take */
    int fd;
} glim_run_folder;

/* Makes the folder and holds it until glim_run_folder_release. resume: the folder is a run's already, so half-written files
 * ("NAME.tmp.PID") in it and in its folders are removed. Errors: GLIM_E_STATE (another process trains there), GLIM_E_IO; nothing
 * is held then, and what was made is gone. */
glim_status glim_run_folder_take(glim_run_folder *f, const char *path, bool resume, glim_err *err);
/* began false: the folders that take made go again, as far as nothing is in them. Takes {0}, and leaves it. */
void glim_run_folder_release(glim_run_folder *f, bool began);

#endif
