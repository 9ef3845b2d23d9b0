/* sense.c - see sense.h. */
#include "know/sense.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

static const char DEFAULT_KIND[] = "intent";

struct glim_senses {
    glim_sense sense;
    glim_intent *owned;
    const glim_intent *m;
    glim_intent_work *work;
};

/* Where the meaning begins in a label of this kind; NULL: it is of another. */
static const char *meaning(const char *label, const char *kind) {
    const char *colon = strchr(label, ':');
    const size_t n = strlen(kind);
    if (!colon) return strcmp(kind, DEFAULT_KIND) == 0 ? label : NULL;
    return (size_t)(colon - label) == n && memcmp(label, kind, n) == 0 ? colon + 1 : NULL;
}

static glim_status ask(void *ctx, const char *kind, const char *text, size_t n, float *p, glim_err *err) {
    glim_senses *s = ctx;
    glim_intent_guess g;
    const glim_status rc = glim_intent_ask(s->m, s->work, text, n, &g, p, err);
    double all = 0;
    for (size_t i = 0; rc == GLIM_OK && i < s->sense.n; i++) {
        const char *label = glim_intent_label(s->m, i), *what = meaning(label, kind);
        if (what) all += (double)p[i];
        /* What has no meaning counts in the sum, and is nobody's. */
        if (!what || strcmp(what, "none") == 0 || strcmp(what, "other") == 0 || strcmp(what, GLIM_INTENT_OOS) == 0) p[i] = 0;
    }
    for (size_t i = 0; rc == GLIM_OK && i < s->sense.n; i++) p[i] = all > 0 ? (float)((double)p[i] / all) : 0;
    if (rc == GLIM_OK && g.oos && g.p >= 1) p[0] = -1; /* no known feature */
    return rc;
}

glim_status glim_senses_of(glim_senses **out, const glim_intent *m, glim_err *err) {
    glim_senses *s;
    void *mem;
    *out = NULL;
    glim_status rc = glim_try_calloc(&mem, 1, sizeof *s, "a reader of senses", err);
    if (rc != GLIM_OK) return rc;
    s = mem;
    *s = (glim_senses){.sense = {.n = glim_intent_n_labels(m), .read = ask, .ctx = s}, .m = m, .work = glim_intent_work_new(m, err)};
    if (s->work) *out = s;
    else free(s);
    return *out ? GLIM_OK : GLIM_E_NOMEM;
}

glim_status glim_senses_open(glim_senses **out, const glim_gguf *g, glim_err *err) {
    const glim_gguf_kv *kv = g ? glim_gguf_find(g, GLIM_SENSES_KEY) : NULL;
    glim_intent *m = NULL;
    *out = NULL;
    if (!kv) return GLIM_OK;
    glim_status rc = kv->type == GLIM_GGUF_ARRAY && kv->item == GLIM_GGUF_U8
                         ? glim_intent_parse(&m, kv->data, kv->n_bytes, err)
                         : glim_fail(err, GLIM_E_FORMAT, "got %s of %s, want an array of u8", glim_gguf_type_name(kv->type), glim_gguf_type_name(kv->item));
    if (rc == GLIM_OK) rc = glim_senses_of(out, m, err);
    if (rc == GLIM_OK) (*out)->owned = m;
    else {
        glim_intent_free(m);
        glim_err_context(err, "key \"%s\"", GLIM_SENSES_KEY);
    }
    return rc;
}

void glim_senses_free(glim_senses *s) {
    if (!s) return;
    glim_intent_work_free(s->work);
    glim_intent_free(s->owned);
    free(s);
}

const glim_sense *glim_senses_sense(glim_senses *s) { return s ? &s->sense : NULL; }

