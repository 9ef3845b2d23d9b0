/* test_table.c - rows out of CSV and XLSX: our own small files, bad ones, and the shared sets. */
#include <dirent.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "data/table.h"
#include "data/table_schema.h"
#include "test.h"

/* All rows as "a|b\nc|d\n", or the error's message. */
static const char *rows_of(const void *bytes, size_t n, const glim_table_params *p) {
    static glim_buf out;
    glim_table *t;
    glim_table_row row;
    glim_err err = {0};
    bool more;
    glim_buf_clear(&out);
    glim_buf_puts(&out, "");
    if (glim_table_parse(&t, "f", bytes, n, p, &err) != GLIM_OK) {
        glim_buf_puts(&out, err.msg);
        return glim_buf_cstr(&out);
    }
    for (;;) {
        if (glim_table_next(t, &row, &more, &err) != GLIM_OK) {
            glim_err again = {0};
            glim_buf_clear(&out);
            glim_buf_puts(&out, err.msg);
            CHECK(glim_table_next(t, &row, &more, &again) == err.code && !more); /* it stays at its error */
            break;
        }
        if (!more) break;
        for (size_t i = 0; i < row.n; i++) {
            CHECK(strlen(row.cell[i].text) == row.cell[i].n);
            glim_buf_printf(&out, "%s%s", i ? "|" : "", row.cell[i].text);
        }
        glim_buf_putc(&out, '\n');
    }
    glim_table_close(t);
    return glim_buf_cstr(&out);
}

static const char *csv(const char *text) { return rows_of(text, strlen(text), NULL); }

TEST(csv_quotes_hold_separators_line_breaks_and_quotes) {
    CHECK_STR(csv("a,b\n\"x,y\",\"p\nq\"\n\"say \"\"hi\"\"\",5\" disk\n"), "a|b\nx,y|p\nq\nsay \"hi\"|5\" disk\n");
    CHECK_STR(csv("a,b\r\n1,\r\n\r\n,2"), "a|b\n1|\n|2\n");
    CHECK_STR(csv("a,b\r1,2\r3,4\r"), "a|b\n1|2\n3|4\n");
    CHECK_STR(csv(""), "");
    CHECK_STR(csv("\"\""), "\n");
}

TEST(csv_separator_is_guessed_by_agreement) {
    CHECK_STR(csv("name;price\nA, small;1,50\nB;2,75\n"), "name|price\nA, small|1,50\nB|2,75\n");
    CHECK_STR(csv("a\tb\n1,2\t3\n"), "a|b\n1,2|3\n");
    CHECK_STR(csv("sep=|\na|b\n"), "a|b\n");
    CHECK_STR(csv("only\none\n"), "only\none\n");
    const char *t = "a;b\n1;2\n";
    CHECK_STR(rows_of(t, strlen(t), &(glim_table_params){.separator = ','}), "a;b\n1;2\n");
}

TEST(csv_errors_name_the_line) {
    CHECK_STR(csv("a,b\n1,2\n3\n"), "\"f\": line 3: got 1 cells, want 2 as in the first row");
    CHECK_STR(csv("a,b\n\"x\ny\",2\n3,4,5\n"), "\"f\": line 4: got 3 cells, want 2 as in the first row");
    CHECK_STR(csv("a,b\n1,\"2\n3\n"), "\"f\": line 2: cell 2 begins with a quote that is never closed");
    CHECK_STR(csv("a,b\n\"1\"x,2\n"), "\"f\": line 2: cell 1 goes on behind its closing quote");
    const char *t = "a,b\n1\n1,2,3\n";
    CHECK_STR(rows_of(t, strlen(t), &(glim_table_params){.ragged = true}), "a|b\n1\n1|2|3\n");
    CHECK(strstr(csv("%PDF-1.7"), "PDF"));
    CHECK(strstr(rows_of("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1xx", 10, NULL), "old Excel"));
}

