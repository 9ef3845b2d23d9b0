/* hub.c - two hub layouts read into one list of files.
 *
 * Owns       URLs of both hubs, their JSON, the meaning of their refusals, checks of what they name.
 * Leaves     requests to http.c, the choice of files to hub_choose.c.
 * Invariant  every path in a glim_hub_repo is safe to create under a folder (glim_hub_path_ok), unique,
 *            and never the beginning of another path.
 *
 * Hugging Face  /api/models/{repo}/revision/{rev}           -> {"sha": commit}
 *               /api/models/{repo}/tree/{commit}?recursive  -> [{type, path, size, oid, lfs: {oid}}], paged
 *               /{repo}/resolve/{commit}/{path}             -> the bytes, or a redirect to them
 * ModelScope    /api/v1/models/{repo}/repo/files?Revision=&Recursive=true -> {Data: {Files: [...]}}
 *               /api/v1/models/{repo}/repo?Revision=&FilePath=            -> the bytes                     */
#include "net/hub.h"

#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "net/http_internal.h"
#include "net/hub_internal.h"

enum { PAGES_MAX = 2000 };
#define PAGE_BYTES ((size_t)32 << 20)

static const char *hub_name(glim_hub_kind k) { return k == GLIM_HUB_HF ? "Hugging Face" : "ModelScope"; }

/* ---- names that come from outside ---- */

bool glim_hub_path_ok(const char *path, size_t len) {
    if (len == 0 || len > GLIM_HUB_PATH_MAX || path[0] == '/' || !glim_utf8_valid(path, len)) return false;
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/') {
            unsigned char c = (unsigned char)path[i];
            if (c < 0x20 || c == 0x7f || c == '\\') return false;
            continue;
        }
        size_t n = i - start;
        const char *s = path + start;
        /* 240, not 255: ".part.json" must fit behind it. */
        if (n == 0 || n > 240 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        start = i + 1;
    }
    return true;
}

static glim_status check_repo_name(const char *name, glim_err *err) {
    size_t n_slash = 0, part = 0;
    bool ok = name[0] != 0;
    for (const char *p = name; ok; p++) {
        if (*p == '/' || *p == 0) {
            ok = part > 0 && part <= 96 && p[-1] != '.';
            part = 0;
            if (*p == 0) break;
            n_slash++;
            continue;
        }
        ok = isalnum((unsigned char)*p) || (part > 0 && strchr("._-", *p)) || *p == '_';
        part++;
    }
    if (ok && n_slash <= 1 && !strstr(name, "..")) return GLIM_OK;
    glim_fail(err, GLIM_E_ARG, "\"%s\" is not the name of a repository, want ORG/NAME", name);
    glim_err_hint(err, "for example zai-org/GLM-4-9B-0414");
    return GLIM_E_ARG;
}

static glim_status check_revision(const char *rev, glim_err *err) {
    size_t n = strlen(rev);
    bool ok = n > 0 && n <= 200 && rev[0] != '-' && rev[0] != '/' && !strstr(rev, "..");
    for (size_t i = 0; ok && i < n; i++) ok = isalnum((unsigned char)rev[i]) || strchr("._-/+", rev[i]);
    if (ok) return GLIM_OK;
    return glim_fail(err, GLIM_E_ARG, "\"%s\" is not a revision, want a branch, tag or commit", rev);
}

char *glim_hub_token(glim_hub_kind kind) {
    const char *env = getenv(kind == GLIM_HUB_HF ? "HF_TOKEN" : "MODELSCOPE_API_TOKEN");
    glim_buf b = {0};
    if (env && *env) glim_buf_puts(&b, env);
    else if (kind == GLIM_HUB_HF) {
        const char *file = getenv("HF_TOKEN_PATH"), *hf_home = getenv("HF_HOME"),
                   *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
        char *path = NULL;
        if (file && *file) path = glim_xstrdup(file);
        else if (hf_home && *hf_home) path = glim_path_join(hf_home, "token");
        else if (xdg && *xdg) path = glim_path_join(xdg, "huggingface/token");
        else if (home && *home) path = glim_path_join(home, ".cache/huggingface/token");
        if (path && glim_file_read(&b, path, 4096, NULL) != GLIM_OK) glim_buf_clear(&b);
        free(path);
    }
    const char *s = glim_buf_cstr(&b);
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1])) n--;
    while (n > 0 && isspace((unsigned char)*s)) s++, n--;
    char *token = NULL;
    if (n > 0) {
        token = glim_xmalloc(n + 1);
        memcpy(token, s, n);
        token[n] = 0;
    }
    glim_buf_free(&b);
    return token;
}

