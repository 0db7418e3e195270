#include "cli/suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MOST 40

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    size_t cost[WORD_MOST + 1][WORD_MOST + 1];

    if (a_length > WORD_MOST || b_length > WORD_MOST)
        return SIZE_MAX;
    for (size_t i = 0; i <= a_length; i++)
        cost[i][0] = i;
    for (size_t j = 0; j <= b_length; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        for (size_t j = 1; j <= b_length; j++) {
            size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            cost[i][j] = least_of(least_of(cost[i - 1][j], cost[i][j - 1]) + 1, cost[i - 1][j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least_of(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a_length][b_length];
}

void suggestion_offer(struct suggestion *suggestion, const char *written, const char *candidate)
{
    size_t length = strlen(written);
    /* One slip in a short word, two in a longer one; the beginning of a word also counts as near. */
    size_t distance = suggest_distance(written, candidate);
    if (length >= 2 && strncmp(written, candidate, length) == 0)
        distance = 1;
    size_t bound = length < 5 ? 1 : 2;

    if (distance <= bound && (suggestion->best == NULL || distance < suggestion->distance)) {
        suggestion->best = candidate;
        suggestion->distance = distance;
    }
}
