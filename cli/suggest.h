/* Did you mean ...? */
#pragma once

#include <stddef.h>

/* How many letters must be changed, put in, left out or swapped with their neighbour. */
size_t suggest_distance(const char *a, const char *b);

/* The best of many candidates, offered one by one. The zero value has none. */
struct suggestion {
    const char *best; /* borrowed; NULL = nothing is near */
    size_t distance;
};
void suggestion_offer(struct suggestion *suggestion, const char *written, const char *candidate);
