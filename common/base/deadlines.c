#include "common/base/deadlines.h"

#include "common/base/check.h"

#include <stdlib.h>

void deadlines_done(struct deadlines *deadlines)
{
    free(deadlines->items);
    *deadlines = (struct deadlines){0};
}

static void put(struct deadlines *deadlines, size_t place, struct deadline *deadline)
{
    deadlines->items[place - 1] = deadline;
    deadline->place = place;
}

static void rise(struct deadlines *deadlines, struct deadline *deadline)
{
    size_t place = deadline->place;

    while (place > 1 && deadlines->items[place / 2 - 1]->at_ms > deadline->at_ms) {
        put(deadlines, place, deadlines->items[place / 2 - 1]);
        place /= 2;
    }
    put(deadlines, place, deadline);
}

static void sink(struct deadlines *deadlines, struct deadline *deadline)
{
    size_t place = deadline->place;

    for (;;) {
        size_t child = place * 2;
        if (child > deadlines->count)
            break;
        if (child < deadlines->count && deadlines->items[child]->at_ms < deadlines->items[child - 1]->at_ms)
            child++;
        if (deadlines->items[child - 1]->at_ms >= deadline->at_ms)
            break;
        put(deadlines, place, deadlines->items[child - 1]);
        place = child;
    }
    put(deadlines, place, deadline);
}

void deadlines_add(struct deadlines *deadlines, struct deadline *deadline, uint64_t at_ms)
{
    CHECK(deadline->place == 0);
    if (deadlines->count == deadlines->capacity) {
        deadlines->capacity = deadlines->capacity > 0 ? deadlines->capacity * 2 : 64;
        deadlines->items =
            (struct deadline **)reallocate(deadlines->items, deadlines->capacity * sizeof(struct deadline *));
    }
    deadline->at_ms = at_ms;
    put(deadlines, ++deadlines->count, deadline);
    rise(deadlines, deadline);
}

void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    size_t place = deadline->place;

    if (place == 0)
        return;
    deadline->place = 0;
    struct deadline *last = deadlines->items[--deadlines->count];
    if (last == deadline)
        return;
    put(deadlines, place, last);
    rise(deadlines, last);
    sink(deadlines, last);
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count > 0 ? deadlines->items[0] : NULL;
}

uint64_t deadlines_first_ms(const struct deadlines *deadlines)
{
    return deadlines->count > 0 ? deadlines->items[0]->at_ms : UINT64_MAX;
}
