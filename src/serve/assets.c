/* assets.c - see assets.h. The assembler copies the files in: a megabyte of C arrays would take seconds to compile. */
#include "serve/assets.h"

#include <string.h>

/* assets_table.h is made by the build and holds nothing but ASSET(...) lines, read twice here. */
#define ASSET(n, path, type, file, size, etag)                            \
    __asm__(".pushsection .rodata\n"                                      \
            ".balign 16\n"                                                \
            ".globl glim_asset_" #n "\n"                                  \
            ".hidden glim_asset_" #n "\n"                                 \
            "glim_asset_" #n ": .incbin \"" file "\"\n"                   \
            ".byte 0\n" /* an empty file still has an address of its own */ \
            ".popsection");                                               \
    extern const unsigned char glim_asset_##n[] __attribute__((visibility("hidden")));
#include "assets_table.h"
#undef ASSET

static const glim_asset assets[] = {
#define ASSET(n, path, type, file, size, etag) {path, type, glim_asset_##n, size, etag},
#include "assets_table.h"
#undef ASSET
};

const glim_asset *glim_asset_all(size_t *n) {
    *n = sizeof assets / sizeof *assets;
    return assets;
}

const glim_asset *glim_asset_find(const char *path) {
    for (size_t i = 0; i < sizeof assets / sizeof *assets; i++)
        if (strcmp(assets[i].path, path) == 0) return &assets[i];
    return NULL;
}
