/* show.c - see show.h. */
#include "engine/show.h"

#include <string.h>

/* Longest suffix of the pending text that is a proper beginning of a stop string. */
static size_t may_begin_stop(const glim_show *w) {
    const char *text = w->pending.s;
    size_t n = w->pending.len, hold = 0;
    for (size_t i = 0; i < w->n_stop; i++) {
        size_t len = strlen(w->stop[i]);
        for (size_t k = len > n ? n : len - (len > 0); k > hold; k--)
            if (k < len && memcmp(text + n - k, w->stop[i], k) == 0) {
                hold = k;
                break;
            }
    }
    return hold;
}

static size_t can_show(glim_show *w, bool last) {
    if (w->stopped || w->pending.len == 0) return 0;
    /* The earliest stop string ends the text. */
    const char *cut = NULL;
    for (size_t i = 0; i < w->n_stop; i++) {
        if (!w->stop[i][0]) continue;
        const char *at = memmem(w->pending.s, w->pending.len, w->stop[i], strlen(w->stop[i]));
        if (at && (!cut || at < cut)) cut = at;
    }
    if (cut) {
        w->stopped = true;
        return (size_t)(cut - w->pending.s);
    }
    return last ? w->pending.len : w->pending.len - may_begin_stop(w);
}

size_t glim_show_put(glim_show *w, const glim_tok *t, int32_t id, bool keep_special) {
    glim_tok_stream_put(&w->chars, t, id, keep_special, &w->pending);
    return can_show(w, false);
}

size_t glim_show_end(glim_show *w) {
    if (w->stopped) return 0;
    glim_tok_stream_end(&w->chars, &w->pending);
    return can_show(w, true);
}

void glim_show_drop(glim_show *w, size_t n) {
    if (n == 0) return;
    memmove(w->pending.s, w->pending.s + n, w->pending.len - n + 1);
    w->pending.len -= n;
}

void glim_show_deinit(glim_show *w) {
    glim_buf_free(&w->pending);
    *w = (glim_show){0};
}
