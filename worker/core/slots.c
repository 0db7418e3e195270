#include "worker/core/slots.h"

#include "common/base/check.h"

#include <stdint.h>

uint32_t slots_free(const struct slots *slots, const struct type_slots *type)
{
    uint32_t free_of_all = slots->total > slots->taken ? slots->total - slots->taken : 0;
    uint32_t max = type->max != 0 && type->max < SLOTS_MAX ? type->max : SLOTS_MAX;
    uint32_t free_of_type = max > type->taken ? max - type->taken : 0;

    return free_of_all < free_of_type ? free_of_all : free_of_type;
}

uint32_t slots_take(struct slots *slots, struct type_slots *type)
{
    if (slots_free(slots, type) == 0)
        return 0;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        uint64_t bit = (uint64_t)1 << i % 64;
        if ((type->used[i / 64] & bit) != 0)
            continue;
        type->used[i / 64] |= bit;
        type->taken++;
        slots->taken++;
        return i + 1;
    }
    return 0;
}

void slots_give(struct slots *slots, struct type_slots *type, uint32_t number)
{
    CHECK(number >= 1 && number <= SLOTS_MAX);
    uint64_t bit = (uint64_t)1 << (number - 1) % 64;
    CHECK((type->used[(number - 1) / 64] & bit) != 0 && type->taken > 0 && slots->taken > 0);
    type->used[(number - 1) / 64] &= ~bit;
    type->taken--;
    slots->taken--;
}
