/* migrate.c - the schema, as the list of steps that lead to it.
 *
 * A step is never edited once it has been released: the next change is a new step at the end. Before each step of
 * an existing database a whole copy is written to DIR/before/store-v<N>.db and checked; a step is one transaction,
 * so a kill in the middle leaves the old version. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "store/store_internal.h"

/* 1: who may ask. Times are microseconds since 1970 (UTC); 0 means never. Budgets of -1 mean none. */
static const char v1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES('keys_epoch', 1), ('audit_count', 0), ('audit_bytes', 0), ('audit_head', '');"
    "CREATE TABLE tenants(id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL) STRICT;"
    "CREATE TABLE keys("
    "  id TEXT PRIMARY KEY,"
    "  tenant TEXT NOT NULL REFERENCES tenants(id),"
    "  name TEXT NOT NULL,"
    "  prefix TEXT NOT NULL UNIQUE," /* the part of the key that lists show */
    "  hash BLOB NOT NULL UNIQUE,"   /* SHA-256 of the whole key, which is 256 random bits: no salt needed */
    "  scopes INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    "  rpm INTEGER NOT NULL, tpm INTEGER NOT NULL,"
    "  token_budget INTEGER NOT NULL, money_budget INTEGER NOT NULL, period INTEGER NOT NULL) STRICT;"
    "CREATE INDEX keys_by_tenant ON keys(tenant);"
    /* Key caches look at this number instead of reading every key after every commit. */
    "CREATE TRIGGER keys_new AFTER INSERT ON keys BEGIN UPDATE meta SET value = value + 1 WHERE name = 'keys_epoch'; END;"
    "CREATE TRIGGER keys_set AFTER UPDATE ON keys BEGIN UPDATE meta SET value = value + 1 WHERE name = 'keys_epoch'; END;"
    "CREATE TRIGGER keys_del AFTER DELETE ON keys BEGIN UPDATE meta SET value = value + 1 WHERE name = 'keys_epoch'; END;"
    "CREATE TABLE outbox("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,"
    "  object TEXT NOT NULL, tenant TEXT NOT NULL, detail TEXT NOT NULL) STRICT;";

/* 2: what it costs. The key "local" is that of a server that asks for none; its hash matches nothing. */
static const char v2[] =
    "INSERT INTO meta VALUES('currency', 'CNY');"
    "CREATE TABLE prices("
    "  id INTEGER PRIMARY KEY, model TEXT NOT NULL, valid_from INTEGER NOT NULL, input INTEGER NOT NULL,"
    "  cached INTEGER NOT NULL, output INTEGER NOT NULL, UNIQUE(model, valid_from)) STRICT;"
    "CREATE TABLE usage("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* never given twice: progress.map names rows by it */
    "  request TEXT NOT NULL, key TEXT NOT NULL REFERENCES keys(id), tenant TEXT NOT NULL REFERENCES tenants(id),"
    "  model TEXT NOT NULL,"
    "  state INTEGER NOT NULL," /* glim_outcome */
    "  started INTEGER NOT NULL, ended INTEGER NOT NULL, day INTEGER NOT NULL," /* days since 1970, of the start */
    "  price_in INTEGER NOT NULL, price_cached INTEGER NOT NULL, price_out INTEGER NOT NULL,"
    "  reserved_prompt INTEGER NOT NULL, reserved_completion INTEGER NOT NULL, reserved_cost INTEGER NOT NULL,"
    "  prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL, reasoning INTEGER NOT NULL,"
    "  cost INTEGER NOT NULL) STRICT;"
    "CREATE INDEX usage_open ON usage(key) WHERE state = 0;"
    "CREATE INDEX usage_by_day ON usage(tenant, day);"
    "CREATE TABLE key_days("
    "  key TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL,"
    "  completion INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, PRIMARY KEY(key, day)) STRICT, WITHOUT ROWID;"
    "INSERT INTO tenants VALUES('local', 'local', 0);"
    "INSERT INTO keys VALUES('local', 'local', 'without a key', '', zeroblob(32), 1, 0, 0, 0, 0, 0, -1, -1, 0);";