TEST(csv_is_read_in_the_encodings_of_office_programs) {
    CHECK_STR(csv("\xef\xbb\xbf名称,价格\n耳机,99\n"), "名称|价格\n耳机|99\n");
    CHECK_STR(csv("\xc3\xfb\xb3\xc6,\xbc\xdb\xb8\xf1\n\xb6\xfa\xbb\xfa,99\n"), "名称|价格\n耳机|99\n"); /* GB18030 */
    static const char le[] = "\xff\xfe" "a\0,\0\x0d\x54\n\0" "1\0,\0" "2\0";
    CHECK_STR(rows_of(le, sizeof le - 1, NULL), "a|名\n1|2\n");
    static const char be[] = "\xfe\xff\0a\0,\x54\x0d\0\n\0" "1\0,\0" "2";
    CHECK_STR(rows_of(be, sizeof be - 1, NULL), "a|名\n1|2\n");
    static const char bare[] = "n\0a\0m\0e\0,\0b\0\n\0" "1\0,\0" "2\0";
    CHECK_STR(rows_of(bare, sizeof bare - 1, NULL), "name|b\n1|2\n");
    CHECK_STR(rows_of("caf\xe9,1\n", 7, &(glim_table_params){.encoding = "ISO-8859-1"}), "café|1\n");
    CHECK(strstr(csv("a,b\nx\xff\xff,1\n"), "line 2: byte 0xff at offset 5 is not GB18030 text"));
    CHECK(strstr(csv("\xef\xbb\xbf" "a,b\n\xff,1\n"), "line 2: byte 0xff at offset 7 is not UTF-8"));
    CHECK(strstr(rows_of("a", 1, &(glim_table_params){.encoding = "nonsense"}), "not known"));
    CHECK(strstr(rows_of("a", 1, &(glim_table_params){.encoding = "UTF-7"}), "not known")); /* iconv knows it; nobody keeps a table in it */
    CHECK(strstr(rows_of("a", 1, &(glim_table_params){.encoding = "UTF-8//TRANSLIT"}), "not known"));
    CHECK(strstr(rows_of("a", 1, &(glim_table_params){.encoding = ""}), "not known"));
    CHECK_STR(rows_of("caf\xe9,1\n", 7, &(glim_table_params){.encoding = "Latin1"}), "café|1\n");
    CHECK_STR(rows_of("n\xe9,ba", 5, &(glim_table_params){.encoding = "windows-1258"}), "né|ba\n"); /* it holds a letter back, for the mark that may follow */
}

/* Nearly any bytes decode as GB18030: which of three is meant, the text says. */
TEST(a_csv_of_western_or_taiwanese_windows_is_not_read_as_gb18030) {
    static const struct {
        const char *bytes, *text, *encoding;
    } t[] = {
        {"Name;Preis\nK\xfchlschrank;299\nSt\xfchle f\xfcr drau\xdf" "en;49\n", "Name|Preis\nKühlschrank|299\nStühle für draußen|49\n", "windows-1252"},
        {"nom,prix\nth\xe9i\xe8re,12\ncaf\xe9 cr\xe8me,3\n", "nom|prix\nthéière|12\ncafé crème|3\n", "windows-1252"},
        {"name,price\nM\xfcsli,3\n", "name|price\nMüsli|3\n", "windows-1252"},
        {"name,price\nTea \x93" "Earl Grey\x94,\x80" "3\n", "name|price\nTea “Earl Grey”|€3\n", "windows-1252"},
        {"\xa6W\xba\xd9,\xbb\xf9\xae\xe6,\xc3" "C\xa6\xe2\n\xb5L\xbdu\xa6\xd5\xbe\xf7,99,\xb6\xc2\xa6\xe2\n\xafQ\xc0s\xaf\xf9,30,\n", "名稱|價格|顏色\n無線耳機|99|黑色\n烏龍茶|30|\n", "big5"},
        {"\xa6W\xba\xd9,\xbb\xf9\xae\xe6\n\xac\xf5\xaf\xf9,30\n", "名稱|價格\n紅茶|30\n", "big5"},
        {"\xc3\xfb\xb3\xc6,\xbc\xdb\xb8\xf1\n\xb6\xfa\xbb\xfa,99\n", "名称|价格\n耳机|99\n", "gb18030"},
        {"name,price\n\xc1\xfa\xbe\xae\xb2\xe8,88\n", "name|price\n龙井茶|88\n", "gb18030"},
        {"\xc6\xb7\xc3\xfb,\xb5\xa5\xbc\xdb\n\xb9\xac\xb1\xa3\xbc\xa6\xb6\xa1,42\n\xc2\xe9\xc6\xc5\xb6\xb9\xb8\xaf,32\n", "品名|单价\n宫保鸡丁|42\n麻婆豆腐|32\n", "gb18030"},
    };
    for (size_t i = 0; i < GLIM_COUNT(t); i++) {
        glim_err err = {0};
        glim_buf b = {0};
        const char *encoding;
        CHECK_STR(csv(t[i].bytes), t[i].text);
        CHECK_OK(glim_table_utf8(&b, &encoding, t[i].bytes, strlen(t[i].bytes), NULL, &err), err);
        CHECK_STR(encoding, t[i].encoding);
        glim_buf_free(&b);
    }
    /* Two letters may be a word of either, and of Cyrillic none of the three makes sense. */
    CHECK(strstr(csv("name,price\n\xb9\xcf\xb2\xcb,1\n"), "could be gb18030, big5"));
    CHECK(strstr(csv("\xcd\xe0\xe7\xe2\xe0\xed\xe8\xe5,\xd6\xe5\xed\xe0\n\xd7\xe0\xe9\xed\xe8\xea,12\n"), "no sense"));
    CHECK_STR(rows_of("name\n\xd7\xe0\xe9\xed\xe8\xea\n", 12, &(glim_table_params){.encoding = "windows-1251"}), "name\nЧайник\n");
}

