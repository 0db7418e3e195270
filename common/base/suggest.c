#include "common/base/suggest.h"

#include <stdint.h>
#include <string.h>

#define LENGTH_MAX 63
#define LONG_WORD 8 /* letters, in which two slips are still near */

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows of the usual table: the distance of each beginning of one word to each of the other's, three rows at a time. */
size_t suggest_distance(const char *typed, const char *known)
{
    size_t rows[3][LENGTH_MAX + 1] = {0};
    size_t typed_length = strlen(typed);
    size_t known_length = strlen(known);

    if (typed_length > LENGTH_MAX || known_length > LENGTH_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= known_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= typed_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= known_length; j++) {
            size_t changed = above[j - 1] + (typed[i - 1] != known[j - 1]);
            row[j] = smallest(changed, 1 + smallest(above[j], row[j - 1]));
            if (i > 1 && j > 1 && typed[i - 1] == known[j - 2] && typed[i - 2] == known[j - 1])
                row[j] = smallest(row[j], 1 + rows[(i - 2) % 3][j - 2]);
        }
    }
    return rows[typed_length % 3][known_length];
}

void suggestion_offer(struct suggestion *best, const char *typed, const char *known)
{
    size_t length = strlen(typed);
    size_t distance = suggest_distance(typed, known);
    size_t bound = length < LONG_WORD ? 1 : 2;

    if (length >= 2 && strncmp(typed, known, length) == 0)
        distance = 1;
    if (distance > bound || distance >= strlen(known) || (best->word != NULL && distance >= best->distance))
        return;
    *best = (struct suggestion){.word = known, .distance = distance};
}
