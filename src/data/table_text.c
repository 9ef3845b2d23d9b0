/* table_text.c - bytes in the encodings of office programs to UTF-8.
 *
 * A mark at the beginning decides; without one, bytes that are UTF-8 as a whole are UTF-8 (other encodings of more than a
 * few letters practically never are), and bytes with a NUL in every second place are UTF-16. What is left is what an old
 * program wrote on Chinese, Taiwanese or Western Windows: GB18030, Big5 or windows-1252. Nearly any bytes decode in all
 * three, so the likeliest text is taken (`plausible`), and none where two are about as likely or none is. Nothing is
 * replaced: a byte that does not belong is an error with its line. */
#include <errno.h>
#include <iconv.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "data/table_internal.h"

static size_t lines_before(const char *s, size_t n) {
    size_t lines = 1;
    for (size_t i = 0; i < n; i++) lines += s[i] == '\n';
    return lines;
}

/* The encodings that a table may be said to be in, iconv's name first, then what programs call them as well. iconv knows hundreds more,
 * some of which write files or load code to do it: a name that came over the net goes no further than this list. */
enum { NAMES = 6 };
static const char *const encodings[][NAMES] = {
    {"UTF-8", "utf8"}, {"UTF-16", "utf16"}, {"UTF-16LE", "utf16le"}, {"UTF-16BE", "utf16be"},
    {"GB18030", "gb-18030"}, {"GBK", "cp936", "windows-936", "ms936"}, {"GB2312", "euc-cn"}, {"BIG5", "big-5", "cp950", "windows-950", "ms950"}, {"BIG5-HKSCS", "big5hkscs"},
    {"SHIFT_JIS", "shift-jis", "sjis"}, {"CP932", "windows-31j", "ms932", "windows-932"}, {"EUC-JP", "eucjp"}, {"EUC-KR", "euckr"}, {"CP949", "uhc", "windows-949", "ms949"},
    {"WINDOWS-1250", "cp1250"}, {"WINDOWS-1251", "cp1251"}, {"WINDOWS-1252", "cp1252", "ansi"}, {"WINDOWS-1253", "cp1253"}, {"WINDOWS-1254", "cp1254"}, {"WINDOWS-1255", "cp1255"},
    {"WINDOWS-1256", "cp1256"}, {"WINDOWS-1257", "cp1257"}, {"WINDOWS-1258", "cp1258"},
    {"ISO-8859-1", "iso8859-1", "latin1", "latin-1", "iso_8859-1"}, {"ISO-8859-2", "iso8859-2", "latin2", "latin-2"}, {"ISO-8859-5", "iso8859-5"}, {"ISO-8859-7", "iso8859-7"},
    {"ISO-8859-9", "iso8859-9", "latin5", "latin-5"}, {"ISO-8859-15", "iso8859-15", "latin9", "latin-9"}, {"KOI8-R", "koi8r"}, {"KOI8-U", "koi8u"}, {"CP437", "ibm437"}, {"CP850", "ibm850"}, {"MACINTOSH", "macroman", "mac"},
};

static const char *known_encoding(const char *name) {
    for (size_t i = 0; i < GLIM_COUNT(encodings); i++)
        for (size_t k = 0; k < NAMES && encodings[i][k]; k++)
            if (strcasecmp(encodings[i][k], name) == 0) return encodings[i][0];
    return NULL;
}

static glim_status unknown_encoding(const char *name, glim_err *err) {
    glim_status rc = glim_fail(err, GLIM_E_UNSUPPORTED, "encoding \"%.40s\" is not known here", name);
    glim_err_hint(err, "the names are utf-8, utf-16, utf-16le, utf-16be, gb18030, gbk, gb2312, big5, big5-hkscs, shift_jis, cp932, euc-jp, euc-kr, cp949, windows-1250 to windows-1258, "
                       "iso-8859-1, -2, -5, -7, -9, -15, koi8-r, koi8-u, cp437, cp850 and macintosh");
    return rc;
}

static glim_status convert(glim_buf *own, const char *bytes, size_t n, const char *from, uint64_t max_bytes, glim_err *err) {
    iconv_t cd = iconv_open("UTF-8", from);
    if (cd == (iconv_t)-1) return unknown_encoding(from, err);
    char *in = (char *)(uintptr_t)bytes;
    size_t left = n;
    glim_status rc = GLIM_OK;
    char out[16384];
    for (bool last = false; rc == GLIM_OK && !last;) {
        char *o = out;
        size_t room = sizeof out;
        last = left == 0; /* what it held back, a letter that a mark may follow, comes at the end */
        size_t k = last ? iconv(cd, NULL, NULL, &o, &room) : iconv(cd, &in, &left, &o, &room);
        int why = errno;
        glim_buf_append(own, out, sizeof out - room);
        if (own->len > max_bytes)
            rc = glim_fail(err, GLIM_E_LIMIT, "the text is longer than %llu bytes in UTF-8", (unsigned long long)max_bytes);
        else if (k == (size_t)-1 && why != E2BIG)
            rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: byte 0x%02x at offset %zu is not %s text", lines_before(own->s, own->len),
                           (unsigned char)*in, n - left, from);
    }
    iconv_close(cd);
    return rc == GLIM_OK ? glim_buf_status(own, "a text in UTF-8", err) : rc;
}

