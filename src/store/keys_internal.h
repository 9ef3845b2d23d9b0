/* keys_internal.h - rows and hashes of keys, shared by keys.c, keyring.c and ledger.c. */
#ifndef GLIM_STORE_KEYS_INTERNAL_H
#define GLIM_STORE_KEYS_INTERNAL_H

#include <nettle/sha2.h>

#include "store/keys.h"

/* In the order glim_key_from_row reads. */
#define GLIM_KEY_COLUMNS \
    "id, tenant, name, prefix, scopes, created, expires, revoked, rpm, tpm, token_budget, money_budget, period"
void glim_key_from_row(glim_key *k, glim_db_row *r);
void glim_key_hash(uint8_t out[32], const char *token, size_t len);
/* Inside a change: makes the tenant if it is not there. */
glim_status glim_tenant_ensure(glim_db *db, const char *id, int64_t now_us, const char *actor, glim_err *err);

#endif