/* A file may end where its last page does: what lies behind it is nobody's. */
TEST(half_a_character_at_the_end_is_read_no_further) {
    static const char *const ends[] = {"a,b\n1,\x80", "a,b\n1,\x81", "a,b\n1,\xff", "\x80", "a,b\n\xbd\xb1,\xbd", "a,b\n1,\x81\x30", "a,b\n1,\x81\x30\x81", "caf\xe9"};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(two != MAP_FAILED && mprotect(two + page, page, PROT_NONE) == 0);
    for (size_t i = 0; i < GLIM_COUNT(ends); i++) {
        const size_t n = strlen(ends[i]);
        char *at = two + page - n;
        glim_err err = {0};
        glim_buf b = {0};
        const char *encoding;
        memcpy(at, ends[i], n);
        const glim_status rc = glim_table_utf8(&b, &encoding, at, n, NULL, &err);
        CHECK_MSG(rc == GLIM_OK || rc == GLIM_E_FORMAT, "%zu: %d %s", i, rc, err.msg);
        glim_buf_free(&b);
    }
    munmap(two, 2 * page);
}

/* ---- XLSX made here ---- */

#define MAIN "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\""
#define REL "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

typedef struct book {
    const char *sheet, *strings, *styles, *workbook;
} book;

static void put(zip_t *z, const char *name, const char *text) {
    CHECK(zip_file_add(z, name, zip_source_buffer(z, text, strlen(text), 0), 0) >= 0);
}

static glim_buf make(book b) {
    zip_error_t e;
    zip_error_init(&e);
    zip_source_t *s = zip_source_buffer_create(NULL, 0, 0, &e);
    zip_source_keep(s);
    zip_t *z = zip_open_from_source(s, ZIP_TRUNCATE, &e);
    CHECK(z);
    put(z, "_rels/.rels", "<Relationships><Relationship Id=\"r\" Type=\"" REL "/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>");
    put(z, "xl/workbook.xml", b.workbook ? b.workbook : "<workbook " MAIN " xmlns:r=\"" REL "\"><sheets><sheet name=\"库存\" sheetId=\"1\" r:id=\"a\"/></sheets></workbook>");
    put(z, "xl/_rels/workbook.xml.rels", "<Relationships><Relationship Id=\"a\" Type=\"" REL "/worksheet\" Target=\"worksheets/s.xml\"/>"
        "<Relationship Id=\"b\" Type=\"" REL "/sharedStrings\" Target=\"/xl/strings.xml\"/>"
        "<Relationship Id=\"c\" Type=\"" REL "/styles\" Target=\"./styles.xml\"/></Relationships>");
    put(z, "xl/strings.xml", b.strings ? b.strings : "<sst " MAIN "><si><t>plain</t></si><si><r><t xml:space=\"preserve\">ri </t></r><r><t>ch</t></r><rPh><t>no</t></rPh></si><si><t>a_x000D_b</t></si></sst>");
    put(z, "xl/styles.xml", b.styles ? b.styles : "<styleSheet " MAIN "><numFmts><numFmt numFmtId=\"170\" formatCode=\"yyyy&quot;年&quot;\"/></numFmts>"
        "<cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"170\"/><xf numFmtId=\"21\"/></cellXfs></styleSheet>");
    put(z, "xl/worksheets/s.xml", b.sheet);
    CHECK(zip_close(z) == 0);
    glim_buf out = {0};
    char chunk[65536];
    CHECK(zip_source_open(s) == 0);
    for (zip_int64_t k; (k = zip_source_read(s, chunk, sizeof chunk)) > 0;) glim_buf_append(&out, chunk, (size_t)k);
    zip_source_close(s);
    zip_source_free(s);
    return out;
}

