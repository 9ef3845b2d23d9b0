/* value_words.h - what common values of closed lists are called in the other language, and the adjectives of countries: colours,
 * languages, countries, materials. A table of wines that says "France" is asked for French wine and for 法国. */
#ifndef GLIM_KNOW_VALUE_WORDS_H
#define GLIM_KNOW_VALUE_WORDS_H

#include <stddef.h>

/* The words beside the folded value, NULL-ended, or NULL: none are known. */
const char *const *glim_value_words(const char *folded);

#endif
