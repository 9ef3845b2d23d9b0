/* table_zip.c - parts of a package, unpacked within limits, and their XML.
 *
 * What a package says about its own sizes is not believed: bytes are counted as they come out. A part may swell to
 * max_bytes, and beyond 64 MiB to at most 400 times what is stored (a sheet of one million equal rows packs about 100 to
 * 1; bombs about 1000 to 1). A document type is refused before anything in it is read, so there are no entities. */
#include <stdio.h>
#include <string.h>

#include "data/table_xlsx_internal.h"

enum { FREE_BYTES = 64 << 20, MAX_RATIO = 400 };

glim_status glim_part_open(glim_part *p, zip_t *z, const char *name, uint64_t max_bytes, bool *found, glim_err *err) {
    *p = (glim_part){.name = name, .max_bytes = max_bytes};
    zip_int64_t i = zip_name_locate(z, name, ZIP_FL_NOCASE);
    *found = i >= 0;
    if (i < 0) return GLIM_OK;
    zip_stat_t st;
    if (zip_stat_index(z, (zip_uint64_t)i, 0, &st) != 0) return glim_fail(err, GLIM_E_FORMAT, "part \"%s\": %s", name, zip_strerror(z));
    p->n_packed = st.valid & ZIP_STAT_COMP_SIZE ? st.comp_size : 0;
    if (st.valid & ZIP_STAT_ENCRYPTION_METHOD && st.encryption_method != ZIP_EM_NONE)
        return glim_fail(err, GLIM_E_UNSUPPORTED, "part \"%s\" is encrypted", name);
    p->f = zip_fopen_index(z, (zip_uint64_t)i, 0);
    if (!p->f) return glim_fail(err, GLIM_E_FORMAT, "part \"%s\": %s", name, zip_strerror(z));
    return GLIM_OK;
}

glim_status glim_part_read(glim_part *p, char *buf, size_t cap, size_t *got, glim_err *err) {
    zip_int64_t k = zip_fread(p->f, buf, cap);
    *got = 0;
    if (k < 0) return glim_fail(err, GLIM_E_FORMAT, "part \"%s\" is damaged: %s", p->name, zip_file_strerror(p->f));
    p->n_read += (uint64_t)k;
    if (p->n_read > p->max_bytes)
        return glim_fail(err, GLIM_E_LIMIT, "part \"%s\" unpacks to more than %llu bytes", p->name, (unsigned long long)p->max_bytes);
    if (p->n_read > FREE_BYTES && p->n_read / MAX_RATIO > p->n_packed)
        return glim_fail(err, GLIM_E_LIMIT, "part \"%s\" unpacks to more than %d times its %llu bytes, as a zip bomb does", p->name, MAX_RATIO,
                         (unsigned long long)p->n_packed);
    *got = (size_t)k;
    return GLIM_OK;
}

void glim_part_close(glim_part *p) {
    if (p->f) zip_fclose(p->f);
    p->f = NULL;
}

static void refuse_doctype(void *ctx, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int internal) {
    (void)sysid, (void)pubid, (void)internal;
    /* The user data of the parser is the reader's; the glim_xml is found through it (see glim_xml_open). */
    glim_xml *x = *(glim_xml **)ctx;
    x->rc = glim_fail(&x->err, GLIM_E_FORMAT, "part \"%s\" declares a document type (\"%s\"), which no workbook needs", x->part.name, name);
    glim_xml_stop(x);
}

glim_status glim_xml_open(glim_xml *x, zip_t *z, const char *name, uint64_t max_bytes, bool *found, void *ctx, XML_StartElementHandler start,
                          XML_EndElementHandler end, XML_CharacterDataHandler text, glim_err *err) {
    *x = (glim_xml){0};
    glim_status rc = glim_part_open(&x->part, z, name, max_bytes, found, err);
    if (rc != GLIM_OK || !*found) return rc;
    x->parser = XML_ParserCreate(NULL);
    if (!x->parser) {
        glim_part_close(&x->part);
        return glim_fail(err, GLIM_E_NOMEM, "could not allocate a reader of XML");
    }
    XML_SetUserData(x->parser, ctx);
    XML_SetElementHandler(x->parser, start, end);
    XML_SetCharacterDataHandler(x->parser, text);
    XML_SetStartDoctypeDeclHandler(x->parser, refuse_doctype);
    return GLIM_OK;
}

void glim_xml_stop(glim_xml *x) { XML_StopParser(x->parser, XML_FALSE); }

glim_status glim_xml_step(glim_xml *x, glim_err *err) {
    XML_ParsingStatus at;
    XML_GetParsingStatus(x->parser, &at);
    if (at.parsing == XML_FINISHED) {
        x->at_end = true;
        return GLIM_OK;
    }
    enum XML_Status s = XML_STATUS_OK;
    bool resumed = at.parsing == XML_SUSPENDED;
    if (resumed) s = XML_ResumeParser(x->parser);
    else {
        void *buf = XML_GetBuffer(x->parser, 65536);
        if (!buf) return glim_fail(err, GLIM_E_NOMEM, "could not allocate a buffer for XML");
        size_t got;
        glim_status rc = glim_part_read(&x->part, buf, 65536, &got, err);
        if (rc != GLIM_OK) return rc;
        s = XML_ParseBuffer(x->parser, (int)got, got == 0);
        x->at_end = got == 0 && s == XML_STATUS_OK;
    }
    if (s == XML_STATUS_ERROR) {
        if (x->rc != GLIM_OK) {
            if (err) *err = x->err;
            return x->rc;
        }
        return glim_fail(err, GLIM_E_FORMAT, "part \"%s\", line %lu: %s", x->part.name, (unsigned long)XML_GetCurrentLineNumber(x->parser),
                         XML_ErrorString(XML_GetErrorCode(x->parser)));
    }
    return GLIM_OK;
}

void glim_xml_close(glim_xml *x) {
    if (x->parser) XML_ParserFree(x->parser);
    glim_part_close(&x->part);
    *x = (glim_xml){0};
}

const char *glim_xml_local(const char *name) {
    const char *c = strrchr(name, ':');
    return c ? c + 1 : name;
}

const char *glim_xml_attr(const char **atts, const char *local) {
    for (size_t i = 0; atts[i]; i += 2)
        if (strcmp(glim_xml_local(atts[i]), local) == 0) return atts[i + 1];
    return NULL;
}

static int hex4(const char *s) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = s[i], d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

void glim_xml_unescape(glim_buf *out, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        int v;
        if (s[i] == '_' && n - i >= 7 && s[i + 1] == 'x' && s[i + 6] == '_' && (v = hex4(s + i + 2)) > 0 && (v < 0xd800 || v > 0xdfff)) {
            char u[4];
            int k = v < 0x80 ? 1 : v < 0x800 ? 2 : 3;
            if (k == 1) u[0] = (char)v;
            else if (k == 2) u[0] = (char)(0xc0 | v >> 6), u[1] = (char)(0x80 | (v & 63));
            else u[0] = (char)(0xe0 | v >> 12), u[1] = (char)(0x80 | ((v >> 6) & 63)), u[2] = (char)(0x80 | (v & 63));
            glim_buf_append(out, u, (size_t)k);
            i += 7;
        } else {
            glim_buf_putc(out, s[i++]);
        }
    }
}

void glim_xml_trim(const char **s, size_t *n) {
    while (*n && strchr(" \t\r\n", **s)) (*s)++, (*n)--;
    while (*n && strchr(" \t\r\n", (*s)[*n - 1])) (*n)--;
}