static const char *guess_utf16(const char *s, size_t n) {
    if (n < 4 || n % 2) return NULL;
    size_t m = n < 4096 ? n : 4096, even = 0, odd = 0;
    for (size_t i = 0; i + 1 < m; i += 2) even += s[i] == 0, odd += s[i + 1] == 0;
    if (odd > m / 8 && even <= m / 64) return "UTF-16LE";
    if (even > m / 8 && odd <= m / 64) return "UTF-16BE";
    return NULL;
}

/* ---- which of three ---- */

enum { SAMPLE = 1 << 18 }; /* bytes: far more than it takes */

/* Characters that lists of goods are full of, in both scripts: few of them in a row are no accident. */
static const char frequent[] = "的一是不了在有人我这个大中来上为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运"
                               "價格名稱數量庫存顏色類別編號描述產牌茶杯紅綠藍黑黃電腦機飲麵飯雞魚豬餐單價無線為這個國來時會過後種經麼學樣進還實點開關長間問與頭體見應導線東門話總萬車號語錢顧顏";

static bool is_frequent(const char *utf8, size_t n) {
    for (size_t i = 0; i + n < sizeof frequent; i += n)
        if (memcmp(frequent + i, utf8, n) == 0) return true;
    return false;
}

typedef struct likely {
    double log;  /* of the sample's bytes, were they this encoding; -INFINITY: they are not */
    double good; /* share of its characters that such a text is full of */
} likely;

/* Two bytes a character: the frequent planes of GB 2312 and Big5, their marks, the rare planes, and what hardly anyone writes. */
static likely chinese(const char *bytes, size_t n, const char *from) {
    const bool gb = strcmp(from, "GB18030") == 0;
    likely l = {0};
    size_t all = 0;
    iconv_t cd = iconv_open("UTF-8", from);
    if (cd == (iconv_t)-1) return (likely){-INFINITY, 0};
    for (size_t i = 0; i < n;) {
        const unsigned char a = (unsigned char)bytes[i];
        if (a < 0x80) {
            i++;
            continue;
        }
        if (n == SAMPLE && i + 3 >= n) break; /* the sample may cut it */
        if (i + 1 == n) { /* half of one; iconv takes some such bytes for a character */
            l.log = -INFINITY;
            break;
        }
        char c[8], *in = (char *)(uintptr_t)(bytes + i), *o = c;
        const bool four = gb && i + 3 < n && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
        size_t left = four ? 4 : 2, room = sizeof c;
        if (iconv(cd, &in, &left, &o, &room) == (size_t)-1 || left) {
            l.log = -INFINITY;
            break;
        }
        const unsigned char b = (unsigned char)bytes[i + 1];
        const bool marks = a >= 0xa1 && a <= 0xa3 && (!gb || b >= 0xa1);
        const bool level1 = gb ? a >= 0xb0 && a <= 0xd7 && b >= 0xa1 : a >= 0xa4 && a <= 0xc6;
        const bool level2 = gb ? a >= 0xd8 && a <= 0xf7 && b >= 0xa1 : a >= 0xc9 && a <= 0xf9;
        const bool often = level1 && is_frequent(c, sizeof c - room);
        l.log += log(four ? 1e-9 : often ? 0.5 / 560 : level1 ? 0.4 / (gb ? 3755 : 5401) : marks ? 0.07 / (gb ? 282 : 408) : level2 ? 0.025 / (gb ? 3008 : 7652) : 0.005 / 21000);
        l.good += level1 || marks;
        all++;
        i += four ? 4 : 2;
    }
    iconv_close(cd);
    l.good = all ? l.good / (double)all : 0;
    return l;
}

/* One byte a character: in Western words letters above 0x7f stand alone among plain ones. What the other two read as the second half
 * of a character is counted here as well. */
static likely western(const char *bytes, size_t n) {
    static const unsigned char marks[] = {0x80, 0x85, 0x91, 0x92, 0x93, 0x94, 0x96, 0x97, 0x99, 0xa0, 0xa3, 0xa7, 0xa9, 0xab, 0xae, 0xb0, 0xb2, 0xb4, 0xb5, 0xb7, 0xba, 0xbb, 0xbd};
    likely l = {0};
    size_t all = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char a = (unsigned char)bytes[i], before = i ? (unsigned char)bytes[i - 1] : ' ', behind = i + 1 < n ? (unsigned char)bytes[i + 1] : ' ';
        if (a < 0x80) {
            l.log += before >= 0x80 && a >= 0x40 ? log(1 / 26.0) : 0;
            continue;
        }
        if (a == 0x81 || a == 0x8d || a == 0x8f || a == 0x90 || a == 0x9d) return (likely){-INFINITY, 0};
        const bool letter = a >= 0xc0 && a != 0xd7 && a != 0xf7, mark = memchr(marks, a, sizeof marks) != NULL;
        const bool alone = before < 0x80 && behind < 0x80;
        l.log += log(letter ? 0.8 / 62 : mark ? 0.19 / 23 : 0.01 / 40) + (before >= 0x80 ? log(0.03) : 0);
        l.good += alone && (letter || mark);
        all++;
    }
    l.good = all ? l.good / (double)all : 0;
    return l;
}

