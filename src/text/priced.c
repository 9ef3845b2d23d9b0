/* priced.c - see priced.h. */
#include "text/priced.h"

#include <string.h>

glim_priced glim_priced_of(const json_t *list, const double *cost) {
    glim_priced p = {list, cost, 0};
    for (size_t i = 0; cost && i < json_array_size(list); i++) p.other = cost[i] > p.other ? cost[i] : p.other;
    return p;
}

static bool is_space(char c) { return c == ' ' || c == '\n'; }

double glim_priced_cost(void *list, const char *text, size_t n, bool ends) {
    const glim_priced *l = list;
    double least = -1;
    for (; n && is_space(*text); n--) text++;
    while (ends && n && is_space(text[n - 1])) n--;
    if (n == 0) return 0;
    for (size_t i = 0; i < json_array_size(l->list); i++) {
        const json_t *x = json_array_get(l->list, i);
        if (json_string_length(x) < n || (ends && json_string_length(x) != n) || memcmp(json_string_value(x), text, n) != 0) continue;
        if (least < 0 || l->cost[i] < least) least = l->cost[i];
    }
    return least < 0 ? l->other : least;
}
