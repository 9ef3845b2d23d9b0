/* value_words.h - what common values of closed lists are called in the other language, and the adjectives of countries: colours,
 * languages, countries, materials. A table of wines that says "France" is asked for French wine and for 法国. */
#ifndef GLIM_KNOW_VALUE_WORDS_H
#define GLIM_KNOW_VALUE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The words beside the folded value, NULL-ended, or NULL: none are known. wine: the table is about wine, where "red" is 红葡萄酒. Folded with its marks: "rosé" is
 * no "rose". */
const char *const *glim_value_words(const char *folded, bool wine);

#endif