/* The encoding that such bytes most likely have, or NULL: none gives a text, or two do. *seen: those that could be. */
static const char *plausible(const char *bytes, size_t n, glim_buf *seen) {
    static const char *const names[] = {"GB18030", "BIG5", "WINDOWS-1252"}, *const called[] = {"gb18030", "big5", "windows-1252"};
    const size_t m = n < SAMPLE ? n : SAMPLE;
    const likely l[] = {chinese(bytes, m, "GB18030"), chinese(bytes, m, "BIG5"), western(bytes, m)};
    int best = -1;
    bool two = false;
    for (int i = 0; i < 3; i++)
        if (l[i].good >= 0.7 && (best < 0 || l[i].log > l[best].log)) best = i;
    for (int i = 0; best >= 0 && i < 3; i++) {
        const bool near_ = l[i].good >= 0.7 && l[i].log > l[best].log - 3; /* twenty to one */
        if (near_) glim_buf_printf(seen, "%s%s", seen->len ? ", " : "", called[i]);
        two |= near_ && i != best;
    }
    return best < 0 || two ? NULL : names[best];
}

glim_status glim_text_decode(const char **out, size_t *n_out, glim_buf *own, const char **encoding, const char *bytes, size_t n,
                             const char *wanted, uint64_t max_bytes, glim_err *err) {
    const char *from = wanted ? known_encoding(wanted) : NULL;
    if (wanted && !from) return unknown_encoding(wanted, err);
    wanted = from;
    size_t skip = 0;
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) skip = 3, from = from ? from : "UTF-8";
    else if (n >= 2 && memcmp(bytes, "\xff\xfe", 2) == 0) skip = 2, from = from ? from : "UTF-16LE";
    else if (n >= 2 && memcmp(bytes, "\xfe\xff", 2) == 0) skip = 2, from = from ? from : "UTF-16BE";
    if (wanted && strncasecmp(wanted, "utf", 3) != 0) skip = 0; /* no mark there: these are letters */
    bytes += skip;
    n -= skip;
    bool guessed = !from, unsure = false;
    if (!from) from = guess_utf16(bytes, n);
    if (!from || strcasecmp(from, "utf-8") == 0 || strcasecmp(from, "utf8") == 0) {
        if (glim_utf8_valid(bytes, n)) {
            *out = bytes;
            *n_out = n;
            *encoding = "utf-8";
            return GLIM_OK;
        }
        if (!guessed) {
            size_t i = 0;
            for (uint32_t c; i < n;) {
                int k = glim_utf8_next(bytes + i, n - i, &c);
                if (k <= 0) break;
                i += (size_t)k;
            }
            glim_status rc = glim_fail(err, GLIM_E_FORMAT, "line %zu: byte 0x%02x at offset %zu is not UTF-8", lines_before(bytes, i),
                                       (unsigned char)bytes[i], skip + i);
            glim_err_hint(err, "save the file as UTF-8, or name its encoding");
            return rc;
        }
        glim_buf seen = {0};
        from = plausible(bytes, n, &seen);
        if (!from && seen.len) {
            glim_status rc = glim_fail(err, GLIM_E_FORMAT, "the text is not UTF-8 and could be %s", glim_buf_cstr(&seen));
            glim_err_hint(err, "name its encoding, or save the file as UTF-8");
            glim_buf_free(&seen);
            return rc;
        }
        glim_buf_free(&seen);
        unsure = !from;
        if (!from) from = "GB18030";
    }
    glim_status rc = convert(own, bytes, n, from, max_bytes ? max_bytes : (uint64_t)1 << 30, err);
    if (rc == GLIM_OK && unsure) { /* it decodes, and to nothing that anyone writes */
        rc = glim_fail(err, GLIM_E_FORMAT, "the text is not UTF-8, and as gb18030, big5 or windows-1252 it makes no sense");
        glim_err_hint(err, "save the file as UTF-8, or name its encoding");
    } else if (rc == GLIM_E_FORMAT && guessed) {
        glim_err_context(err, "the text is not UTF-8, and read as %s", from);
        glim_err_hint(err, "save the file as UTF-8, or name its encoding");
    }
    if (rc != GLIM_OK) return rc;
    *out = glim_buf_cstr(own);
    *n_out = own->len;
    *encoding = strcmp(from, "GB18030") == 0 ? "gb18030" : strcmp(from, "BIG5") == 0 ? "big5" : strcmp(from, "WINDOWS-1252") == 0 ? "windows-1252" : strcmp(from, "UTF-16LE") == 0 ? "utf-16le"
              : strcmp(from, "UTF-16BE") == 0 ? "utf-16be" : from;
    return GLIM_OK;
}
