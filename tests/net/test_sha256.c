/* SHA-256: published vectors, any split, files. */
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "net/sha256.h"
#include "net/sha256_plain.h"
#include "test.h"

TEST(published_vectors_hold_however_the_bytes_are_cut) {
    /* FIPS 180-4 examples. */
    static const struct {
        const char *text, *hex;
    } cases[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                 {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                 {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    for (size_t i = 0; i < GLIM_COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        for (size_t cut = 0; cut <= n; cut++) {
            glim_sha256 h;
            char hex[GLIM_SHA256_HEX];
            glim_sha256_init(&h);
            glim_sha256_update(&h, cases[i].text, cut);
            glim_sha256_update(&h, cases[i].text + cut, n - cut);
            glim_sha256_final(&h, hex);
            CHECK_STR(hex, cases[i].hex);
        }
    }
}

TEST(pieces_of_any_size_give_the_hash_of_the_whole) {
    static uint8_t data[5000];
    glim_rng r = {.seed = 4};
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)glim_rng_u64(&r);
    for (int turn = 0; turn < 3000; turn++) {
        size_t at = glim_rng_below(&r, 70), n = glim_rng_below(&r, sizeof data - at), done = 0;
        glim_sha256 got;
        char a[GLIM_SHA256_HEX], b[GLIM_SHA256_HEX];
        glim_sha256_init(&got);
        while (done < n) { /* in pieces of any size */
            size_t k = 1 + glim_rng_below(&r, turn % 2 ? 400 : 3000);
            if (k > n - done) k = n - done;
            glim_sha256_update(&got, data + at + done, k);
            done += k;
        }
        glim_sha256_final(&got, a);
        glim_sha256 whole;
        glim_sha256_init(&whole);
        glim_sha256_update(&whole, data + at, n);
        glim_sha256_final(&whole, b);
        CHECK_STR(a, b);
    }
}

static bool count_calls(void *ctx, uint64_t done, uint64_t total) {
    int *left = ctx;
    return done <= total && --*left > 0;
}

TEST(a_file_is_hashed_with_progress_and_can_be_stopped) {
    char path[] = "/tmp/glim-sha-XXXXXX", hex[GLIM_SHA256_HEX];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && ftruncate(fd, 9 << 20) == 0); /* nine MiB of zeros */
    glim_err err;
    int left = 100;
    CHECK_OK(glim_sha256_file(path, hex, count_calls, &left, &err), err);
    CHECK_STR(hex, "d2ee4703cd9698945ca7b9fe1689ea3095597eac1a0afd8dba00cac7894fdc43");
    CHECK(left == 97);
    left = 1;
    CHECK(glim_sha256_file(path, hex, count_calls, &left, &err) == GLIM_E_CANCELLED);
    close(fd);
    unlink(path);
    CHECK(glim_sha256_file(path, hex, NULL, NULL, &err) == GLIM_E_NOT_FOUND);
    CHECK(glim_sha256_file("/", hex, NULL, NULL, &err) == GLIM_E_IO);
}

TEST(only_64_hex_digits_are_a_hash) {
    char low[GLIM_SHA256_HEX];
    CHECK(glim_sha256_parse("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", low));
    CHECK_STR(low, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(!glim_sha256_parse("", low) && !glim_sha256_parse("abc", low));
    CHECK(!glim_sha256_parse("g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", low));
    CHECK(!glim_sha256_parse("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550", low));
}

/* Ours for builds without Nettle, against the other where there is one; every length around a block's end. */
TEST(the_plain_hash_equals_the_usual_one_at_every_length) {
    static uint8_t data[300];
    glim_rng r = {.seed = 5};
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)glim_rng_u64(&r);
    for (size_t n = 0; n <= sizeof data; n++)
        for (size_t cut = 0; cut <= n; cut += 1 + n / 9) {
            glim_sha256 want;
            glim_sha256_plain got;
            uint8_t d[32];
            char hex[GLIM_SHA256_HEX], plain[GLIM_SHA256_HEX];
            glim_sha256_init(&want);
            glim_sha256_update(&want, data, n);
            glim_sha256_final(&want, hex);
            glim_sha256_plain_init(&got);
            glim_sha256_plain_update(&got, data, cut);
            glim_sha256_plain_update(&got, data + cut, n - cut);
            glim_sha256_plain_final(&got, d);
            for (size_t i = 0; i < sizeof d; i++) snprintf(plain + 2 * i, 3, "%02x", d[i]);
            CHECK_STR(plain, hex);
        }
}
