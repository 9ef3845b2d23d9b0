/* test_index.c - retrieval: Chinese terms of one and two characters, SKUs, mixed scripts, misspellings, filters, the file,
 * and recall over a shop made here. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "know/index.h"
#include "test.h"

static void add(glim_index *ix, const char *name, const char *text) {
    glim_err err = {0};
    glim_index_field f[2] = {{.text = name, .n = strlen(name), .weight = 2}, {.text = text, .n = strlen(text)}};
    CHECK_OK(glim_index_add(ix, f, 2, &err), err);
}

static glim_index *small(void) {
    glim_err err = {0};
    glim_index *ix = glim_index_new();
    add(ix, "极光 X3 手机", "sku GX-3100/B 支持15W Qi无线充电 黑色 2999元");
    add(ix, "Aurora X3 phone case", "sku CS-3100 transparent, fits GX-3100");
    add(ix, "无线耳机 Pro", "sku EP-77 蓝牙5.3 降噪");
    add(ix, "USB-C 数据线 1米", "sku CB-1001 快充 白色");
    add(ix, "电饭煲", "sku RC-20 4升 预约");
    add(ix, "Café grinder", "sku GR-9 coffee, ＦＵＬＬ width");
    CHECK_OK(glim_index_finish(ix, &err), err);
    return ix;
}

static int first(const glim_index *ix, const char *query) {
    glim_err err = {0};
    glim_index_hit h[5];
    size_t n;
    glim_index_work *w = glim_index_work_new(ix, &err);
    CHECK(w);
    CHECK_OK(glim_index_search(ix, w, query, strlen(query), &(glim_index_params){.limit = 5}, h, &n, &err), err);
    for (size_t i = 1; i < n; i++) CHECK(h[i - 1].score >= h[i].score);
    glim_index_work_free(w);
    return n ? (int)h[0].row : -1;
}

TEST(short_chinese_terms_skus_and_mixed_scripts_find_their_row) {
    glim_index *ix = small();
    CHECK(first(ix, "煲") == 4);
    CHECK(first(ix, "耳机") == 2);
    CHECK(first(ix, "这款手机支持无线充电吗？") == 0);
    CHECK(first(ix, "gx-3100/b") == 0);
    CHECK(first(ix, "GX3100B") == 0);
    CHECK(first(ix, "CB1001") == 3);
    CHECK(first(ix, "USB-C数据线") == 3);
    CHECK(first(ix, "full width") == 5);
    CHECK(first(ix, "CAFÉ") == 5);
    CHECK(first(ix, "洗衣粉") == -1);
    CHECK(first(ix, "") == -1);
    glim_index_free(ix);
}

TEST(misspelt_and_unfinished_words_stand_for_words_like_them) {
    glim_index *ix = small();
    CHECK(first(ix, "auroar") == 1);
    CHECK(first(ix, "transparant") == 1);
    CHECK(first(ix, "cofee") == 5);
    CHECK(first(ix, "grin") == 5);
    CHECK(first(ix, "zzzzzz") == -1);
    glim_err err = {0};
    glim_index_hit h[5];
    size_t n;
    glim_index_work *w = glim_index_work_new(ix, &err);
    CHECK_OK(glim_index_search(ix, w, "cofee", 5, &(glim_index_params){.limit = 5, .exact = true}, h, &n, &err), err);
    CHECK(n == 0);
    glim_index_work_free(w);
    glim_index_free(ix);
}

static bool keep_even(void *ctx, uint32_t row) {
    ++*(int *)ctx;
    return row % 2 == 0;
}

TEST(a_filter_decides_before_the_limit_does) {
    glim_err err = {0};
    glim_index *ix = glim_index_new();
    for (int i = 0; i < 40; i++) add(ix, "灯", i == 39 ? "灯 灯 灯" : "lamp");
    CHECK_OK(glim_index_finish(ix, &err), err);
    glim_index_hit h[5];
    size_t n;
    int asked = 0;
    glim_index_work *w = glim_index_work_new(ix, &err);
    CHECK_OK(glim_index_search(ix, w, "灯", strlen("灯"), &(glim_index_params){.limit = 5}, h, &n, &err), err);
    CHECK(n == 5 && h[0].row == 39 && h[1].row == 0 && h[4].row == 3);
    CHECK_OK(glim_index_search(ix, w, "灯", strlen("灯"), &(glim_index_params){.limit = 5, .keep = keep_even, .ctx = &asked}, h, &n, &err), err);
    CHECK(n == 5 && h[0].row == 0 && h[1].row == 2 && h[4].row == 8 && asked >= 9);
    CHECK(glim_index_add(ix, NULL, 0, &err) == GLIM_E_STATE);
    glim_index_work_free(w);
    glim_index_free(ix);
}

TEST(the_file_answers_as_the_index_does_and_damage_is_refused) {
    glim_index *ix = small(), *got;
    glim_err err = {0};
    char path[] = "/tmp/glim-index-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    glim_buf b = {0};
    CHECK_OK(glim_index_save(ix, path, &err), err);
    CHECK_OK(glim_index_open(&got, path, &err), err);
    CHECK(first(got, "gx-3100/b") == 0 && first(got, "auroar") == 1 && first(got, "煲") == 4);
    glim_index_free(got);
    CHECK_OK(glim_file_read(&b, path, 1 << 20, &err), err);
    unlink(path);
    for (size_t i = 0; i < b.len; i += 7) {
        b.s[i] = (char)(b.s[i] ^ 4);
        CHECK(glim_index_parse(&got, b.s, b.len, &err) != GLIM_OK && !got);
        b.s[i] = (char)(b.s[i] ^ 4);
        CHECK(glim_index_parse(&got, b.s, i, &err) != GLIM_OK && !got);
    }
    glim_buf_free(&b);
    glim_index_free(ix);
}

TEST(refused_allocations_leave_an_error) {
    for (long k = 1; k < 200; k++) {
        glim_err err = {0};
        glim_index *ix = glim_index_new();
        glim_index_field f = {.text = "无线 word AB-12", .n = strlen("无线 word AB-12")};
        glim_alloc_fail_after(k);
        glim_status rc = glim_index_add(ix, &f, 1, &err);
        if (rc == GLIM_OK) rc = glim_index_finish(ix, &err);
        glim_alloc_fail_after(0);
        CHECK(rc == GLIM_OK || (rc == GLIM_E_NOMEM && err.msg[0]));
        glim_index_free(ix);
        if (rc == GLIM_OK) break;
    }
}

/* ---- a shop of made products ---- */

