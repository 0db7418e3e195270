/* Did you mean: the known word that is nearest to one that somebody typed. */
#pragma once

#include <stddef.h>

/* How many letters have to be added, dropped, changed or swapped with a neighbour to make one of the other. Words
 * longer than 63 letters are far from everything. */
size_t suggest_distance(const char *typed, const char *known);

/* The best of several: begin with the zero value, offer them all, then look at word. Near is what has one slip in it
 * (two from eight letters on), and what begins with what was typed. */
struct suggestion {
    const char *word; /* borrowed; NULL = nothing is near */
    size_t distance;
};
void suggestion_offer(struct suggestion *best, const char *typed, const char *known);
