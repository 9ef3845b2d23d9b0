/* assets.h - Studio's pages, inside the binary.
 *
 * The files under web/, byte for byte: web/index.html is "/", everything else "/assets/<path under web/>". The build
 * lists them (cmake/assets.cmake), so a new file is served without a line of C. Pages hold no inline script or style and
 * fetch nothing from elsewhere: they work under "Content-Security-Policy: default-src 'self'". */
#ifndef GLIM_SERVE_ASSETS_H
#define GLIM_SERVE_ASSETS_H

#include <stddef.h>

typedef struct glim_asset {
    const char *path;          /* as in a URL */
    const char *type;          /* for Content-Type */
    const unsigned char *data; /* [size] */
    size_t size;
    const char *etag;          /* with its quotes; changes with the bytes */
} glim_asset;

/* The asset at a path, exactly as written; NULL if there is none. Threads: any. */
const glim_asset *glim_asset_find(const char *path);
/* All of them, in no particular order. */
const glim_asset *glim_asset_all(size_t *n);

#endif
