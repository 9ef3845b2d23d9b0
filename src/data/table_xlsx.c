/* table_xlsx.c - a workbook: which parts it has, its sheets, shared texts and cell formats.
 *
 * The way from the package to a sheet is the one the standard gives (ECMA-376 part 2): _rels/.rels names the workbook, its
 * own .rels the sheets; file names mean nothing. Chart sheets and dialogs hold no rows and are left out of the list. */
#include <stdlib.h>
#include <string.h>

#include "data/table_xlsx_internal.h"

enum { MAX_SHEETS = 4096, MAX_PATH = 1024, MAX_STYLES = 65536, MAX_TEXT = 1 << 20, SMALL_PART = 16 << 20, MAX_ENTRIES = 100000 };

/* ---- small parts, read whole: a walk with one handler set ---- */

typedef struct walk {
    glim_xml *xml; /* first: refuse_doctype finds it here */
    glim_xml own;
    glim_xlsx *x;
    const char *base;     /* the folder targets are relative to */
    const char *want;     /* the kind of relation sought: how its type ends */
    char *target;         /* found: its target */
    bool in_si, in_t, in_phonetic, keep_space, in_formats;
    glim_buf text;        /* of the <t> in hand */
    /* styles */
    struct { int id; bool is_date; } *formats;
    size_t n_formats, cap_formats;
} walk;

static void fail_walk(walk *w, glim_status rc) {
    w->own.rc = rc;
    glim_xml_stop(&w->own);
}

static glim_status run_walk(walk *w, zip_t *z, const char *part, uint64_t max_bytes, bool *found, XML_StartElementHandler start,
                            XML_EndElementHandler end, XML_CharacterDataHandler text, glim_err *err) {
    w->xml = &w->own;
    glim_status rc = glim_xml_open(&w->own, z, part, max_bytes, found, w, start, end, text, err);
    while (rc == GLIM_OK && *found && !w->own.at_end) rc = glim_xml_step(&w->own, err);
    glim_xml_close(&w->own);
    return rc;
}

static void no_end(void *ctx, const char *name) { (void)ctx, (void)name; }
static void no_text(void *ctx, const char *s, int n) { (void)ctx, (void)s, (void)n; }

