/* test_intent.c - intents: learning, refusing, calibration, the file, and the figures on real data. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/table.h"
#include "know/intent.h"
#include "test.h"

typedef struct set {
    glim_intent_example *v;
    size_t n;
    glim_arena texts;
} set;

static void add(set *s, const char *text, const char *label) {
    s->v = glim_xrealloc(s->v, (s->n + 1) * sizeof *s->v);
    char *t = glim_arena_strndup(&s->texts, text, strlen(text));
    s->v[s->n++] = (glim_intent_example){.text = t, .n = strlen(t), .label = glim_arena_strndup(&s->texts, label, strlen(label))};
}

static void clear(set *s) {
    free(s->v);
    glim_arena_free(&s->texts);
    *s = (set){0};
}

/* Sentences of a shop, made of parts, in two languages. */
static set shop(bool with_oos) {
    static const char *const what[] = {"the phone", "my order", "a charger", "the blue cable", "耳机", "这款手机", "充电器", "数据线"};
    static const struct {
        const char *label, *en, *zh;
    } of[] = {{"price", "how much does %s cost", "%s多少钱"},
              {"price", "what is the price of %s", "%s的价格是多少"},
              {"stock", "do you have %s in stock", "%s有货吗"},
              {"stock", "is %s available today", "%s今天还有库存吗"},
              {"return", "i want to send %s back", "我要退%s"},
              {"return", "how can i return %s", "%s怎么退货"},
              {"oos", "write a poem about %s", "写一首关于%s的诗"},
              {"oos", "who invented %s", "%s是谁发明的"}};
    set s = {0};
    for (size_t i = 0; i < GLIM_COUNT(of); i++)
        for (size_t k = 0; k < GLIM_COUNT(what); k++) {
            char line[256];
            if (!with_oos && strcmp(of[i].label, "oos") == 0) continue;
            bool zh = (unsigned char)what[k][0] >= 0x80;
            const char *form = zh ? of[i].zh : of[i].en, *gap = strstr(form, "%s");
            snprintf(line, sizeof line, "%.*s%s%s", (int)(gap - form), form, what[k], gap + 2);
            add(&s, line, of[i].label);
        }
    return s;
}

static const char *ask(const glim_intent *m, const char *text, float *p) {
    glim_err err = {0};
    glim_intent_guess g;
    glim_intent_work *w = glim_intent_work_new(m, &err);
    CHECK(w);
    CHECK_OK(glim_intent_ask(m, w, text, strlen(text), &g, NULL, &err), err);
    glim_intent_work_free(w);
    if (p) *p = g.p;
    CHECK(g.p >= 0 && g.p <= 1);
    return g.label;
}

TEST(sentences_of_unseen_things_find_their_intent_in_two_languages) {
    set s = shop(true);
    glim_err err = {0};
    glim_intent *m;
    glim_intent_report r;
    CHECK_OK(glim_intent_train(&m, s.v, s.n, NULL, &r, &err), err);
    CHECK(r.n_labels == 3 && r.n_oos == 16 && r.n_held_out == s.n);
    CHECK_STR(ask(m, "How much does the red lamp cost?", NULL), "price");
    CHECK_STR(ask(m, "键盘多少钱？", NULL), "price");
    CHECK_STR(ask(m, "do you have keyboards in stock", NULL), "stock");
    CHECK_STR(ask(m, "鼠标有货吗", NULL), "stock");
    CHECK_STR(ask(m, "我要退键盘", NULL), "return");
    CHECK_STR(ask(m, "write a poem about rain", NULL), "oos");
    CHECK_STR(ask(m, "写一首关于雨的诗", NULL), "oos");
    glim_intent_free(m);
    clear(&s);
}