static const char *xlsx(const char *rows) {
    glim_buf sheet = {0};
    glim_buf_printf(&sheet, "<worksheet " MAIN "><sheetData>%s</sheetData></worksheet>", rows);
    glim_buf b = make((book){.sheet = sheet.s});
    const char *r = rows_of(b.s, b.len, NULL);
    glim_buf_free(&b);
    glim_buf_free(&sheet);
    return r;
}

TEST(xlsx_cells_of_every_type_are_read_as_excel_shows_them) {
    CHECK_STR(xlsx("<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"C1\" t=\"s\"><v>1</v></c><c t=\"s\"><v>2</v></c></row>"
                   "<row r=\"3\"><c t=\"b\"><v>1</v></c><c t=\"e\"><v>#N/A</v></c><c><v>9.9000000000000004</v></c><c><v>1E3</v></c></row>"
                   "<row><c t=\"inlineStr\"><is><t>in</t></is></c><c t=\"str\"><f>A1</f><v>out</v></c><c><f>1+1</f><v>2</v></c><c><f>1</f></c></row>"),
              "plain||ri ch|a\rb\nTRUE|#N/A|9.9|1000\nin|out|2|\n");
}

TEST(xlsx_dates_follow_both_calendars_and_the_day_that_never_was) {
    CHECK_STR(xlsx("<row><c s=\"1\"><v>1</v></c><c s=\"1\"><v>59</v></c><c s=\"1\"><v>60</v></c><c s=\"1\"><v>61</v></c><c s=\"2\"><v>45351.75</v></c>"
                   "<c s=\"3\"><v>0.5</v></c><c><v>45351</v></c><c s=\"1\"><v>-5</v></c></row>"),
              "1900-01-01|1900-02-28|1900-02-29|1900-03-01|2024-02-29 18:00:00|12:00:00|45351|-5\n");
    glim_buf b = make((book){.workbook = "<workbook " MAIN " xmlns:r=\"" REL "\"><workbookPr date1904=\"1\"/><sheets><sheet name=\"x\" r:id=\"a\"/></sheets></workbook>",
                             .sheet = "<worksheet><sheetData><row><c s=\"1\"><v>0</v></c><c s=\"1\"><v>43889</v></c></row></sheetData></worksheet>"});
    CHECK_STR(rows_of(b.s, b.len, NULL), "1904-01-01|2024-02-29\n");
    glim_buf_free(&b);
}

TEST(xlsx_errors_name_sheet_and_cell) {
    CHECK_STR(xlsx("<row r=\"2\"><c r=\"B2\" t=\"s\"><v>7</v></c></row>"), "\"f\": sheet \"库存\", cell B2: shared text \"7\" does not exist; the workbook has 3");
    CHECK_STR(xlsx("<row r=\"2\"><c r=\"AA2\"><v>1x</v></c></row>"), "\"f\": sheet \"库存\", cell AA2: got \"1x\", want a number");
    CHECK(strstr(xlsx("<row r=\"2\"/><row r=\"2\"/>"), "a row says it is \"2\", want 3"));
    CHECK(strstr(xlsx("<row r=\"2\"><c r=\"B2\"/><c r=\"A2\"/></row>"), "a cell says it is \"A2\", want C2"));
    CHECK(strstr(xlsx("<row r=\"1\"><c r=\"A1\" t=\"zz\"><v>1</v></c></row>"), "cell A1: type \"zz\" is not known"));
    CHECK(strstr(xlsx("<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"2\"><c>"), "behind row 2"));
    CHECK(strstr(xlsx("<row r=\"1\"><c r=\"ZZZZ1\"><v>1</v></c></row>"), "ZZZZ1"));
}

TEST(xlsx_entities_bombs_and_half_files_are_refused) {
    glim_buf b = make((book){.sheet = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><worksheet><sheetData><row><c t=\"str\"><v>&b;</v></c></row></sheetData></worksheet>"});
    CHECK(strstr(rows_of(b.s, b.len, NULL), "declares a document type"));
    glim_buf_free(&b);
    /* 80 MiB of blanks pack into 80 KiB. */
    glim_buf big = {0};
    glim_buf_puts(&big, "<worksheet><sheetData>");
    glim_buf_reserve(&big, 80u << 20);
    memset(big.s + big.len, ' ', 80u << 20);
    big.len += 80u << 20;
    big.s[big.len] = 0;
    glim_buf_puts(&big, "</sheetData></worksheet>");
    b = make((book){.sheet = big.s});
    CHECK(b.len < 1u << 20);
    CHECK(strstr(rows_of(b.s, b.len, NULL), "zip bomb"));
    CHECK(strstr(rows_of(b.s, b.len, &(glim_table_params){.max_bytes = 1 << 20}), "unpacks to more than 1048576 bytes"));
    for (size_t n = 4; n < b.len; n += b.len / 37 + 1) CHECK(strstr(rows_of(b.s, n, NULL), "\"f\": "));
    glim_buf_free(&b);
    glim_buf_free(&big);
}

