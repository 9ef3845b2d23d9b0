/* hub_internal.h - the parsers of hub.c, apart from the network, for tests and fuzzing. */
#ifndef GLIM_NET_HUB_INTERNAL_H
#define GLIM_NET_HUB_INTERNAL_H

#include "net/hub.h"

/* Adds the files of one page of /api/models/{repo}/tree/{rev} to r. */
glim_status glim_hub_parse_hf_tree(glim_hub_repo *r, const char *text, size_t len, glim_err *err);
/* Reads the commit out of /api/models/{repo}/revision/{rev}. */
glim_status glim_hub_parse_hf_commit(char commit[65], const char *text, size_t len, glim_err *err);
/* Adds the files of /api/v1/models/{repo}/repo/files to r. */
glim_status glim_hub_parse_ms_files(glim_hub_repo *r, const char *text, size_t len, glim_err *err);
/* Sorts the files, and refuses a path that is there twice or is also the folder of another. */
glim_status glim_hub_check_set(glim_hub_repo *r, glim_err *err);

#endif
