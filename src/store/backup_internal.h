/* backup_internal.h - names in a backup, shared by backup.c and restore.c. */
#ifndef GLIM_STORE_BACKUP_INTERNAL_H
#define GLIM_STORE_BACKUP_INTERNAL_H

#include "store/backup.h"

enum { GLIM_BACKUP_VERSION = 1, GLIM_BACKUP_MANIFEST = 256 << 20 /* most bytes of MANIFEST.json */ };

/* Is this the path of something that a backup holds? Nothing else is ever created from one. */
bool glim_backup_path_ok(const char *path);
/* Removes a folder of ours with everything in it. */
void glim_backup_remove(const char *dir);
bool glim_backup_is_tar(const char *name);

#endif
