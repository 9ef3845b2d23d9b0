/* filter_part.c - "小提琴的弓是什么材料", "what material is the bow of the violin": a part of a thing is asked for, of which a row may say nothing.
 *
 * The word for the part goes to f->part; whoever answers from a row looks whether the row knows it. */
#include "base/utf8.h"
#include "know/filter_internal.h"
#include "know/terms.h"

static bool in_item(const glim_parse *p, size_t at) {
    for (size_t k = 0; k < p->n_items; k++)
        if (p->v[k].from <= at && at < p->v[k].to) return true;
    return false;
}

/* One to three characters behind "的" that end at `end`, no part of an item: where they begin, or `end`. */
static size_t part_before(const glim_parse *p, size_t end) {
    static const char *const plain[] = {"这", "那", "它", "店", "款", "种", "个", "你", "我", "们", "家", "般", "时", "常", "概", "共"};
    size_t at = end;
    for (size_t n = 0; n < 4 && at >= 3; n++) {
        uint32_t cp;
        if (memcmp(p->s + at - 3, "的", 3) == 0) return n > 0 && at > 3 && !in_item(p, at) ? at : end;
        if (glim_utf8_next(p->s + at - 3, 3, &cp) != 3 || !glim_term_is_cjk(cp) || in_item(p, at - 3)) return end;
        for (size_t i = 0; i < GLIM_COUNT(plain); i++)
            if (memcmp(p->s + at - 3, plain[i], 3) == 0) return end;
        at -= 3;
    }
    return end;
}

static void chinese(glim_parse *p, const glim_item *column) {
    static const char *const between[] = {"是", "用", "什么", "的", "有", "多少", "哪种"};
    size_t end = column->from;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < GLIM_COUNT(between) && !more; i++) {
            const size_t n = strlen(between[i]);
            if (n <= end && memcmp(p->s + end - n, between[i], n) == 0 && strcmp(between[i], "的") != 0) end -= n, more = true;
        }
    }
    const size_t from = end < column->from ? part_before(p, end) : end;
    if (from < end) glim_buf_append(&p->f->part, p->s + from, end - from);
}

/* "The bow of the violin", where "bow" is no item. */
static void english(glim_parse *p) {
    for (size_t i = 0; i + 8 < p->n; i++) {
        if (strncmp(p->s + i, " of the ", 8) != 0 && strncmp(p->s + i, " of a ", 6) != 0 && strncmp(p->s + i, " of this ", 9) != 0) continue;
        size_t from = i;
        while (from > 0 && glim_parse_alnum(p, from - 1)) from--;
        static const char *const whole[] = {"hire", "rental", "rent", "rate", "use", "care", "end", "start", "middle", "total", "sum", "rest", "kind", "type", "sort", "name"}; /* of all of it */
        bool all = false;
        for (size_t k = 0; k < GLIM_COUNT(whole) && !all; k++) all = strlen(whole[k]) == i - from && memcmp(p->s + from, whole[k], i - from) == 0;
        if (all || i - from < 3 || in_item(p, from) || from < 4 || memcmp(p->s + from - 4, "the ", 4) != 0) continue;
        glim_buf_append(&p->f->part, p->s + from, i - from);
        return;
    }
}

void glim_parse_part(glim_parse *p) {
    glim_buf_clear(&p->f->part);
    if (p->f->n_ask == 0) return;
    for (size_t k = 0; k < p->n_items && p->f->zh && p->f->part.len == 0; k++)
        if (p->v[k].kind == COLUMN) chinese(p, &p->v[k]);
    if (!p->f->zh) english(p);
}