/* Each label is of a known kind, and each kind that is there has two: of one alone every text would be that. */
static glim_status check_kinds(const glim_intent *m, glim_err *err) {
    static const char *const kinds[] = {"intent", "tool", "column"};
    size_t known = 0;
    for (size_t k = 0; k < GLIM_COUNT(kinds); k++) {
        size_t n = 0;
        for (size_t i = 0; i < glim_intent_n_labels(m); i++) n += meaning(glim_intent_label(m, i), kinds[k]) != NULL;
        if (n == 1) {
            glim_fail(err, GLIM_E_ARG, "there is one label of the kind \"%s\", want two or none", kinds[k]);
            glim_err_hint(err, "give it examples of \"%s:none\", which have none of its meanings", kinds[k]);
            return GLIM_E_ARG;
        }
        known += n;
    }
    for (size_t i = 0; i < glim_intent_n_labels(m) && known < glim_intent_n_labels(m); i++) {
        const char *label = glim_intent_label(m, i);
        bool some = false;
        for (size_t k = 0; k < GLIM_COUNT(kinds); k++) some |= meaning(label, kinds[k]) != NULL;
        if (!some) return glim_fail(err, GLIM_E_ARG, "label \"%.80s\": its kind is none of intent, tool and column", label);
    }
    return GLIM_OK;
}

/* out [tensors of g] lives until the writer is done. */
static glim_status copy(glim_gguf_writer *w, const glim_gguf *g, const glim_buf *senses, glim_tensor_out *out, glim_err *err) {
    uint64_t n_files;
    glim_status rc = glim_gguf_u64(g, "split.count", 1, &n_files, err);
    if (rc == GLIM_OK && n_files > 1) {
        rc = glim_fail(err, GLIM_E_UNSUPPORTED, "the model is one of %llu files, want it in one", (unsigned long long)n_files);
        glim_err_hint(err, "glim quantize writes one file unless it is told otherwise");
    }
    for (size_t i = 0; rc == GLIM_OK && i < glim_gguf_n_keys(g); i++)
        if (strcmp(glim_gguf_key(g, i)->key, GLIM_SENSES_KEY) != 0) rc = glim_gguf_put_copy(w, glim_gguf_key(g, i), err);
    if (rc == GLIM_OK) rc = glim_gguf_put_array(w, GLIM_SENSES_KEY, GLIM_GGUF_U8, senses->s, senses->len, err);
    for (size_t i = 0; rc == GLIM_OK && i < glim_gguf_n_tensors(g); i++) {
        const glim_tensor *t = glim_gguf_tensor(g, i);
        out[i] = (glim_tensor_out){.name = t->name, .type = t->type, .n_dims = t->n_dims, .data = t->data};
        memcpy(out[i].dims, t->dims, sizeof out[i].dims);
        rc = glim_gguf_add_tensor(w, &out[i], err);
    }
    return rc;
}

glim_status glim_senses_attach(const char *in, const char *intents, const char *out, glim_err *err) {
    glim_buf senses = {0};
    glim_intent *m = NULL;
    glim_gguf *g = NULL;
    glim_gguf_writer *w = NULL;
    void *tensors = NULL;
    glim_status rc = glim_intent_open(&m, intents, err); /* what is no such file is not put into a model */
    if (rc == GLIM_OK && (rc = check_kinds(m, err)) != GLIM_OK) glim_err_context(err, "\"%s\"", intents);
    glim_intent_free(m);
    if (rc == GLIM_OK) rc = glim_file_read(&senses, intents, (size_t)1 << 30, err);
    if (rc == GLIM_OK) rc = glim_gguf_open(&g, in, err);
    if (rc == GLIM_OK) {
        uint64_t alignment;
        rc = glim_gguf_u64(g, "general.alignment", 0, &alignment, err);
        w = glim_gguf_writer_new(&(glim_gguf_writer_params){.alignment = (uint32_t)alignment});
    }
    if (rc == GLIM_OK) rc = glim_try_calloc(&tensors, glim_gguf_n_tensors(g) + 1, sizeof(glim_tensor_out), "tensors to write", err);
    if (rc == GLIM_OK) rc = copy(w, g, &senses, tensors, err);
    if (rc != GLIM_OK && g) glim_err_context(err, "\"%s\"", in);
    if (rc == GLIM_OK) rc = glim_gguf_write(w, out, err);
    glim_gguf_writer_free(w);
    glim_gguf_close(g);
    glim_buf_free(&senses);
    free(tensors);
    return rc;
}