/* ---- refusals ---- */

glim_status glim_hub_explain(glim_hub_kind kind, const char *endpoint, const char *name,
                             const char *revision, bool had_token, long status, const char *error_code,
                             glim_err *err) {
    if (!err) return GLIM_E_NET;
    const char *hub = hub_name(kind), *var = kind == GLIM_HUB_HF ? "HF_TOKEN" : "MODELSCOPE_API_TOKEN";
    const char *page = kind == GLIM_HUB_HF ? "" : "/models";
    bool gated = strcasecmp(error_code, "GatedRepo") == 0;
    bool no_revision = strcasecmp(error_code, "RevisionNotFound") == 0;
    bool no_repo = strcasecmp(error_code, "RepoNotFound") == 0;
    if (gated || (status == 403 && !no_repo)) {
        glim_fail(err, GLIM_E_NET, "%s refuses \"%s\": %s (status %ld)", hub, name,
                  had_token ? "your account has not been granted access"
                            : "its licence must be accepted by a signed-in account",
                  status);
        glim_err_hint(err, "accept the licence at %s%s/%s, then set %s to a read token of that account", endpoint,
                      page, name, var);
        return GLIM_E_NET;
    }
    switch (status) {
    case 401:
        if (had_token && !no_repo) {
            glim_fail(err, GLIM_E_NET, "%s refuses the access token (status 401)", hub);
            glim_err_hint(err, "%s; %s takes precedence over a token file",
                          kind == GLIM_HUB_HF ? "make a new one at https://huggingface.co/settings/tokens"
                                              : "make a new one at https://modelscope.cn/my/myaccesstoken",
                          var);
            return GLIM_E_NET;
        }
        glim_fail(err, GLIM_E_NOT_FOUND, "%s has no public repository \"%s\" (status 401)", hub, name);
        if (had_token) glim_err_hint(err, "check the name, and that your token's account may see it");
        else glim_err_hint(err, "check the name; if it is private or gated, set %s to a read token", var);
        return GLIM_E_NOT_FOUND;
    case 404:
        if (no_revision)
            glim_fail(err, GLIM_E_NOT_FOUND, "\"%s\" on %s has no revision \"%s\"", name, hub, revision);
        else if (no_repo || kind == GLIM_HUB_MODELSCOPE)
            glim_fail(err, GLIM_E_NOT_FOUND, "%s has no repository \"%s\"%s%s%s (status 404)", hub, name,
                      no_repo ? "" : " with revision \"", no_repo ? "" : revision, no_repo ? "" : "\"");
        else if (strcasecmp(error_code, "EntryNotFound") == 0)
            glim_err_context(err, "\"%s\" at %.12s lacks a file that its listing names", name, revision);
        else
            glim_fail(err, GLIM_E_NOT_FOUND, "%s at %s has no repository \"%s\" with revision \"%s\" (status 404)",
                      hub, endpoint, name, revision);
        glim_err_hint(err, "check the name and the revision at %s%s/%s", endpoint, page, name);
        return err->code;
    case 407:
        glim_err_hint(err, "put the proxy's user name and password into https_proxy");
        return err->code;
    case 429:
        if (!had_token && !err->hint[0])
            glim_err_hint(err, "wait some minutes, or set %s: signed-in accounts may ask more often", var);
        return err->code;
    case 451:
        glim_err_hint(err, "try a mirror: %s",
                      kind == GLIM_HUB_HF ? "--from modelscope, or HF_ENDPOINT" : "--from hf");
        return err->code;
    default:
        return err->code;
    }
}

/* ---- listings ---- */

