/* fuzz_snapshot.c - any bytes in the place of a page on disk: believed only if they are the page that was written, else
 * refused and removed. The first byte says how: 0 the rest is the file, otherwise the rest changes, cuts or lengthens the
 * good file, so that more than the checksum is reached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"
#include "engine/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static glim_snapshot *g_s;
static glim_chain g_chain;
static uint8_t *g_page, *g_got;
static glim_buf g_file; /* the good one */
static char g_dir[] = "/tmp/glim-fuzz-XXXXXX", g_path[256];
static size_t g_page_bytes;

static void clean_up(void) {
    glim_snapshot_close(g_s);
    unlink(g_path);
    rmdir(g_dir);
}

static bool read_back(void) { /* the writer has a thread of its own */
    for (int i = 0; i < 5000; i++) {
        if (glim_snapshot_read(g_s, &g_chain, g_got)) return true;
        usleep(100);
    }
    return false;
}

static void prepare(void) {
    glim_engine *e;
    glim_err err;
    int32_t ids[GLIM_KV_PAGE] = {0};
    char model[512]; /* beside this file */
    snprintf(model, sizeof model, "%.*s/../fixtures/llama-tied", (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__);
    if (glim_engine_open(&e, model, &(glim_engine_params){.n_threads = 1, .model = {.n_ctx = 64}}, &err) != GLIM_OK ||
        !mkdtemp(g_dir) || glim_snapshot_open(&g_s, g_dir, 0, e->model, &e->kv, &err) != GLIM_OK)
        abort();
    g_page_bytes = e->kv.page_bytes;
    g_page = malloc(g_page_bytes);
    g_got = malloc(g_page_bytes);
    if (!g_page || !g_got) abort();
    for (size_t i = 0; i < g_page_bytes; i++) g_page[i] = (uint8_t)(i * 7 >> 3);
    glim_chain root = glim_snapshot_root(g_s, "t", "");
    g_chain = glim_snapshot_next(&root, ids);
    int n = snprintf(g_path, sizeof g_path, "%s/", g_dir);
    for (int i = 0; i < 32; i++) n += snprintf(g_path + n, sizeof g_path - (size_t)n, "%02x", g_chain.hash[i]);
    snprintf(g_path + n, sizeof g_path - (size_t)n, ".kv");
    if (!glim_snapshot_write(g_s, &g_chain, g_page) || !read_back()) abort();
    if (glim_file_read(&g_file, g_path, 1 << 24, &err) != GLIM_OK) abort();
    glim_engine_free(e);
    atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_err err;
    if (!g_s) prepare();
    if (size < 1) return 0;
    glim_buf b = {0};
    if (data[0] == 0) {
        glim_buf_append(&b, data + 1, size - 1);
    } else {
        glim_buf_append(&b, g_file.s, g_file.len);
        for (size_t i = 1; i + 2 < size && b.len; i += 3) {
            size_t at = (size_t)data[i] << 8 | data[i + 1];
            if (data[0] & 1) b.s[at % b.len] = (char)(b.s[at % b.len] ^ data[i + 2]);
            else if (data[i + 2] & 1) b.len -= at < b.len ? at : b.len;
            else for (size_t k = 0; k < at && k < 64; k++) glim_buf_putc(&b, (char)data[i + 2]);
        }
    }
    bool same = b.len == g_file.len && memcmp(b.s, g_file.s, b.len) == 0;
    if (glim_file_write_atomic(g_path, b.s ? b.s : "", b.len, &err) != GLIM_OK) abort();
    bool believed = glim_snapshot_read(g_s, &g_chain, g_got);
    if (believed != same || (believed && memcmp(g_got, g_page, g_page_bytes) != 0)) abort();
    if (!believed && (glim_snapshot_has(g_s, &g_chain) || access(g_path, F_OK) == 0)) abort();
    if (!believed) { /* it can be computed and written again */
        if (!glim_snapshot_write(g_s, &g_chain, g_page) || !read_back()) abort();
    }
    glim_buf_free(&b);
    return 0;
}
