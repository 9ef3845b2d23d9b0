/* heading_words.h - headings that no concept is about, in both languages: "押金" is a deposit, so an English question for it finds the column. */
#ifndef GLIM_KNOW_HEADING_WORDS_H
#define GLIM_KNOW_HEADING_WORDS_H

#include <stddef.h>

/* The words of the other language for a folded heading, the first the one it is called by; ended by NULL. NULL where it is in no list. What
 * begins with '<' is no word to ask by, what begins with '>' no name. */
const char *const *glim_heading_words(const char *folded);
/* The words of its own language that mean the same, itself among them. */
const char *const *glim_heading_synonyms(const char *folded);

#endif