static glim_status add_file(glim_hub_repo *r, size_t *cap, const json_t *path, const char *key, uint64_t size,
                            const char *sha256, const char *pin, glim_err *err) {
    if (!json_is_string(path))
        return glim_fail(err, GLIM_E_FORMAT, "file %zu: \"%s\" is %s, want a string", r->n_files, key,
                         glim_json_type_name(path));
    const char *s = json_string_value(path);
    size_t len = json_string_length(path);
    if (!glim_hub_path_ok(s, len)) {
        char shown[160];
        size_t n = len < sizeof shown - 1 ? len : sizeof shown - 1;
        for (size_t i = 0; i < n; i++) shown[i] = s[i] ? s[i] : '?';
        shown[n] = 0;
        return glim_fail(err, GLIM_E_FORMAT,
                         "file %zu has the path \"%s\"%s, which Glim will not write: want a plain relative path",
                         r->n_files, shown, len > n ? "..." : "");
    }
    if (r->n_files >= GLIM_HUB_FILES_MAX)
        return glim_fail(err, GLIM_E_LIMIT, "the repository has more than %d files", GLIM_HUB_FILES_MAX);
    if (r->n_files == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        void *p = r->files;
        glim_status rc = glim_try_realloc(&p, more, sizeof *r->files, "a list of files", err);
        if (rc != GLIM_OK) return rc;
        r->files = p;
        *cap = more;
    }
    glim_hub_file *f = &r->files[r->n_files++];
    *f = (glim_hub_file){.path = glim_xstrdup(s), .size = size};
    if (sha256 && !glim_sha256_parse(sha256, f->sha256)) f->sha256[0] = 0;
    if (pin && strlen(pin) < sizeof f->pin) memcpy(f->pin, pin, strlen(pin) + 1);

    glim_buf url = {0};
    glim_buf_puts(&url, r->endpoint);
    if (r->kind == GLIM_HUB_HF) {
        glim_buf_printf(&url, "/%s/resolve/", r->name);
        glim_http_put_escaped(&url, r->commit[0] ? r->commit : r->revision, false);
        glim_buf_putc(&url, '/');
        glim_http_put_escaped(&url, f->path, true);
    } else {
        glim_buf_printf(&url, "/api/v1/models/%s/repo?Revision=", r->name);
        glim_http_put_escaped(&url, r->revision, false);
        glim_buf_puts(&url, "&FilePath=");
        glim_http_put_escaped(&url, f->path, true);
    }
    glim_status rc = glim_buf_status(&url, "a URL", err);
    if (rc != GLIM_OK) glim_buf_free(&url);
    else f->url = url.s;
    return rc;
}

glim_status glim_hub_parse_hf_commit(char commit[65], const char *text, size_t len, glim_err *err) {
    json_t *o = NULL;
    const char *sha = NULL;
    glim_status rc = glim_json_parse(&o, text, len, 0, err);
    if (rc == GLIM_OK && !json_is_object(o))
        rc = glim_fail(err, GLIM_E_FORMAT, "the answer is %s, want an object", glim_json_type_name(o));
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "sha", "", &sha, err);
    if (rc == GLIM_OK) {
        size_t n = strspn(sha, "0123456789abcdef");
        if (sha[n] || n < 40 || n > 64)
            rc = glim_fail(err, GLIM_E_FORMAT, "\"sha\" is \"%.80s\", want a commit id", sha);
        else memcpy(commit, sha, n + 1);
    }
    json_decref(o);
    return rc;
}

static glim_status need_size(const json_t *o, const char *key, size_t i, int64_t *size, glim_err *err) {
    if (glim_json_need_int(o, key, 0, INT64_MAX, size, err) == GLIM_OK) return GLIM_OK;
    glim_err_context(err, "entry %zu of the listing", i);
    if (err) err->code = GLIM_E_FORMAT; /* a missing key too: it is the listing that is broken */
    return GLIM_E_FORMAT;
}

