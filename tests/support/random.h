/* Random numbers that a seed gives again: splitmix64. The zero value is seed 0. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t mixed = random->state += 0x9E3779B97F4A7C15u;

    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

/* 0 to bound - 1; bound is not 0. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

/* True in so many of 1,000 cases. */
static inline bool random_permille(struct random *random, uint64_t permille)
{
    return random_below(random, 1000) < permille;
}

/* A stream of its own for a part: the same seed and part always give the same one. */
static inline struct random random_for(uint64_t seed, uint64_t part)
{
    struct random random = {.state = seed ^ (part * 0xD1342543DE82EF95u)};

    (void)random_next(&random);
    return random;
}
