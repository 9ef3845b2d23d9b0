/* heading.h - what a table's heading says: "Weight (kg)" is a weight in kg, "单价(元)" a price in yuan, "Preis/kg" a price of each kg,
 * "Gewicht / Weight" two words for one thing. For guessing a schema (library_guess.c). */
#ifndef GLIM_KNOW_HEADING_H
#define GLIM_KNOW_HEADING_H

#include <stdbool.h>

typedef struct glim_heading {
    char *zh, *en;        /* what it is called without its unit; NULL: in that language nothing but the heading itself */
    char *also[2];        /* other words for it, or NULL: of "Width/Height" each of the two */
    char *unit_zh, *unit_en; /* or NULL */
    char *per_zh, *per_en; /* what a price is for, "斤", "jin"; or NULL */
    char currency[8];     /* of a price: as in a cell, "€"; or "" */
} glim_heading;

void glim_heading_read(glim_heading *h, const char *heading);
void glim_heading_deinit(glim_heading *h);

#endif