glim_status glim_hub_parse_hf_tree(glim_hub_repo *r, const char *text, size_t len, glim_err *err) {
    json_t *list = NULL;
    glim_status rc = glim_json_parse(&list, text, len, 0, err);
    if (rc != GLIM_OK) return rc;
    if (!json_is_array(list))
        rc = glim_fail(err, GLIM_E_FORMAT, "the listing is %s, want an array", glim_json_type_name(list));
    size_t cap = r->n_files; /* the array is exactly full after each page: simple, and pages are few */
    for (size_t i = 0; rc == GLIM_OK && i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const char *type, *oid, *sha = NULL;
        int64_t size = 0;
        if (!json_is_object(o)) {
            rc = glim_fail(err, GLIM_E_FORMAT, "entry %zu is %s, want an object", i, glim_json_type_name(o));
            break;
        }
        rc = glim_json_get_str(o, "type", "", &type, err);
        if (rc != GLIM_OK || strcmp(type, "file") != 0) continue;
        const json_t *lfs = json_object_get(o, "lfs");
        rc = glim_json_get_str(o, "oid", "", &oid, err);
        if (rc == GLIM_OK) rc = need_size(o, "size", i, &size, err);
        if (rc == GLIM_OK && json_is_object(lfs)) {
            rc = glim_json_get_str(lfs, "oid", "", &sha, err);
            if (rc == GLIM_OK && strncmp(sha, "sha256:", 7) == 0) sha += 7;
            if (rc == GLIM_OK && !glim_sha256_parse(sha, NULL))
                rc = glim_fail(err, GLIM_E_FORMAT, "entry %zu: \"lfs.oid\" is \"%.80s\", want a SHA-256", i, sha);
            /* `size` of an LFS entry is the real file's; older servers gave the pointer's there. */
            if (rc == GLIM_OK) rc = glim_json_get_int(lfs, "size", 0, INT64_MAX, size, &size, err);
        }
        if (rc == GLIM_OK)
            rc = add_file(r, &cap, json_object_get(o, "path"), "path", (uint64_t)size, sha, sha ? sha : oid, err);
    }
    json_decref(list);
    return rc;
}

glim_status glim_hub_parse_ms_files(glim_hub_repo *r, const char *text, size_t len, glim_err *err) {
    json_t *o = NULL;
    int64_t code = 200;
    const char *message = "";
    glim_status rc = glim_json_parse(&o, text, len, 0, err);
    if (rc != GLIM_OK) return rc;
    if (!json_is_object(o))
        rc = glim_fail(err, GLIM_E_FORMAT, "the listing is %s, want an object", glim_json_type_name(o));
    if (rc == GLIM_OK) rc = glim_json_get_int(o, "Code", INT64_MIN, INT64_MAX, 200, &code, err);
    if (rc == GLIM_OK) rc = glim_json_get_str(o, "Message", "", &message, err);
    if (rc == GLIM_OK && code != 200)
        rc = glim_fail(err, GLIM_E_NET, "the server answers code %" PRId64 ": %.200s", code, message);
    const json_t *files = json_object_get(json_object_get(o, "Data"), "Files");
    if (rc == GLIM_OK && !json_is_array(files) && !json_is_null(files))
        rc = glim_fail(err, GLIM_E_FORMAT, "\"Data.Files\" is %s, want an array", glim_json_type_name(files));
    size_t cap = r->n_files;
    for (size_t i = 0; rc == GLIM_OK && i < json_array_size(files); i++) {
        const json_t *f = json_array_get(files, i);
        const char *type, *sha;
        int64_t size = 0;
        if (!json_is_object(f)) {
            rc = glim_fail(err, GLIM_E_FORMAT, "file %zu is %s, want an object", i, glim_json_type_name(f));
            break;
        }
        rc = glim_json_get_str(f, "Type", "blob", &type, err);
        if (rc != GLIM_OK || strcmp(type, "tree") == 0) continue;
        rc = need_size(f, "Size", i, &size, err);
        if (rc == GLIM_OK) rc = glim_json_get_str(f, "Sha256", "", &sha, err);
        if (rc == GLIM_OK && sha[0] && !glim_sha256_parse(sha, NULL))
            rc = glim_fail(err, GLIM_E_FORMAT, "file %zu: \"Sha256\" is \"%.80s\", want 64 digits", i, sha);
        if (rc == GLIM_OK)
            rc = add_file(r, &cap, json_object_get(f, "Path"), "Path", (uint64_t)size, sha, sha, err);
    }
    json_decref(o);
    return rc;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const glim_hub_file *)a)->path, ((const glim_hub_file *)b)->path);
}