TEST(a_text_without_a_known_word_is_out_of_scope_for_sure) {
    set s = shop(false);
    glim_err err = {0};
    glim_intent *m;
    float p;
    CHECK_OK(glim_intent_train(&m, s.v, s.n, NULL, NULL, &err), err);
    CHECK_STR(ask(m, "", &p), "oos");
    CHECK(p == 1);
    CHECK_STR(ask(m, "\xff\xfe\xff", &p), "oos");
    CHECK_STR(ask(m, "жщ ъы", &p), "oos");
    char big[9000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    ask(m, big, NULL); /* longer than is read: no error */
    glim_intent_free(m);
    clear(&s);
}

TEST(too_few_labels_are_an_error_that_says_so) {
    set s = {0};
    glim_err err = {0};
    glim_intent *m;
    CHECK(glim_intent_train(&m, NULL, 0, NULL, NULL, &err) == GLIM_E_ARG && !m);
    add(&s, "hello", "greet");
    add(&s, "what is the weather", "oos");
    CHECK(glim_intent_train(&m, s.v, s.n, NULL, NULL, &err) == GLIM_E_ARG && !m);
    CHECK(strstr(err.msg, "1 label, want at least 2"));
    clear(&s);
}

static glim_buf save(const glim_intent *m) {
    char path[] = "/tmp/glim-intent-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    glim_err err = {0};
    glim_buf b = {0};
    CHECK_OK(glim_intent_save(m, path, &err), err);
    CHECK_OK(glim_file_read(&b, path, 1 << 28, &err), err);
    unlink(path);
    return b;
}

TEST(the_same_examples_give_the_same_bytes_and_the_file_answers_as_the_model_does) {
    set s = shop(true);
    glim_err err = {0};
    glim_intent *a, *b, *c;
    CHECK_OK(glim_intent_train(&a, s.v, s.n, NULL, NULL, &err), err);
    CHECK_OK(glim_intent_train(&b, s.v, s.n, NULL, NULL, &err), err);
    glim_buf x = save(a), y = save(b);
    CHECK(x.len == y.len && memcmp(x.s, y.s, x.len) == 0);
    CHECK_OK(glim_intent_parse(&c, x.s, x.len, &err), err);
    for (size_t i = 0; i < s.n; i++) {
        float p, q;
        const char *l = ask(a, s.v[i].text, &p);
        CHECK_STR(ask(c, s.v[i].text, &q), l);
        CHECK(p == q);
    }
    glim_intent_free(a);
    glim_intent_free(b);
    glim_intent_free(c);
    glim_buf_free(&x);
    glim_buf_free(&y);
    clear(&s);
}

TEST(a_damaged_file_is_refused_wherever_the_damage_is) {
    set s = shop(false);
    glim_err err = {0};
    glim_intent *m, *got;
    CHECK_OK(glim_intent_train(&m, s.v, s.n, NULL, NULL, &err), err);
    glim_buf b = save(m);
    for (size_t i = 0; i < b.len; i += i < 200 ? 1 : b.len / 97 + 1) {
        b.s[i] = (char)(b.s[i] ^ 0x10);
        CHECK(glim_intent_parse(&got, b.s, b.len, &err) != GLIM_OK && !got && err.msg[0]);
        b.s[i] = (char)(b.s[i] ^ 0x10);
    }
    for (size_t n = 0; n < b.len; n += n < 200 ? 1 : b.len / 31 + 1)
        CHECK(glim_intent_parse(&got, b.s, n, &err) != GLIM_OK && !got);
    CHECK_OK(glim_intent_parse(&got, b.s, b.len, &err), err);
    glim_intent_free(got);
    glim_intent_free(m);
    glim_buf_free(&b);
    clear(&s);
}

TEST(refused_allocations_leave_an_error_and_no_memory) {
    set s = shop(false);
    for (long k = 1; k < 4000; k += k < 60 ? 1 : 97) {
        glim_err err = {0};
        glim_intent *m = NULL;
        glim_alloc_fail_after(k);
        glim_status rc = glim_intent_train(&m, s.v, s.n, NULL, NULL, &err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK ? m != NULL : (rc == GLIM_E_NOMEM && !m && err.msg[0]));
        glim_intent_free(m);
        if (rc == GLIM_OK) break;
    }
    clear(&s);
}

TEST(figures_add_up_and_confusions_are_named) {
    set s = shop(true);
    glim_err err = {0};
    glim_intent *m;
    CHECK_OK(glim_intent_train(&m, s.v, s.n, NULL, NULL, &err), err);
    set t = {0};
    add(&t, "耳机多少钱", "price");
    add(&t, "耳机多少钱", "unheard_of");
    add(&t, "写一首关于耳机的诗", "oos");
    glim_intent_figures f;
    glim_buf b = {0};
    CHECK_OK(glim_intent_eval(m, t.v, t.n, &f, &b, &err), err);
    CHECK(fabs(f.accuracy - 2.0 / 3) < 1e-9 && fabs(f.in_scope_accuracy - 0.5) < 1e-9 && f.oos_recall == 1 && f.ece >= 0 && f.ece <= 1);
    json_t *o;
    CHECK_OK(glim_json_parse(&o, b.s, b.len, 0, &err), err);
    CHECK(json_integer_value(json_object_get(json_object_get(json_object_get(o, "confusion"), "unheard_of"), "price")) == 1);
    CHECK(json_object_size(json_object_get(o, "confusion")) == 1);
    json_decref(o);
    glim_buf_free(&b);
    glim_intent_free(m);
    clear(&t);
    clear(&s);
}

/* ---- real data ---- */

static void add_csv(set *s, const char *text, size_t n) {
    glim_err err = {0};
    glim_table *t;
    glim_table_row row;
    bool more;
    CHECK_OK(glim_table_parse(&t, "examples", text, n, NULL, &err), err);
    CHECK_OK(glim_table_next(t, &row, &more, &err), err);
    for (;;) {
        CHECK_OK(glim_table_next(t, &row, &more, &err), err);
        if (!more) break;
        add(s, row.cell[0].text, row.cell[1].text);
    }
    glim_table_close(t);
}

static bool read_gz(glim_buf *b, const char *name) {
    const char *path = glim_test_data(name);
    if (!path) return false;
    char cmd[5000], buf[65536];
    snprintf(cmd, sizeof cmd, "gzip -dc '%s'", path);
    FILE *f = popen(cmd, "r");
    if (!f) return false;
    for (size_t k; (k = fread(buf, 1, sizeof buf, f)) > 0;) glim_buf_append(b, buf, k);
    return pclose(f) == 0 && b->len > 0;
}

static bool banking(set *train, set *test) {
    glim_buf a = {0}, b = {0};
    bool ok = read_gz(&a, "intent-banking77/train.csv.gz") && read_gz(&b, "intent-banking77/test_half_a.csv.gz");
    if (ok) add_csv(train, a.s, a.len), add_csv(test, b.s, b.len);
    glim_buf_free(&a);
    glim_buf_free(&b);
    return ok;
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { DRAWS = 1, SANITIZED = 1 };
#else
enum { DRAWS = 5, SANITIZED = 0 };
#endif

TEST(banking77_whole_training_set_is_right_in_more_than_nine_of_ten) {
    set train = {0}, test = {0};
    if (!banking(&train, &test)) SKIP("intent-banking77 or gzip is missing");
    if (SANITIZED) train.n = 1200; /* the same code, a tenth of the time; the figures are those of a whole build */
    glim_err err = {0};
    glim_intent *m;
    glim_intent_report r;
    glim_intent_figures f;
    CHECK_OK(glim_intent_train(&m, train.v, train.n, NULL, &r, &err), err);
    CHECK_OK(glim_intent_eval(m, test.v, test.n, &f, NULL, &err), err);
    printf("    accuracy %.4f, held out %.4f, ece %.4f, trained in %.2f s, %.1f us a text\n", f.accuracy, r.held_out_accuracy, f.ece,
           r.seconds, f.us_mean);
    if (!SANITIZED) CHECK_MSG(f.accuracy >= 0.905, "accuracy %.4f, want 0.905", f.accuracy);
    if (!SANITIZED) CHECK_MSG(f.ece <= 0.05, "calibration error %.4f, want at most 0.05", f.ece);
    glim_intent_free(m);
    clear(&train);
    clear(&test);
}

/* Ten sentences a label, drawn by `seed`. */
static set draw(const set *from, uint64_t seed, int per_label) {
    glim_rng g = {.seed = seed};
    size_t *p = glim_xmalloc(from->n * sizeof *p);
    set s = {.v = glim_xmalloc(from->n * sizeof *s.v)};
    for (size_t i = 0; i < from->n; i++) p[i] = i;
    for (size_t i = from->n; i-- > 1;) {
        size_t k = (size_t)glim_rng_below(&g, i + 1), t = p[i];
        p[i] = p[k];
        p[k] = t;
    }
    for (size_t i = 0; i < from->n; i++) {
        int same = 0;
        for (size_t j = 0; j < s.n; j++) same += strcmp(s.v[j].label, from->v[p[i]].label) == 0;
        if (same < per_label) s.v[s.n++] = from->v[p[i]]; /* borrows the texts */
    }
    free(p);
    return s;
}

TEST(banking77_ten_a_label_over_five_draws) {
    set train = {0}, test = {0};
    if (!banking(&train, &test)) SKIP("intent-banking77 or gzip is missing");
    glim_err err = {0};
    double sum = 0, ece = 0;
    for (uint64_t d = 0; d < DRAWS; d++) {
        set s = draw(&train, d, 10);
        glim_intent *m;
        glim_intent_figures f;
        CHECK(s.n == 770);
        CHECK_OK(glim_intent_train(&m, s.v, s.n, NULL, NULL, &err), err);
        CHECK_OK(glim_intent_eval(m, test.v, test.n, &f, NULL, &err), err);
        sum += f.accuracy;
        ece += f.ece;
        glim_intent_free(m);
        free(s.v);
    }
    printf("    accuracy %.4f, ece %.4f\n", sum / DRAWS, ece / DRAWS);
    CHECK_MSG(sum / DRAWS >= 0.72, "mean accuracy %.4f, want 0.72", sum / DRAWS);
    CHECK_MSG(ece / DRAWS <= 0.05, "mean calibration error %.4f, want at most 0.05", ece / DRAWS);
    clear(&train);
    clear(&test);
}
