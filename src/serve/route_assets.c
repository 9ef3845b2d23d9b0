/* route_assets.c - GET / and /assets/...: the pages that are built into the binary. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "serve/assets.h"
#include "serve/routes.h"

enum MHD_Result glim_route_asset(glim_call *c) {
    char path[256] = "/";
    if (c->arg) snprintf(path, sizeof path, "/assets/%s", c->arg);
    const glim_asset *a = glim_asset_find(path);
    if (!a) {
        glim_api_fail(&c->error, 404, "unknown_url", NULL, "there is no page at \"%.200s\"", path);
        return glim_call_fail(c);
    }
    const char *have = MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, "If-None-Match");
    bool same = have && strstr(have, a->etag) != NULL;
    struct MHD_Response *r = MHD_create_response_from_buffer(same ? 0 : a->size, (void *)(uintptr_t)a->data, MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type", a->type);
    MHD_add_response_header(r, "ETag", a->etag);
    MHD_add_response_header(r, "Cache-Control", "no-cache"); /* asks again, and mostly hears 304 */
    /* The pages need nothing from elsewhere, hold no inline script, and are nobody's frame. */
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    return glim_call_queue(c, same ? 304 : 200, r);
}
