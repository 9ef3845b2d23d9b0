/* fuzz_xlsx.c - any bytes as a workbook. Input that begins with '<' is the XML of a sheet inside a package made here,
 * because mutation finds no checksums; anything else is the whole file. */
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/utf8.h"
#include "data/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REL "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

static void put(zip_t *z, const char *name, const void *s, size_t n) {
    if (zip_file_add(z, name, zip_source_buffer(z, s, n, 0), 0) < 0) abort();
}

static void wrap(glim_buf *out, const uint8_t *sheet, size_t n) {
    static const char root[] = "<R><Relationship Type=\"" REL "/officeDocument\" Target=\"w\"/></R>";
    static const char workbook[] = "<workbook xmlns:r=\"" REL "\"><sheets><sheet name=\"s\" r:id=\"a\"/></sheets></workbook>";
    static const char rels[] = "<R><Relationship Id=\"a\" Type=\"x/worksheet\" Target=\"s\"/><Relationship Id=\"b\" Type=\"x/sharedStrings\" Target=\"t\"/>"
                               "<Relationship Id=\"c\" Type=\"x/styles\" Target=\"y\"/></R>";
    static const char strings[] = "<sst><si><t>one</t></si><si><t>two</t></si></sst>";
    static const char styles[] = "<s><cellXfs><xf/><xf numFmtId=\"22\"/></cellXfs></s>";
    zip_error_t e;
    zip_error_init(&e);
    zip_source_t *s = zip_source_buffer_create(NULL, 0, 0, &e);
    if (!s) abort();
    zip_source_keep(s);
    zip_t *z = zip_open_from_source(s, ZIP_TRUNCATE, &e);
    if (!z) abort();
    put(z, "_rels/.rels", root, sizeof root - 1);
    put(z, "w", workbook, sizeof workbook - 1);
    put(z, "_rels/w.rels", rels, sizeof rels - 1);
    put(z, "t", strings, sizeof strings - 1);
    put(z, "y", styles, sizeof styles - 1);
    put(z, "s", sheet, n);
    if (zip_close(z) != 0 || zip_source_open(s) != 0) abort();
    char chunk[4096];
    for (zip_int64_t k; (k = zip_source_read(s, chunk, sizeof chunk)) > 0;) glim_buf_append(out, chunk, (size_t)k);
    zip_source_close(s);
    zip_source_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_buf b = {0};
    if (size && data[0] == '<') wrap(&b, data, size);
    else glim_buf_append(&b, data, size);
    glim_table_params p = {.format = GLIM_TABLE_XLSX, .max_bytes = 1 << 22, .max_texts = 1 << 20};
    glim_table *t;
    glim_err err = {0};
    glim_status rc = glim_table_parse(&t, "fuzz", glim_buf_cstr(&b), b.len, &p, &err);
    if (rc != GLIM_OK) {
        if (t || !err.msg[0]) abort();
        glim_buf_free(&b);
        return 0;
    }
    glim_table_row row;
    bool more = true;
    size_t line = 0;
    while ((rc = glim_table_next(t, &row, &more, &err)) == GLIM_OK && more) {
        if (row.line <= line || row.n == 0 || row.n > 16384) abort();
        line = row.line;
        for (size_t i = 0; i < row.n; i++)
            if (row.cell[i].text[row.cell[i].n] != 0) abort();
    }
    if (rc != GLIM_OK && !err.msg[0]) abort();
    glim_table_close(t);
    glim_buf_free(&b);
    return 0;
}