glim_status glim_hub_check_set(glim_hub_repo *r, glim_err *err) {
    if (r->n_files > 1) qsort(r->files, r->n_files, sizeof *r->files, by_path);
    for (size_t i = 0; i + 1 < r->n_files; i++)
        if (strcmp(r->files[i].path, r->files[i + 1].path) == 0)
            return glim_fail(err, GLIM_E_FORMAT, "the listing names \"%s\" twice", r->files[i].path);
    /* Every folder of every path, looked up among the files: "a-b" may stand between "a" and "a/b". */
    for (size_t i = 0; i < r->n_files; i++) {
        char dir[GLIM_HUB_PATH_MAX + 1];
        glim_hub_file key = {.path = dir};
        memcpy(dir, r->files[i].path, strlen(r->files[i].path) + 1);
        for (char *slash = strrchr(dir, '/'); slash; slash = strrchr(dir, '/')) {
            *slash = 0;
            if (bsearch(&key, r->files, r->n_files, sizeof *r->files, by_path))
                return glim_fail(err, GLIM_E_FORMAT, "the listing has \"%s\" both as a file and as a folder",
                                 dir);
        }
    }
    return GLIM_OK;
}

/* ---- asking ---- */

typedef struct asking {
    glim_hub_repo *r;
    const glim_hub_opts *opts;
} asking;

static glim_status ask(const asking *a, glim_http_reply *reply, const char *url, glim_err *err) {
    glim_http_request req = {.url = url,
                             .token = a->opts->token,
                             .max_bytes = PAGE_BYTES,
                             .limits = a->opts->limits,
                             .cancel = a->opts->cancel};
    glim_status rc = glim_http_fetch(reply, &req, err);
    if (rc == GLIM_E_NET && reply->status >= 400)
        rc = glim_hub_explain(a->r->kind, a->r->endpoint, a->r->name, a->r->revision, a->opts->token != NULL,
                              reply->status, reply->error_code, err);
    return rc;
}

/* A mirror may hand out next-page links to the hub it mirrors: the way there is taken, the host is not,
 * so the token stays where it was meant to go. Heap, or NULL if url is no URL. */
static char *on_endpoint(const char *url, const char *endpoint) {
    char *path = NULL, *query = NULL, *out = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
        (void)curl_url_get(u, CURLUPART_QUERY, &query, 0);
        glim_buf b = {0};
        /* An endpoint may carry a path of its own, which such a link then repeats. */
        const char *own = strstr(endpoint, "://");
        own = own ? strchr(own + 3, '/') : NULL;
        size_t n_own = own ? strlen(own) : 0;
        glim_buf_append(&b, endpoint, strlen(endpoint) - n_own);
        if (own && strncmp(path, own, n_own) != 0) glim_buf_puts(&b, own);
        glim_buf_printf(&b, "%s%s%s", path, query ? "?" : "", query ? query : "");
        if (b.failed) glim_buf_free(&b);
        else out = b.s;
    }
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(u);
    return out;
}

static glim_status list_hf(asking *a, glim_err *err) {
    glim_hub_repo *r = a->r;
    glim_buf url = {0};
    glim_http_reply reply;
    glim_buf_printf(&url, "%s/api/models/%s/revision/", r->endpoint, r->name);
    glim_http_put_escaped(&url, r->revision, false);
    glim_status rc = ask(a, &reply, glim_buf_cstr(&url), err);
    if (rc == GLIM_OK) {
        rc = glim_hub_parse_hf_commit(r->commit, glim_buf_cstr(&reply.body), reply.body.len, err);
        if (rc != GLIM_OK) glim_err_context(err, "could not read the answer of %s", r->endpoint);
    }
    glim_http_reply_free(&reply);
    glim_buf_clear(&url);

    glim_buf_printf(&url, "%s/api/models/%s/tree/%s?recursive=true", r->endpoint, r->name, r->commit);
    char *page = rc == GLIM_OK ? glim_xstrdup(glim_buf_cstr(&url)) : NULL;
    for (int n = 1; rc == GLIM_OK && page; n++) {
        rc = ask(a, &reply, page, err);
        if (rc == GLIM_OK) {
            rc = glim_hub_parse_hf_tree(r, glim_buf_cstr(&reply.body), reply.body.len, err);
            if (rc != GLIM_OK) glim_err_context(err, "could not read page %d of the listing of \"%s\"", n, r->name);
        }
        char *next = rc == GLIM_OK && reply.next ? on_endpoint(reply.next, r->endpoint) : NULL;
        if (next && (n >= PAGES_MAX || strcmp(next, page) == 0))
            rc = glim_fail(err, GLIM_E_FORMAT, "the listing of \"%s\" does not end: page %d leads to itself or on",
                           r->name, n);
        free(page);
        page = next;
        glim_http_reply_free(&reply);
    }
    free(page);
    glim_buf_free(&url);
    return rc;
}