static const char *const brand[] = {"极光", "Aurora", "云杉", "Norda", "海石", "Kestrel", "青禾", "Lumen", "山岚", "Pinemark"};
static const char *const kind[][2] = {{"手机", "phone"}, {"无线耳机", "wireless earbuds"}, {"充电器", "charger"}, {"数据线", "cable"},
                                      {"平板电脑", "tablet"}, {"电饭煲", "rice cooker"}, {"台灯", "desk lamp"}, {"键盘", "keyboard"},
                                      {"鼠标", "mouse"}, {"显示器", "monitor"}};
static const char *const colour[][2] = {{"黑色", "black"}, {"白色", "white"}, {"蓝色", "blue"}, {"红色", "red"}, {"绿色", "green"}};

typedef struct product {
    char name[160], sku[24];
    size_t b, k, c;
} product;

static product make(size_t i) {
    product p = {.b = i % GLIM_COUNT(brand), .k = i / GLIM_COUNT(brand) % GLIM_COUNT(kind), .c = i / 100 % GLIM_COUNT(colour)};
    snprintf(p.sku, sizeof p.sku, "%c%c-%05zu", (int)('A' + i % 23), (int)('A' + i / 23 % 23), 10000 + i * 7);
    snprintf(p.name, sizeof p.name, "%s %s %s M%zu %s", brand[p.b], kind[p.k][0], kind[p.k][1], i, colour[p.c][i % 2]);
    return p;
}

/* "AB-10007" with two neighbours swapped. */
static void misspell(char *s, glim_rng *r) {
    size_t n = strlen(s), at = 1 + (size_t)glim_rng_below(r, n - 2);
    char t = s[at];
    s[at] = s[at + 1];
    s[at + 1] = t;
}