TEST(xlsx_merged_cells_and_formulas_are_stated_and_sheets_are_chosen_by_name) {
    glim_buf b = make((book){.sheet = "<worksheet><sheetData><row><c><f>1</f><v>1</v></c><c><f>2</f></c></row></sheetData><mergeCells><mergeCell ref=\"A1:C1\"/></mergeCells></worksheet>"});
    glim_table *t;
    glim_table_row row;
    glim_table_facts f;
    glim_err err = {0};
    bool more;
    CHECK_OK(glim_table_parse(&t, "f", b.s, b.len, &(glim_table_params){.sheet = "库存"}, &err), err);
    CHECK_OK(glim_table_next(t, &row, &more, &err), err);
    CHECK(more && row.cell[0].formula && row.cell[0].kind == GLIM_CELL_NUMBER && row.cell[1].formula && row.cell[1].kind == GLIM_CELL_EMPTY);
    CHECK_OK(glim_table_next(t, &row, &more, &err), err);
    glim_table_about(t, &f);
    CHECK(!more && f.n_merged == 1 && f.n_formulas == 1 && f.n_formulas_empty == 1 && f.n_sheets == 1 && f.n_rows == 1);
    CHECK_STR(f.merged[0], "A1:C1");
    glim_table_close(t);
    CHECK(glim_table_parse(&t, "f", b.s, b.len, &(glim_table_params){.sheet = "no"}, &err) == GLIM_E_NOT_FOUND && !t && strstr(err.hint, "库存"));
    glim_buf_free(&b);
}

/* As many rows as a sheet can have (GLIM_SOAK; a twentieth otherwise), cells in place and a bad one at the end: memory does not grow
 * with the rows, and the error names the cell. */
TEST(xlsx_a_million_rows_are_read_in_bounded_memory) {
    const size_t n = getenv("GLIM_SOAK") ? 1048576 : 50000;
    glim_buf sheet = {0};
    glim_buf_puts(&sheet, "<worksheet " MAIN "><sheetData>");
    for (size_t i = 1; i <= n; i++)
        glim_buf_printf(&sheet, "<row r=\"%zu\"><c r=\"A%zu\"><v>%zu</v></c><c r=\"B%zu\" t=\"inlineStr\"><is><t>商品 %zu</t></is></c><c r=\"C%zu\" t=\"s\"><v>%d</v></c></row>", i, i, i,
                        i, i * 7919 % 100003, i, i == n ? 99 : 0);
    glim_buf_puts(&sheet, "</sheetData></worksheet>");
    glim_buf b = make((book){.sheet = glim_buf_cstr(&sheet)});
    const size_t n_sheet = sheet.len;
    glim_buf_free(&sheet);
    glim_table *t;
    glim_table_row row;
    glim_err err = {0};
    bool more = true;
    double sum = 0;
    size_t n_read = 0, most = 0;
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    CHECK_OK(glim_table_parse(&t, "f", b.s, b.len, NULL, &err), err);
    while (glim_table_next(t, &row, &more, &err) == GLIM_OK && more) {
        n_read++;
        CHECK(row.n == 3 && row.cell[0].kind == GLIM_CELL_NUMBER && strcmp(row.cell[2].text, "plain") == 0);
        sum += row.cell[0].number;
        if (n_read % 4096 == 0 && mallinfo2().uordblks + mallinfo2().hblkhd > most) most = mallinfo2().uordblks + mallinfo2().hblkhd;
    }
    char want[64];
    snprintf(want, sizeof want, "C%zu", n);
    CHECK_MSG(n_read == n - 1 && fabs(sum - (double)(n - 1) * (double)n / 2) < 0.5, "%zu rows, sum %.0f", n_read, sum);
    CHECK_MSG(strstr(err.msg, want) && strstr(err.msg, "库存"), "got \"%s\"", err.msg);
    CHECK_MSG(most < before + (4u << 20), "%zu rows of %zu bytes took %zu KiB", n, n_sheet, (most - before) >> 10);
    glim_table_close(t);
    glim_buf_free(&b);
}

