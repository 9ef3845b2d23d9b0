/* shop_strange.c - is a question of something that the shop's intents and notes know nothing of?
 *
 * A linear model is often sure of an intent by a few small words: "can I take .." is what people ask who pay. "Can I take ibuprofen when I'm pregnant"
 * has two words more that no example and no note has, and a note about cards is no answer to it. */
#include <ctype.h>
#include <string.h>

#include "app/shop_internal.h"

/* Does the text have the word, or one that begins as its first six letters? */
static bool has_word(const char *text, const char *word, size_t n) {
    const size_t k = n < 6 ? n : 6;
    for (const char *p = text; (p = strchr(p, word[0])) != NULL; p++)
        if ((p == text || !isalnum((unsigned char)p[-1])) && strncmp(p, word, k) == 0) return true;
    return false;
}

static bool in_notes(glim_shop *s, const char *word, size_t n) {
    for (uint32_t r = 0; r < s->notes->n_rows; r++)
        for (size_t c = 0; c < s->notes->n_col; c++) {
            char part[32];
            snprintf(part, sizeof part, "%.*s", (int)(n < 6 ? n : 6), word);
            if (strcasestr(glim_lib_cell(s->notes, r, c), part)) return true;
        }
    return false;
}

bool glim_shop_strange(glim_shop *s, const char *folded) {
    static const char *const none[] = {"have", "with", "that", "this", "what", "when", "where", "which", "does", "please", "there", "they", "your", "want", "would", "could", "from", "about", "while", "also", "just", "some", "like", "need", "take", "still", "into", "than", "then", "the", "you", "are", "can", "how", "for", "and", "any", "not", "was", "did", "who", "why", "has", "had", "our", "out", "its", "one", "get", "let", "may", "will", "been", "were", "very", "much", "many", "more"};
    size_t n_all = 0, n_strange = 0;
    if (glim_shop_chinese(folded, strlen(folded))) return false;
    for (const char *p = folded; *p;) {
        size_t n = 0;
        while (isalpha((unsigned char)p[n])) n++;
        bool says = n > 2;
        for (size_t i = 0; i < GLIM_COUNT(none); i++) says &= strlen(none[i]) != n || memcmp(none[i], p, n) != 0;
        n_all += says;
        n_strange += says && !has_word(glim_buf_cstr(&s->intent_words), p, n) && !in_notes(s, p, n);
        p += n ? n : 1;
    }
    static const char *const pays[] = {"accept", "pay", "paying", "payment"}; /* "do you accept American Express or PayPal": of its names none need be known */
    bool paying = false;
    for (size_t i = 0; i < GLIM_COUNT(pays); i++) paying |= has_word(folded, pays[i], strlen(pays[i]));
    return n_strange > 1 && (paying ? n_strange == n_all : 2 * n_strange > n_all);
}
