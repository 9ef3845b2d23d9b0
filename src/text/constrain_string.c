/* constrain_string.c - JSON strings without a pattern: where one can be inside a literal, and what byte leads where.
 *
 * A place is between characters (BODY), inside a UTF-8 character, or inside an escape. An escape of a high surrogate must
 * be followed by one of a low surrogate, so those are places too. Characters are counted by whoever walks: one begins
 * whenever BODY or LESS is left for anything but DONE. */
#include <string.h>

#include "text/constrain_internal.h"

enum {
    AT_TAIL1 = GLIM_STR_LESS + 1, /* UTF-8: one more byte of 80..bf */
    AT_TAIL2,
    AT_TAIL3,
    AT_E0, /* after this lead byte: the second one is limited */
    AT_ED,
    AT_F0,
    AT_F4,
    AT_ESC,  /* after a backslash */
    AT_U1,   /* \u: four digits to come, the first of them */
    AT_U2,   /* three, any */
    AT_U3,
    AT_U4,
    AT_D2,   /* after \ud: 0-7 for a character, 8-b for a high surrogate */
    AT_H3,   /* high surrogate: two digits to come */
    AT_H4,
    AT_LOW_ESC, /* its partner is due: backslash */
    AT_LOW_U,   /* u */
    AT_L1,      /* d */
    AT_L2,      /* c-f */
    AT_L3,
    AT_L4
};
_Static_assert(AT_L4 + 1 == GLIM_N_STR && GLIM_N_STR <= GLIM_STR_DEAD, "places fit their five bits");

static bool is_hex(unsigned b) { return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F'); }
static unsigned lower(unsigned b) { return b >= 'A' && b <= 'Z' ? b + 32 : b; }

static uint8_t body(unsigned b) {
    if (b == '"') return GLIM_STR_DONE;
    if (b == '\\') return AT_ESC;
    if (b < 0x20) return GLIM_STR_DEAD;
    if (b < 0x80) return GLIM_STR_BODY;
    if (b < 0xc2 || b > 0xf4) return GLIM_STR_DEAD;
    if (b < 0xe0) return AT_TAIL1;
    if (b == 0xe0) return AT_E0;
    if (b == 0xed) return AT_ED;
    if (b < 0xf0) return AT_TAIL2;
    if (b == 0xf0) return AT_F0;
    return b == 0xf4 ? AT_F4 : AT_TAIL3;
}

static uint8_t tail(unsigned b, unsigned lo, unsigned hi, unsigned to) {
    return (uint8_t)(b >= lo && b <= hi ? to : GLIM_STR_DEAD);
}

static uint8_t hex(unsigned b, unsigned to) { return (uint8_t)(is_hex(b) ? to : GLIM_STR_DEAD); }

static uint8_t step(glim_str_mode mode, unsigned at, unsigned b) {
    bool xml = mode == GLIM_STR_XML_VALUE || mode == GLIM_STR_XML_KEY, any = mode == GLIM_STR_VALUE || mode == GLIM_STR_XML_VALUE;
    switch (at) {
    case GLIM_STR_OPEN: return b == '"' ? GLIM_STR_BODY : GLIM_STR_DEAD;
    case GLIM_STR_LESS:
        if (!xml || b == '/') return GLIM_STR_DEAD;
        /* fall through */
    case GLIM_STR_BODY: return xml && b == '<' ? GLIM_STR_LESS : body(b);
    case AT_TAIL1: return tail(b, 0x80, 0xbf, GLIM_STR_BODY);
    case AT_TAIL2: return tail(b, 0x80, 0xbf, AT_TAIL1);
    case AT_TAIL3: return tail(b, 0x80, 0xbf, AT_TAIL2);
    case AT_E0: return tail(b, 0xa0, 0xbf, AT_TAIL1);
    case AT_ED: return tail(b, 0x80, 0x9f, AT_TAIL1);
    case AT_F0: return tail(b, 0x90, 0xbf, AT_TAIL2);
    case AT_F4: return tail(b, 0x80, 0x8f, AT_TAIL2);
    case AT_ESC:
        if (b && strchr("\"\\bfnrt", (int)b)) return GLIM_STR_BODY;
        if (any && b == '/') return GLIM_STR_BODY;
        return any && b == 'u' ? AT_U1 : GLIM_STR_DEAD;
    case AT_U1: return lower(b) == 'd' ? AT_D2 : hex(b, AT_U2);
    case AT_U2: return hex(b, AT_U3);
    case AT_U3: return hex(b, AT_U4);
    case AT_U4: return hex(b, GLIM_STR_BODY);
    case AT_D2:
        if (b >= '0' && b <= '7') return AT_U3;
        return b == '8' || b == '9' || lower(b) == 'a' || lower(b) == 'b' ? AT_H3 : GLIM_STR_DEAD;
    case AT_H3: return hex(b, AT_H4);
    case AT_H4: return hex(b, AT_LOW_ESC);
    case AT_LOW_ESC: return b == '\\' ? AT_LOW_U : GLIM_STR_DEAD;
    case AT_LOW_U: return b == 'u' ? AT_L1 : GLIM_STR_DEAD;
    case AT_L1: return lower(b) == 'd' ? AT_L2 : GLIM_STR_DEAD;
    case AT_L2: return lower(b) >= 'c' && lower(b) <= 'f' ? AT_L3 : GLIM_STR_DEAD;
    case AT_L3: return hex(b, AT_L4);
    case AT_L4: return hex(b, GLIM_STR_BODY);
    default: return GLIM_STR_DEAD;
    }
}

static glim_str_table g_table;

static void fill(void) {
    for (int m = 0; m < GLIM_N_STR_MODE; m++)
        for (unsigned at = 0; at < GLIM_N_STR; at++)
            for (unsigned b = 0; b < 256; b++) {
                uint8_t to = step((glim_str_mode)m, at, b);
                g_table.to[m][at][b] = to;
                if (to != GLIM_STR_DEAD) glim_bytes_add(&g_table.first[m][at], b);
            }
}

const glim_str_table *glim_str_tables(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill);
    return &g_table;
}