/* 3: files by content, and work that waits. seq orders pages of lists; `once` is a client's Idempotency-Key. */
static const char v3[] =
    "CREATE TABLE blobs(hash TEXT PRIMARY KEY, bytes INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE files("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL REFERENCES tenants(id),"
    "  name TEXT NOT NULL, purpose TEXT NOT NULL, hash TEXT NOT NULL REFERENCES blobs(hash), created INTEGER NOT NULL,"
    "  once TEXT, UNIQUE(tenant, once)) STRICT;"
    "CREATE INDEX files_by_hash ON files(hash);"
    "CREATE INDEX files_by_tenant ON files(tenant, seq);"
    "CREATE TABLE jobs("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL REFERENCES tenants(id),"
    "  key TEXT NOT NULL, kind TEXT NOT NULL,"
    "  state INTEGER NOT NULL, wish INTEGER NOT NULL," /* glim_job_state, glim_job_wish */
    "  attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL,"
    "  spec TEXT NOT NULL, progress TEXT NOT NULL, result TEXT NOT NULL, error TEXT NOT NULL,"
    "  once TEXT, UNIQUE(tenant, once)) STRICT;"
    "CREATE INDEX jobs_by_state ON jobs(state, seq);"
    "CREATE INDEX jobs_by_tenant ON jobs(tenant, seq);"
    "CREATE TABLE job_events("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES jobs(id), time INTEGER NOT NULL,"
    "  level TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL) STRICT;"
    "CREATE INDEX job_events_by_job ON job_events(job, id);";

/* 4: what training has spent of the privacy of data sets (train/dp_ledger.h). Real numbers are text of 17 digits. */
static const char v4[] =
    "CREATE TABLE dp_sets("
    "  id TEXT PRIMARY KEY, epsilon TEXT NOT NULL, delta TEXT NOT NULL,"
    "  mark INTEGER NOT NULL," /* rises with every change of the budget or of what is reserved */
    "  created INTEGER NOT NULL) STRICT;"
    "CREATE TABLE dp_runs("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, data_set TEXT NOT NULL REFERENCES dp_sets(id), run TEXT NOT NULL UNIQUE,"
    "  q TEXT NOT NULL, sigma TEXT NOT NULL, reserved INTEGER NOT NULL, charged INTEGER NOT NULL, open INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, ended INTEGER NOT NULL, CHECK(charged >= 0 AND charged <= reserved)) STRICT;"
    "CREATE INDEX dp_runs_by_set ON dp_runs(data_set);";

/* 5: what jobs made that can be served (tuned.h). config and weights: ids of files, '' where there are none. */
static const char v5[] =
    "CREATE TABLE tuned("
    "  name TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants(id), job TEXT NOT NULL REFERENCES jobs(id),"
    "  base TEXT NOT NULL, folder TEXT NOT NULL," /* below the data folder */
    "  config TEXT NOT NULL, weights TEXT NOT NULL, created INTEGER NOT NULL) STRICT;"
    "CREATE INDEX tuned_by_job ON tuned(job);";

static const char *const steps[] = {v1, v2, v3, v4, v5};

int glim_store_version(void) { return (int)GLIM_COUNT(steps); }

glim_status glim_store_db_version(glim_db *db, int64_t *v, glim_err *err) {
    return glim_db_int(db, v, 0, err, "PRAGMA user_version", "");
}

/* A whole copy of what db shows now, in a new file beside it that is renamed when it is complete. */
static glim_status copy_before(glim_db *db, const char *dir, int64_t version, glim_err *err) {
    char name[64], tmp[64];
    snprintf(name, sizeof name, "store-v%lld.db", (long long)version);
    snprintf(tmp, sizeof tmp, "store-v%lld.db.tmp", (long long)version);
    char *folder = glim_path_join(dir, "before"), *to = glim_path_join(folder, name), *part = glim_path_join(folder, tmp);
    glim_status rc = glim_mkdirs(folder, err);
    if (rc == GLIM_OK) {
        unlink(part);
        rc = glim_db_copy(db, part, err);
    }
    if (rc == GLIM_OK && rename(part, to) != 0) rc = glim_fail(err, GLIM_E_IO, "could not name \"%s\"", to);
    if (rc == GLIM_OK) rc = glim_store_sync_dir(folder, err);
    if (rc != GLIM_OK) glim_err_context(err, "could not copy the data before migrating it");
    free(folder);
    free(to);
    free(part);
    return rc;
}

glim_status glim_store_migrate(glim_db *db, const char *dir, int upto, glim_err *err) {
    int64_t v;
    glim_status rc = glim_store_db_version(db, &v, err);
    while (rc == GLIM_OK && v < upto) {
        if (v > 0) rc = copy_before(db, dir, v, err);
        if (rc == GLIM_OK) rc = glim_db_exec(db, "BEGIN EXCLUSIVE", err);
        if (rc != GLIM_OK) return rc;
        char pragma[128];
        snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", 0x476c696d, (int)v + 1);
        rc = glim_db_exec(db, steps[v], err);
        if (rc == GLIM_OK) rc = glim_db_exec(db, pragma, err);
        if (rc != GLIM_OK) {
            glim_err_context(err, "could not migrate the data from version %d to %d", (int)v, (int)v + 1);
            (void)glim_db_exec(db, "ROLLBACK", NULL);
            return rc;
        }
        v++;
    }
    return rc;
}