TEST(refused_allocations_leave_an_error) {
    glim_buf b = make((book){.sheet = "<worksheet><sheetData><row><c t=\"s\"><v>0</v></c></row></sheetData></worksheet>"});
    for (long k = 1; k < 60; k++) {
        glim_alloc_fail_after(k);
        const char *r = rows_of(b.s, b.len, NULL);
        glim_alloc_fail_after(0);
        CHECK(r);
    }
    glim_buf_free(&b);
}

/* ---- the shared sets ---- */

static bool read_data(glim_buf *b, const char *name) {
    glim_err err = {0};
    const char *path = glim_test_data(name);
    glim_buf_clear(b);
    return path && glim_file_read(b, path, 1 << 28, &err) == GLIM_OK;
}

TEST(csv_spectrum_is_read_exactly) {
    static const char *const names[] = {"comma_in_quotes", "empty", "empty_crlf", "escaped_quotes", "json", "location_coordinates",
                                        "newlines", "newlines_crlf", "quotes_and_newlines", "simple", "simple_crlf", "utf8"};
    glim_buf text = {0}, want = {0};
    if (!glim_test_data("csv-spectrum")) SKIP("csv-spectrum is missing");
    for (size_t i = 0; i < GLIM_COUNT(names); i++) {
        char name[128];
        glim_err err = {0};
        json_t *o;
        snprintf(name, sizeof name, "csv-spectrum/csvs/%s.csv", names[i]);
        CHECK(read_data(&text, name));
        snprintf(name, sizeof name, "csv-spectrum/json/%s.json", names[i]);
        CHECK(read_data(&want, name));
        CHECK_OK(glim_json_parse(&o, want.s, want.len, 0, &err), err);
        glim_table *t;
        glim_table_row row;
        bool more;
        char *head[16] = {0};
        CHECK_OK(glim_table_parse(&t, names[i], text.s, text.len, NULL, &err), err);
        CHECK_OK(glim_table_next(t, &row, &more, &err), err);
        size_t n = row.n;
        for (size_t c = 0; c < n && c < 16; c++) head[c] = glim_xstrdup(row.cell[c].text);
        size_t r = 0;
        for (;; r++) {
            CHECK_OK(glim_table_next(t, &row, &more, &err), err);
            if (!more) break;
            json_t *x = json_array_get(o, r);
            if (!json_is_array(o)) { /* location_coordinates: its JSON is one object of other values; only the shape is shared */
                CHECK(row.n == json_object_size(o) && json_object_get(o, head[r]));
                continue;
            }
            CHECK_MSG(x && json_object_size(x) == row.n, "%s row %zu", names[i], r);
            for (size_t c = 0; c < row.n; c++) {
                const char *s = json_string_value(json_object_get(x, head[c]));
                char lf[256];
                if (s && strcmp(names[i], "newlines_crlf") == 0) { /* its JSON has CR LF, the file of this set LF */
                    size_t k = 0;
                    for (const char *q = s; *q && k < sizeof lf - 1; q++)
                        if (*q != '\r') lf[k++] = *q;
                    lf[k] = 0;
                    s = lf;
                }
                CHECK_MSG(s && strcmp(s, row.cell[c].text) == 0, "%s row %zu: got \"%s\", want \"%s\"", names[i], r, row.cell[c].text, s ? s : "?");
            }
        }
        CHECK_MSG(r == (json_is_array(o) ? json_array_size(o) : 1), "%s: %zu rows, want %zu", names[i], r, json_array_size(o));
        for (size_t c = 0; c < n && c < 16; c++) free(head[c]);
        glim_table_close(t);
        json_decref(o);
    }
    glim_buf_free(&text);
    glim_buf_free(&want);
}

static bool unzip_data(glim_buf *b, const char *name) {
    const char *path = glim_test_data(name);
    if (!path) return false;
    char cmd[5000], buf[65536];
    snprintf(cmd, sizeof cmd, "gzip -dc '%s'", path);
    FILE *f = popen(cmd, "r");
    if (!f) return false;
    for (size_t k; (k = fread(buf, 1, sizeof buf, f)) > 0;) glim_buf_append(b, buf, k);
    return pclose(f) == 0 && b->len > 0;
}

