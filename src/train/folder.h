/* folder.h - the folder that a run writes to: one run at a time, and nothing in it that a killed one left half written. */
#ifndef GLIM_TRAIN_FOLDER_H
#define GLIM_TRAIN_FOLDER_H

#include <stdbool.h>

#include "base/err.h"

/* Makes the folder and holds it until glim_run_folder_release. resume: the folder is a run's already, so half-written files
 * ("NAME.tmp.PID") in it and in its folders are removed. Errors: GLIM_E_STATE (another process trains there), GLIM_E_IO. */
glim_status glim_run_folder_take(int *fd, const char *path, bool resume, glim_err *err);
void glim_run_folder_release(int fd); /* takes -1 */

#endif