/* base "xl" and target "worksheets/a.xml", "../x.xml" or "/xl/a.xml" to a name in the package; NULL if it leaves it. */
static char *resolve(const char *base, const char *target) {
    char out[MAX_PATH + 1];
    size_t n = 0;
    if (strlen(target) > MAX_PATH / 2 || strlen(base) > MAX_PATH / 2) return NULL;
    if (*target != '/') {
        n = strlen(base);
        memcpy(out, base, n);
    }
    for (const char *p = target; *p;) {
        while (*p == '/') p++;
        const char *e = strchrnul(p, '/');
        size_t k = (size_t)(e - p);
        if (k == 2 && memcmp(p, "..", 2) == 0) {
            if (n == 0) return NULL;
            while (n > 0 && out[--n] != '/') {}
        } else if (k > 0 && !(k == 1 && *p == '.')) {
            if (n) out[n++] = '/';
            memcpy(out + n, p, k);
            n += k;
        }
        p = e;
    }
    out[n] = 0;
    return glim_xstrdup(out);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static void on_root_rel(void *ctx, const char *name, const char **atts) {
    walk *w = ctx;
    if (strcmp(glim_xml_local(name), "Relationship") != 0 || w->target) return;
    const char *type = glim_xml_attr(atts, "Type"), *target = glim_xml_attr(atts, "Target");
    if (type && target && ends_with(type, "/officeDocument")) w->target = resolve("", target);
}

static void on_workbook(void *ctx, const char *name, const char **atts) {
    walk *w = ctx;
    glim_xlsx *x = w->x;
    const char *local = glim_xml_local(name);
    if (strcmp(local, "workbookPr") == 0) {
        const char *v = glim_xml_attr(atts, "date1904");
        x->calendar_1904 = v && (strcmp(v, "1") == 0 || strcmp(v, "true") == 0);
    } else if (strcmp(local, "sheet") == 0) {
        const char *sheet = glim_xml_attr(atts, "name"), *rel = NULL;
        for (size_t i = 0; atts[i]; i += 2) /* r:id, under whatever prefix; plain "id" is another attribute's name */
            if (strchr(atts[i], ':') && strcmp(glim_xml_local(atts[i]), "id") == 0) rel = atts[i + 1];
        if (!sheet || !rel) return;
        if (x->n_sheets == MAX_SHEETS) {
            fail_walk(w, glim_fail(&w->own.err, GLIM_E_LIMIT, "the workbook has more than %d sheets", MAX_SHEETS));
            return;
        }
        x->sheets = glim_xrealloc(x->sheets, (x->n_sheets + 1) * sizeof *x->sheets);
        x->sheets[x->n_sheets++] = (glim_xlsx_sheet_name){.name = glim_xstrdup(sheet), .rel = glim_xstrdup(rel)};
    }
}

static void on_workbook_rel(void *ctx, const char *name, const char **atts) {
    walk *w = ctx;
    if (strcmp(glim_xml_local(name), "Relationship") != 0) return;
    const char *type = glim_xml_attr(atts, "Type"), *target = glim_xml_attr(atts, "Target"), *id = glim_xml_attr(atts, "Id");
    if (!type || !target || !id) return;
    if (ends_with(type, "/worksheet")) {
        for (size_t i = 0; i < w->x->n_sheets; i++)
            if (!w->x->sheets[i].part && strcmp(w->x->sheets[i].rel, id) == 0) w->x->sheets[i].part = resolve(w->base, target);
    } else if (w->want && ends_with(type, w->want) && !w->target) {
        w->target = resolve(w->base, target);
    }
}

/* ---- shared texts ---- */

static glim_status push_text(glim_xlsx *x, glim_err *err) {
    if (x->n_texts + 2 > x->cap_texts) {
        glim_status rc = glim_try_grow(&x->text_at, &x->cap_texts, 1024, sizeof *x->text_at, "shared texts", err);
        if (rc != GLIM_OK) return rc;
    }
    glim_buf_putc(&x->texts, 0);
    x->text_at[++x->n_texts] = x->texts.len;
    if (x->texts.len > x->max_texts)
        return glim_fail(err, GLIM_E_LIMIT, "the shared texts hold more than %llu bytes", (unsigned long long)x->max_texts);
    return glim_buf_status(&x->texts, "shared texts", err);
}

static void on_text_start(void *ctx, const char *name, const char **atts) {
    walk *w = ctx;
    const char *local = glim_xml_local(name);
    if (strcmp(local, "si") == 0) w->in_si = true, w->in_phonetic = false;
    else if (strcmp(local, "rPh") == 0) w->in_phonetic = true; /* how to pronounce it, not part of it */
    else if (strcmp(local, "t") == 0 && w->in_si && !w->in_phonetic) {
        const char *space = glim_xml_attr(atts, "space");
        w->in_t = true;
        w->keep_space = space && strcmp(space, "preserve") == 0;
        glim_buf_clear(&w->text);
    }
}

static void on_text_end(void *ctx, const char *name) {
    walk *w = ctx;
    const char *local = glim_xml_local(name);
    if (strcmp(local, "rPh") == 0) w->in_phonetic = false;
    else if (strcmp(local, "t") == 0 && w->in_t) {
        const char *s = glim_buf_cstr(&w->text);
        size_t n = w->text.len;
        if (!w->keep_space) glim_xml_trim(&s, &n);
        glim_xml_unescape(&w->x->texts, s, n);
        w->in_t = false;
    } else if (strcmp(local, "si") == 0 && w->in_si) {
        w->in_si = false;
        glim_status rc = push_text(w->x, &w->own.err);
        if (rc != GLIM_OK) fail_walk(w, rc);
    }
}

static void on_text(void *ctx, const char *s, int n) {
    walk *w = ctx;
    if (!w->in_t) return;
    glim_buf_append(&w->text, s, (size_t)n);
    if (w->text.len > MAX_TEXT)
        fail_walk(w, glim_fail(&w->own.err, GLIM_E_LIMIT, "shared text %zu is longer than %d bytes", w->x->n_texts + 1, MAX_TEXT));
}

/* ---- cell formats ---- */

static void on_style(void *ctx, const char *name, const char **atts) {
    walk *w = ctx;
    glim_xlsx *x = w->x;
    const char *local = glim_xml_local(name);
    if (strcmp(local, "numFmt") == 0) {
        const char *id = glim_xml_attr(atts, "numFmtId"), *code = glim_xml_attr(atts, "formatCode");
        if (!id || !code || w->n_formats == MAX_STYLES) return;
        if (w->n_formats == w->cap_formats) {
            w->cap_formats = w->cap_formats ? 2 * w->cap_formats : 64;
            w->formats = glim_xrealloc(w->formats, w->cap_formats * sizeof *w->formats);
        }
        w->formats[w->n_formats].id = atoi(id);
        w->formats[w->n_formats++].is_date = glim_date_format(atoi(id), code);
    } else if (strcmp(local, "cellXfs") == 0) {
        w->in_formats = true;
    } else if (strcmp(local, "xf") == 0 && w->in_formats) {
        const char *id = glim_xml_attr(atts, "numFmtId");
        int k = id ? atoi(id) : 0;
        bool is_date = glim_date_format(k, NULL);
        for (size_t i = 0; i < w->n_formats; i++)
            if (w->formats[i].id == k) is_date = w->formats[i].is_date;
        if (x->n_styles == MAX_STYLES) {
            fail_walk(w, glim_fail(&w->own.err, GLIM_E_LIMIT, "the workbook has more than %d cell formats", MAX_STYLES));
            return;
        }
        x->is_date = glim_xrealloc(x->is_date, (x->n_styles + 1) * sizeof *x->is_date);
        x->is_date[x->n_styles++] = is_date;
    }
}

static void on_style_end(void *ctx, const char *name) {
    if (strcmp(glim_xml_local(name), "cellXfs") == 0) ((walk *)ctx)->in_formats = false;
}

/* ---- opening ---- */

/* "xl/workbook.xml" to its folder "xl" and "xl/_rels/workbook.xml.rels". */
static void beside(const char *part, char *folder, char *rels) {
    const char *slash = strrchr(part, '/');
    size_t n = slash ? (size_t)(slash - part) : 0;
    memcpy(folder, part, n);
    folder[n] = 0;
    snprintf(rels, MAX_PATH * 2, "%s%s_rels/%s.rels", folder, n ? "/" : "", slash ? slash + 1 : part);
}

static glim_status read_workbook(glim_xlsx *x, glim_err *err) {
    bool found;
    walk w = {.x = x};
    glim_status rc = run_walk(&w, x->z, "_rels/.rels", SMALL_PART, &found, on_root_rel, no_end, no_text, err);
    char *workbook = w.target;
    if (rc == GLIM_OK && !workbook) {
        rc = glim_fail(err, GLIM_E_FORMAT, "this zip file is no workbook: nothing in \"_rels/.rels\" names one");
        glim_err_hint(err, "want a file saved by Excel or an office program as .xlsx");
    }
    if (rc != GLIM_OK) {
        free(workbook);
        return rc;
    }
    char folder[MAX_PATH + 1], rels[2 * MAX_PATH];
    beside(workbook, folder, rels);
    walk book = {.x = x};
    rc = run_walk(&book, x->z, workbook, SMALL_PART, &found, on_workbook, no_end, no_text, err);
    if (rc == GLIM_OK && !found) rc = glim_fail(err, GLIM_E_FORMAT, "part \"%s\" is missing", workbook);
    walk rel = {.x = x, .base = folder, .want = "/sharedStrings"};
    if (rc == GLIM_OK) rc = run_walk(&rel, x->z, rels, SMALL_PART, &found, on_workbook_rel, no_end, no_text, err);
    if (rc == GLIM_OK && !found) rc = glim_fail(err, GLIM_E_FORMAT, "part \"%s\" is missing", rels);
    char *strings = rel.target;
    if (rc == GLIM_OK && strings) {
        x->text_at = glim_xcalloc(x->cap_texts = 64, sizeof *x->text_at);
        walk t = {.x = x};
        rc = run_walk(&t, x->z, strings, x->max_bytes, &found, on_text_start, on_text_end, on_text, err);
        glim_buf_free(&t.text);
    }
    free(strings);
    walk rel2 = {.x = x, .base = folder, .want = "/styles"};
    if (rc == GLIM_OK) rc = run_walk(&rel2, x->z, rels, SMALL_PART, &found, on_workbook_rel, no_end, no_text, err);
    if (rc == GLIM_OK && rel2.target) {
        walk s = {.x = x};
        rc = run_walk(&s, x->z, rel2.target, x->max_bytes, &found, on_style, on_style_end, no_text, err);
        free(s.formats);
    }
    free(rel2.target);
    free(workbook);
    return rc;
}

/* Keeps the sheets that are worksheets. */
static void drop_others(glim_xlsx *x) {
    size_t n = 0;
    for (size_t i = 0; i < x->n_sheets; i++) {
        if (x->sheets[i].part) {
            x->sheets[n++] = x->sheets[i];
        } else {
            free(x->sheets[i].name);
            free(x->sheets[i].rel);
        }
    }
    x->n_sheets = n;
    x->names = glim_xcalloc(n + 1, sizeof *x->names);
    for (size_t i = 0; i < n; i++) x->names[i] = x->sheets[i].name;
}

static glim_status choose_sheet(glim_xlsx *x, const char *want, glim_err *err) {
    if (x->n_sheets == 0) return glim_fail(err, GLIM_E_FORMAT, "the workbook has no worksheet");
    if (!want) return GLIM_OK;
    for (size_t i = 0; i < x->n_sheets; i++)
        if (strcmp(x->sheets[i].name, want) == 0) {
            x->sheet = i;
            return GLIM_OK;
        }
    char *end;
    unsigned long k = strtoul(want, &end, 10);
    if (*want && !*end && k >= 1 && k <= x->n_sheets) {
        x->sheet = k - 1;
        return GLIM_OK;
    }
    glim_buf names = {0};
    for (size_t i = 0; i < x->n_sheets && i < 12; i++) glim_buf_printf(&names, "%s\"%s\"", i ? ", " : "", x->sheets[i].name);
    glim_status rc = glim_fail(err, GLIM_E_NOT_FOUND, "there is no sheet \"%s\"", want);
    glim_err_hint(err, "the sheets are %s%s", glim_buf_cstr(&names), x->n_sheets > 12 ? ", ..." : "");
    glim_buf_free(&names);
    return rc;
}

/* Without a wish: the first sheet that has a row with something in it. */
static glim_status first_with_rows(glim_xlsx *x, glim_err *err) {
    glim_rowbuf row = {0};
    glim_status rc = GLIM_OK;
    size_t chosen = 0;
    bool any = false;
    for (size_t i = 0; rc == GLIM_OK && i < x->n_sheets && !any; i++) {
        x->sheet = i;
        rc = glim_xlsx_begin(x, err);
        bool more = rc == GLIM_OK;
        size_t line;
        if (more) rc = glim_xlsx_next(x, &row, &line, &more, err);
        if (rc == GLIM_OK && more) any = true, chosen = i;
    }
    glim_rowbuf_free(&row);
    x->sheet = any ? chosen : 0;
    return rc;
}

glim_status glim_xlsx_open(glim_xlsx **out, const char *path, const void *bytes, size_t n, const glim_table_params *p, glim_err *err) {
    (void)path;
    glim_xlsx *x = glim_xcalloc(1, sizeof *x);
    x->max_bytes = p->max_bytes ? p->max_bytes : (uint64_t)4 << 30;
    x->max_texts = p->max_texts ? p->max_texts : (uint64_t)512 << 20;
    zip_error_t ze;
    zip_error_init(&ze);
    zip_source_t *src = zip_source_buffer_create(bytes, n, 0, &ze);
    x->z = src ? zip_open_from_source(src, ZIP_RDONLY, &ze) : NULL;
    glim_status rc = GLIM_OK;
    if (!x->z) {
        if (src) zip_source_free(src);
        rc = glim_fail(err, GLIM_E_FORMAT, "not a whole zip file: %s", zip_error_strerror(&ze));
        glim_err_hint(err, "the file is damaged or was cut off; copy or save it again");
    }
    zip_error_fini(&ze);
    if (rc == GLIM_OK && zip_get_num_entries(x->z, 0) > MAX_ENTRIES)
        rc = glim_fail(err, GLIM_E_LIMIT, "the package has %lld parts, want at most %d", (long long)zip_get_num_entries(x->z, 0), MAX_ENTRIES);
    if (rc == GLIM_OK) rc = read_workbook(x, err);
    if (rc == GLIM_OK) {
        drop_others(x);
        rc = choose_sheet(x, p->sheet, err);
    }
    if (rc == GLIM_OK && !p->sheet) rc = first_with_rows(x, err);
    if (rc == GLIM_OK) rc = glim_xlsx_begin(x, err);
    if (rc != GLIM_OK) {
        glim_xlsx_close(x);
        return rc;
    }
    *out = x;
    return GLIM_OK;
}

void glim_xlsx_about(const glim_xlsx *x, glim_table_facts *f) {
    f->sheet = x->sheets[x->sheet].name;
    f->sheets = x->names;
    f->n_sheets = x->n_sheets;
    f->merged = (const char *const *)x->merged;
    f->n_merged = x->n_merged;
    f->n_formulas = x->n_formulas;
    f->n_formulas_empty = x->n_formulas_empty;
}

void glim_xlsx_close(glim_xlsx *x) {
    if (!x) return;
    glim_xml_close(&x->xml);
    for (size_t i = 0; i < x->n_sheets; i++) {
        free(x->sheets[i].name);
        free(x->sheets[i].rel);
        free(x->sheets[i].part);
    }
    for (size_t i = 0; i < x->n_merged; i++) free(x->merged[i]);
    free(x->merged);
    free(x->sheets);
    free(x->names);
    glim_buf_free(&x->texts);
    glim_buf_free(&x->value);
    free(x->text_at);
    free(x->is_date);
    if (x->z) zip_discard(x->z);
    free(x);
}