/* Its first sheet lacks one of the CSV's columns, and the rows come in another order. */
TEST(the_same_thousand_rows_as_xlsx_and_csv_are_equal) {
    static const size_t column[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16};
    glim_buf a = {0}, b = {0};
    if (!read_data(&a, "spreadsheets/business/supermarket_sales.xlsx") || !unzip_data(&b, "spreadsheets/business/supermarket_Sales.csv.gz"))
        SKIP("spreadsheets/business or gzip is missing");
    glim_table *x, *c;
    glim_table_row p, q;
    glim_err err = {0};
    bool more;
    size_t n = 0, cells = 0, found = 0;
    static char want[1001][17][40];
    CHECK_OK(glim_table_parse(&c, "c", b.s, b.len, NULL, &err), err);
    for (;; n++) {
        CHECK_OK(glim_table_next(c, &q, &more, &err), err);
        if (!more) break;
        CHECK(n < 1001 && q.n == 17);
        for (size_t i = 0; i < q.n; i++) snprintf(want[n][i], sizeof want[n][i], "%s", q.cell[i].text);
    }
    CHECK(n == 1001);
    /* Its rows lie on three sheets, one a city. */
    for (int no = 1; no <= 3; no++) {
    char sheet[4] = {(char)('0' + no)};
    CHECK_OK(glim_table_parse(&x, "x", a.s, a.len, &(glim_table_params){.sheet = sheet}, &err), err);
    CHECK_OK(glim_table_next(x, &p, &more, &err), err);
    bool whole = p.n == 17;
    for (;;) {
        CHECK_OK(glim_table_next(x, &p, &more, &err), err);
        if (!more) break;
        CHECK(p.n >= 16);
        size_t r = 1;
        while (r < n && strcmp(want[r][0], p.cell[0].text) != 0) r++;
        CHECK_MSG(r < n, "invoice \"%s\" is not in the CSV", p.cell[0].text);
        found++;
        for (size_t i = 0; i < 16; i++, cells++) {
            const char *w = want[r][whole ? i : column[i]];
            int y, m, d;
            char iso[40];
            if (i == 10 && sscanf(w, "%d/%d/%d", &m, &d, &y) == 3) {
                snprintf(iso, sizeof iso, "%04d-%02d-%02d", y, m, d);
                CHECK_STR(p.cell[i].text, iso);
            } else if (i == 11) {
                CHECK(strncmp(p.cell[i].text, w, strlen(w)) == 0);
            } else if (p.cell[i].kind == GLIM_CELL_NUMBER) {
                CHECK_MSG(fabs(p.cell[i].number - atof(w)) <= 1e-9 * fabs(p.cell[i].number), "%s cell %zu: \"%s\" and \"%s\"", p.cell[0].text, i,
                          p.cell[i].text, w);
            } else {
                CHECK_STR(p.cell[i].text, w);
            }
        }
    }
    glim_table_close(x);
    }
    CHECK(found == 1000 && cells == 16000);
    glim_table_close(c);
    glim_buf_free(&a);
    glim_buf_free(&b);
}

TEST(every_workbook_of_the_shared_sets_is_read_to_its_end) {
    static const char *const folders[] = {"business", "calamine", "excel-functional", "readxl", "sheetjs-with-expected-csv"};
    if (!glim_test_data("spreadsheets")) SKIP("spreadsheets is missing");
    size_t n = 0, rows = 0;
    for (size_t i = 0; i < GLIM_COUNT(folders); i++) {
        char name[600];
        snprintf(name, sizeof name, "spreadsheets/%s", folders[i]);
        const char *path = glim_test_data(name);
        CHECK(path);
        char dir[4096];
        snprintf(dir, sizeof dir, "%s", path);
        DIR *d = opendir(dir);
        CHECK(d);
        for (struct dirent *e; (e = readdir(d));) {
            size_t len = strlen(e->d_name);
            if (len < 5 || strcmp(e->d_name + len - 5, ".xlsx") != 0) continue;
            char file[5000];
            snprintf(file, sizeof file, "%s/%s", dir, e->d_name);
            glim_table *t;
            glim_err err = {0};
            glim_status rc = glim_table_open(&t, file, NULL, &err);
            CHECK_MSG(rc == GLIM_OK, "%s", err.msg);
            glim_table_facts f;
            glim_table_about(t, &f);
            size_t n_sheets = f.n_sheets;
            glim_table_close(t);
            for (size_t s = 1; s <= n_sheets; s++) {
                char no[16];
                snprintf(no, sizeof no, "%zu", s);
                CHECK_OK(glim_table_open(&t, file, &(glim_table_params){.sheet = no}, &err), err);
                glim_table_row row;
                for (bool more = true; more; rows++) CHECK_OK(glim_table_next(t, &row, &more, &err), err);
                rows--;
                glim_table_close(t);
            }
            n++;
        }
        closedir(d);
    }
    printf("    %zu workbooks, %zu rows\n", n, rows);
    CHECK(n >= 100 && rows > 1000);
}

