/* fuzz_csv.c - any bytes as CSV: rows of equal length with whole texts, or one error. The first byte chooses separator,
 * raggedness and encoding. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char sep[] = {0, ',', ';', '\t'};
    static const char *const encoding[] = {NULL, "GB18030", "UTF-16LE", "UTF-8"};
    if (size == 0) return 0;
    glim_table_params p = {.format = GLIM_TABLE_CSV, .separator = sep[data[0] & 3], .encoding = encoding[(data[0] >> 2) & 3],
                           .ragged = data[0] & 16, .max_bytes = 1 << 20};
    size_t n = size - 1;
    char *text = malloc(n ? n : 1); /* of the exact size: reads past the end are seen */
    if (!text) return 0;
    memcpy(text, data + 1, n);
    glim_table *t;
    glim_err err = {0};
    glim_status rc = glim_table_parse(&t, "fuzz", text, n, &p, &err);
    if (rc != GLIM_OK) {
        if (t || !err.msg[0]) abort();
        free(text);
        return 0;
    }
    glim_table_row row;
    bool more = true;
    size_t line = 0, width = 0;
    while ((rc = glim_table_next(t, &row, &more, &err)) == GLIM_OK && more) {
        if (row.line <= line || row.n == 0) abort();
        if (width && row.n != width && !p.ragged) abort();
        width = row.n;
        line = row.line;
        for (size_t i = 0; i < row.n; i++)
            if (row.cell[i].text[row.cell[i].n] != 0 || !glim_utf8_valid(row.cell[i].text, row.cell[i].n)) abort();
    }
    if (rc != GLIM_OK && !err.msg[0]) abort();
    glim_table_close(t);
    free(text);
    return 0;
}