TEST(recall_at_5_over_a_made_shop_is_98_of_100) {
    glim_err err = {0};
    glim_index *ix = glim_index_new();
    enum { N = 500 };
    for (size_t i = 0; i < N; i++) {
        product p = make(i);
        char text[200];
        snprintf(text, sizeof text, "%s 价格 %zu 元 库存 %zu 这款 in stock", p.sku, 100 + i, i % 40);
        add(ix, p.name, text);
    }
    CHECK_OK(glim_index_finish(ix, &err), err);
    glim_index_work *w = glim_index_work_new(ix, &err);
    glim_rng r = {.seed = 7};
    size_t asked = 0, found = 0;
    for (size_t q = 0; q < 400; q++) {
        size_t i = (size_t)glim_rng_below(&r, N), n;
        product p = make(i);
        char text[400], word[64];
        switch (q % 5) {
        case 0: snprintf(text, sizeof text, "%s有货吗", p.sku); break;
        case 1: snprintf(text, sizeof text, "请问%s%s M%zu 多少钱？", brand[p.b], kind[p.k][0], i); break;
        case 2: snprintf(text, sizeof text, "is the %s %s m%zu available in %s", brand[p.b], kind[p.k][1], i, colour[p.c][1]); break;
        case 3: /* the SKU without its mark, small */
            snprintf(word, sizeof word, "%c%c%s", p.sku[0] | 32, p.sku[1] | 32, p.sku + 3);
            snprintf(text, sizeof text, "price of %s", word);
            break;
        default: /* the kind misspelt, the model right */
            snprintf(word, sizeof word, "%s", kind[p.k][1]);
            misspell(word, &r);
            snprintf(text, sizeof text, "%s M%zu", word, i);
        }
        glim_index_hit h[5];
        CHECK_OK(glim_index_search(ix, w, text, strlen(text), &(glim_index_params){.limit = 5}, h, &n, &err), err);
        asked++;
        for (size_t k = 0; k < n; k++) found += h[k].row == i;
    }
    printf("    %zu of %zu questions\n", found, asked);
    CHECK(found * 100 >= asked * 98);
    glim_index_work_free(w);
    glim_index_free(ix);
}

static int by_us(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the time; what is asserted is the answer. GLIM_KNOW_ROWS=100000 for the figure in docs/know.md. */
TEST(single_characters_of_a_third_of_all_rows_are_answered_by_the_best_row) {
    glim_err err = {0};
    const char *env = getenv("GLIM_KNOW_ROWS");
    size_t n_rows = env ? strtoul(env, NULL, 10) : 4000, n;
    if (n_rows < 1000) n_rows = 1000;
    glim_index *ix = glim_index_new();
    double t0 = glim_now_s();
    for (size_t i = 0; i < n_rows; i++) {
        product p = make(i);
        char text[200];
        snprintf(text, sizeof text, "%s 价格 %zu 元 %s 这款 in stock", p.sku, 100 + i % 997, i % 3 == 0 ? "色" : "");
        add(ix, p.name, text);
    }
    CHECK_OK(glim_index_finish(ix, &err), err);
    double built = glim_now_s() - t0;
    glim_index_work *w = glim_index_work_new(ix, &err);
    static const char *const common[] = {"色", "款", "元", "价", "这款黑色手机多少钱", "in stock", "机"};
    double us[700];
    for (size_t q = 0; q < GLIM_COUNT(us); q++) {
        char text[64];
        glim_index_hit h[5];
        product p = make(q * 13 % n_rows);
        snprintf(text, sizeof text, "%s", q % 2 ? common[q % GLIM_COUNT(common)] : p.sku);
        double a = glim_now_s();
        CHECK_OK(glim_index_search(ix, w, text, strlen(text), &(glim_index_params){.limit = 5}, h, &n, &err), err);
        us[q] = (glim_now_s() - a) * 1e6;
        CHECK(n == 5 || q % 2 == 0);
        if (q % 2 == 0) CHECK(n >= 1 && h[0].row == q * 13 % n_rows);
    }
    qsort(us, GLIM_COUNT(us), sizeof *us, by_us);
    printf("    %zu rows, %zu terms in %.2f s; search p50 %.0f us, p95 %.0f us, most %.0f us\n", n_rows, glim_index_n_terms(ix), built,
           us[GLIM_COUNT(us) / 2], us[GLIM_COUNT(us) * 95 / 100], us[GLIM_COUNT(us) - 1]);
    glim_index_work_free(w);
    glim_index_free(ix);
}