static glim_status list_ms(asking *a, glim_err *err) {
    glim_hub_repo *r = a->r;
    glim_buf url = {0};
    glim_http_reply reply;
    glim_buf_printf(&url, "%s/api/v1/models/%s/repo/files?Revision=", r->endpoint, r->name);
    glim_http_put_escaped(&url, r->revision, false);
    glim_buf_puts(&url, "&Recursive=true");
    glim_status rc = ask(a, &reply, glim_buf_cstr(&url), err);
    if (rc == GLIM_OK) {
        rc = glim_hub_parse_ms_files(r, glim_buf_cstr(&reply.body), reply.body.len, err);
        if (rc != GLIM_OK) glim_err_context(err, "could not read the listing of \"%s\"", r->name);
    }
    glim_http_reply_free(&reply);
    glim_buf_free(&url);
    return rc;
}

static bool is_loopback(const char *endpoint) {
    const char *h = strstr(endpoint, "://");
    h = h ? h + 3 : endpoint;
    return strncmp(h, "127.", 4) == 0 || strncmp(h, "localhost", 9) == 0 || strncmp(h, "[::1]", 5) == 0;
}

glim_status glim_hub_list(glim_hub_repo **out, glim_hub_kind kind, const char *name,
                          const glim_hub_opts *opts, glim_err *err) {
    *out = NULL;
    glim_hub_repo *r = glim_xcalloc(1, sizeof *r);
    asking a = {r, opts};
    const char *endpoint = opts->endpoint;
    if (!endpoint) endpoint = getenv(kind == GLIM_HUB_HF ? "HF_ENDPOINT" : "MODELSCOPE_ENDPOINT");
    if (!endpoint || !*endpoint)
        endpoint = kind == GLIM_HUB_HF ? "https://huggingface.co" : "https://modelscope.cn";
    r->kind = kind;
    r->endpoint = glim_xstrdup(endpoint);
    for (size_t n = strlen(r->endpoint); n > 0 && r->endpoint[n - 1] == '/';) r->endpoint[--n] = 0;
    r->name = glim_xstrdup(name);
    const char *main_branch = kind == GLIM_HUB_HF ? "main" : "master";
    r->revision = glim_xstrdup(opts->revision && *opts->revision ? opts->revision : main_branch);

    glim_status rc = check_repo_name(name, err);
    if (rc == GLIM_OK) rc = check_revision(r->revision, err);
    if (rc == GLIM_OK && opts->token && strncasecmp(r->endpoint, "http://", 7) == 0 && !is_loopback(r->endpoint))
        glim_log(GLIM_WARN, "net", "the access token goes to %s unencrypted", r->endpoint);
    if (rc == GLIM_OK) rc = kind == GLIM_HUB_HF ? list_hf(&a, err) : list_ms(&a, err);
    if (rc == GLIM_OK) rc = glim_hub_check_set(r, err);
    if (rc != GLIM_OK) {
        glim_hub_repo_free(r);
        return rc;
    }
    *out = r;
    return GLIM_OK;
}

void glim_hub_repo_free(glim_hub_repo *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n_files; i++) {
        free(r->files[i].path);
        free(r->files[i].url);
    }
    free(r->files);
    free(r->endpoint);
    free(r->name);
    free(r->revision);
    free(r);
}
