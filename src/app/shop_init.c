/* shop_init.c - the templates inside the program, and a new desk's folder out of one. The assembler copies the files in. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/shop_internal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "data/table.h"

/* templates_table.h is made by the build and holds nothing but TEMPLATE(...) lines, read twice here. */
#define TEMPLATE(n, path, file, size)                                        \
    __asm__(".pushsection .rodata\n"                                         \
            ".balign 16\n"                                                   \
            ".globl glim_template_" #n "\n"                                  \
            ".hidden glim_template_" #n "\n"                                 \
            "glim_template_" #n ": .incbin \"" file "\"\n"                   \
            ".byte 0\n"                                                      \
            ".popsection");                                                  \
    extern const unsigned char glim_template_##n[] __attribute__((visibility("hidden")));
#include "templates_table.h"
#undef TEMPLATE

static const glim_template_file files[] = {
#define TEMPLATE(n, path, file, size) {path, glim_template_##n, size},
#include "templates_table.h"
#undef TEMPLATE
};

const glim_template_file *glim_template_files(size_t *n) {
    *n = GLIM_COUNT(files);
    return files;
}

static glim_status no_such(const char *name, glim_err *err) {
    glim_buf all = {0};
    for (size_t i = 0; i < GLIM_COUNT(files); i++) {
        const char *e = strchr(files[i].path, '/');
        if (e && strcmp(e, "/desk.json") == 0) glim_buf_printf(&all, "%s%.*s", all.len ? ", " : "", (int)(e - files[i].path), files[i].path);
    }
    glim_status rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no template \"%s\"", name);
    glim_err_hint(err, "the templates are %s", glim_buf_cstr(&all));
    glim_buf_free(&all);
    return rc;
}

static glim_status check_folder(const char *folder, glim_err *err) {
    DIR *d = opendir(folder);
    if (!d) return errno == ENOENT ? GLIM_OK : glim_fail(err, GLIM_E_IO, "could not open \"%s\": %s", folder, strerror(errno));
    bool any = false;
    for (struct dirent *e; (e = readdir(d));) any |= e->d_name[0] != '.';
    closedir(d);
    return any ? glim_fail(err, GLIM_E_ARG, "the folder \"%s\" is not empty", folder) : GLIM_OK;
}

/* The library's bytes, a CSV's in UTF-8: before anything is written, so that a bad file leaves nothing behind. */
static glim_status read_library(glim_buf *own, const char *path, const char *encoding, const char **found, json_t **guess, glim_lib **lib, glim_err *err) {
    glim_buf bytes = {0};
    glim_status rc = glim_file_read(&bytes, path, (size_t)1 << 30, err);
    if (rc == GLIM_OK) {
        rc = glim_table_utf8(own, found, glim_buf_cstr(&bytes), bytes.len, encoding, err);
        if (rc != GLIM_OK) glim_err_context(err, "\"%s\"", path);
        if (rc == GLIM_E_FORMAT && !encoding) glim_err_hint(err, "name its encoding, --encoding gb18030, big5, windows-1252 or another of docs/know.md, or save the file as UTF-8");
    }
    if (rc == GLIM_OK && !*found) glim_buf_append(own, bytes.s, bytes.len);
    if (rc == GLIM_OK) rc = glim_buf_status(own, "a product library", err);
    if (rc == GLIM_OK) rc = glim_lib_guess_bytes(guess, path, glim_buf_cstr(own), own->len, err);
    if (rc == GLIM_OK) rc = glim_lib_parse(lib, path, glim_buf_cstr(own), own->len, *guess, err);
    glim_buf_free(&bytes);
    return rc;
}

glim_status glim_shop_init(const char *template_name, const char *folder, const char *library, const char *encoding, const char **found, glim_err *err) {
    size_t n = strlen(template_name);
    glim_status rc = check_folder(folder, err);
    bool known = false;
    for (size_t i = 0; i < GLIM_COUNT(files); i++) known |= strncmp(files[i].path, template_name, n) == 0 && files[i].path[n] == '/';
    if (rc == GLIM_OK && (!known || n == 0)) return no_such(template_name, err);
    glim_buf own = {0};
    json_t *guess = NULL;
    glim_lib *lib = NULL;
    const char *was = NULL;
    if (rc == GLIM_OK && encoding && !library) rc = glim_fail(err, GLIM_E_ARG, "an encoding is named and no library whose encoding it is");
    if (rc == GLIM_OK && library) rc = read_library(&own, library, encoding, &was, &guess, &lib, err);
    if (found) *found = was;
    if (rc == GLIM_OK) rc = glim_mkdirs(folder, err);
    for (size_t i = 0; rc == GLIM_OK && i < GLIM_COUNT(files); i++) {
        if (strncmp(files[i].path, template_name, n) != 0 || files[i].path[n] != '/') continue;
        char *path = glim_path_join(folder, files[i].path + n + 1);
        rc = glim_file_write_atomic(path, files[i].bytes, files[i].n, err);
        free(path);
    }
    if (rc == GLIM_OK && library) {
        glim_shop *s = NULL;
        const char *base = strrchr(library, '/');
        rc = glim_shop_open(&s, folder, err);
        if (rc == GLIM_OK) rc = glim_shop_take(s, base ? base + 1 : library, own.s, own.len, was, &guess, &lib, err);
        glim_shop_close(s);
    }
    glim_lib_free(lib);
    json_decref(guess);
    glim_buf_free(&own);
    return rc;
}