TEST(schemas_are_guessed_from_names_and_values_and_corrected) {
    static const char text[] = "编号,name,单价,cost,added,wireless,colour,stock,note\n"
                               "007,lamp,\"¥1,299.00\",$5,2024-02-29,是,red,3,first\n008,desk,99元,$6.50,2024/3/1,否,blue,0,\n"
                               "009,chair,¥5,$7,2024年3月2日,有,red,12,n/a\n010,table,6元,$8,2024-03-02 10:30,无,blue,4,last one\n";
    static const char *const want[] = {"identifier", "text", "money", "money", "date", "boolean", "category", "number", "text"};
    glim_table *t;
    glim_table_row row;
    glim_table_schema *s;
    glim_err err = {0};
    bool more;
    CHECK_OK(glim_table_parse(&t, "f", text, sizeof text - 1, NULL, &err), err);
    CHECK_OK(glim_table_next(t, &row, &more, &err), err);
    CHECK_OK(glim_table_schema_new(&s, &row, &err), err);
    for (;;) {
        CHECK_OK(glim_table_next(t, &row, &more, &err), err);
        if (!more) break;
        CHECK_OK(glim_table_schema_see(s, &row, &err), err);
    }
    glim_table_schema_guess(s);
    CHECK(glim_table_schema_n(s) == 9);
    for (size_t i = 0; i < 9; i++) CHECK_STR(glim_column_type_name(glim_table_schema_column(s, i)->type), want[i]);
    CHECK_STR(glim_table_schema_column(s, 2)->currency, "¥");
    CHECK_OK(glim_table_schema_correct(s, "stock", "category", &err), err);
    CHECK(glim_table_schema_correct(s, "note", "number", &err) == GLIM_E_FORMAT && strstr(err.msg, "row 2: \"first\""));
    CHECK(glim_table_schema_correct(s, "nothing", "number", &err) == GLIM_E_NOT_FOUND);
    CHECK(glim_table_schema_correct(s, "note", "colour", &err) == GLIM_E_ARG && err.hint[0]);
    glim_table_schema_guess(s);
    CHECK(glim_table_schema_column(s, 7)->type == GLIM_COLUMN_CATEGORY && glim_table_schema_column(s, 7)->corrected);
    glim_buf b = {0};
    json_t *o;
    glim_table_schema_json(&b, s);
    CHECK_OK(glim_json_parse(&o, b.s, b.len, 0, &err), err);
    CHECK(json_array_size(o) == 9);
    json_decref(o);
    glim_buf_free(&b);
    glim_table_schema_free(s);
    glim_table_close(t);
}

TEST(values_are_read_as_people_write_them_and_nothing_else_is) {
    double v;
    bool b;
    char s[32];
    CHECK(glim_value_number("1,234.5", &v) && v == 1234.5);
    CHECK(glim_value_number(" -3 ", &v) && v == -3);
    CHECK(glim_value_number("12.5%", &v) && v == 0.125);
    CHECK(!glim_value_number("1,23", &v) && !glim_value_number("1,2345", &v) && !glim_value_number("12-3", &v) && !glim_value_number("", &v));
    CHECK(!glim_value_number("0x10", &v) && !glim_value_number("nan", &v) && !glim_value_number("1e", &v));
    CHECK(glim_value_money("-$1,000", &v, s) && v == -1000 && strcmp(s, "$") == 0);
    CHECK(glim_value_money("EUR 3.50", &v, s) && v == 3.5 && strcmp(s, "EUR") == 0);
    CHECK(!glim_value_money("5", &v, s) && !glim_value_money("元", &v, s) && !glim_value_money("$ off", &v, s));
    CHECK(glim_value_date("2024/2/29", s) && strcmp(s, "2024-02-29") == 0);
    CHECK(glim_value_date("2024-02-29T08:05", s) && strcmp(s, "2024-02-29 08:05:00") == 0);
    CHECK(!glim_value_date("2023-02-29", s) && !glim_value_date("2024-13-01", s) && !glim_value_date("2024-02-29x", s) && !glim_value_date("20240229", s));
    CHECK(glim_value_bool("是", &b) && b && glim_value_bool("No", &b) && !b && !glim_value_bool("maybe", &b));
}
