/* The planner of claims against a broker of a few lines that has tasks of each type. */
#include "worker/core/claims.h"

#include "tests/support/process.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>

#define TYPES 3

static struct {
    struct claim claims[TYPES];
    struct claimant claimants[TYPES];
    struct claim_order orders[TYPES]; /* the latest of each */
    size_t turn;
    uint32_t ready[TYPES];
    uint32_t slots;
    uint32_t running[TYPES];
    uint32_t given_back;
    uint64_t now_ms;
} world;

static uint32_t running(void)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < TYPES; i++)
        sum += world.running[i];
    return sum;
}

static void set_up(void)
{
    for (size_t i = 0; i < TYPES; i++)
        world.claimants[i].claim = &world.claims[i];
    world.slots = 2;
}

static bool next(struct claim_order *order)
{
    for (size_t i = 0; i < TYPES; i++)
        world.claimants[i].usable = world.slots - running();
    if (!claims_next(world.claimants, TYPES, &world.turn, world.now_ms, order))
        return false;
    world.orders[order->index] = *order;
    return true;
}

/* The broker answers the latest order of this type with all it may. */
static uint32_t answer(size_t type)
{
    uint32_t max = world.orders[type].max;
    uint32_t count = world.ready[type] < max ? world.ready[type] : max;

    world.ready[type] -= count;
    claim_answered(&world.claims[type], count);
    for (uint32_t i = 0; i < count; i++) {
        if (running() < world.slots) {
            world.running[type]++;
        } else {
            world.given_back++;
            world.ready[type]++;
        }
    }
    return count;
}

/* Until the planner asks nothing more; claims that wait are answered when there is something for them. */
static void settle(void)
{
    struct claim_order order;
    bool moved = true;

    for (int rounds = 0; moved; rounds++) {
        cr_assert_lt(rounds, 1000, "it does not come to rest");
        moved = false;
        while (next(&order)) {
            moved = true;
            if (order.wait_ms == 0)
                (void)answer(order.index);
        }
        for (size_t i = 0; i < TYPES; i++)
            if (world.claims[i].state == CLAIM_WAITING && world.ready[i] > 0)
                moved = answer(i) > 0;
    }
}

TestSuite(claims, .init = set_up);

Test(claims, ask_without_waiting_first_and_wait_side_by_side_when_there_is_nothing)
{
    settle();
    for (size_t i = 0; i < TYPES; i++) {
        cr_expect_eq(world.claims[i].state, CLAIM_WAITING);
        cr_expect_eq(world.orders[i].wait_ms, CLAIM_WAIT_MS);
    }
}

Test(claims, take_no_more_than_can_be_started_however_much_is_ready)
{
    for (size_t i = 0; i < TYPES; i++)
        world.ready[i] = 1000;
    settle();
    cr_expect_eq(running(), 2);
    cr_expect_eq(world.given_back, 0);
}

Test(claims, of_all_types_get_their_turn_at_one_slot)
{
    uint32_t served[TYPES] = {0};

    world.slots = 1;
    for (size_t i = 0; i < TYPES; i++)
        world.ready[i] = 1000;
    for (int round = 0; round < 300; round++) {
        settle();
        cr_assert_eq(running(), 1);
        for (size_t i = 0; i < TYPES; i++) {
            served[i] += world.running[i];
            world.running[i] = 0;
        }
    }
    for (size_t i = 0; i < TYPES; i++)
        cr_expect_eq(served[i], 100);
    cr_expect_eq(world.given_back, 0);
}

Test(claims, that_wait_are_recalled_when_their_slots_are_taken)
{
    settle();
    world.ready[0] = 2;
    settle();
    cr_expect_eq(running(), 2);
    for (size_t i = 0; i < TYPES; i++)
        cr_expect_eq(world.claims[i].state, CLAIM_IDLE);
    cr_expect_eq(world.given_back, 0);
}

Test(claims, are_asked_again_by_their_number_when_the_answer_is_lost)
{
    struct claim_order order;
    struct claim_order again;

    cr_assert(next(&order));
    claim_lost(&world.claims[order.index], world.now_ms, 100);
    world.turn = order.index;
    world.now_ms += 99;
    cr_assert(next(&again));
    cr_expect_neq(again.index, order.index, "not before the pause is over");
    (void)answer(again.index);
    cr_expect_eq(claims_deadline(world.claimants, TYPES, world.now_ms), 100);
    world.now_ms++;
    world.turn = order.index;
    cr_assert(next(&again));
    cr_expect_eq(again.index, order.index);
    cr_expect_eq(again.sequence, order.sequence);
    (void)answer(again.index);
    settle();
    cr_expect_gt(world.claims[order.index].sequence, order.sequence, "an answered number is not used again");
}

Test(claims, that_are_refused_are_made_anew_after_a_pause)
{
    struct claim_order order;
    struct claim_order again;

    cr_assert(next(&order));
    claim_refused(&world.claims[order.index], world.now_ms, 100);
    world.now_ms += 100;
    world.turn = order.index;
    cr_assert(next(&again));
    cr_expect_gt(again.sequence, order.sequence);
}

Test(claims, of_a_stopping_supervisor_are_recalled_and_not_made)
{
    settle();
    world.slots = 0;
    settle();
    for (size_t i = 0; i < TYPES; i++)
        cr_expect_eq(world.claims[i].state, CLAIM_IDLE);
}

Test(claims, never_start_too_much_and_lose_nothing_whatever_happens)
{
    uint64_t seed = seed_from_environment();
    struct random random = {.state = seed};
    uint32_t submitted = 0;
    uint32_t done = 0;

    cr_log_info("GANGER_SEED=%llu", (unsigned long long)seed);
    for (int step = 0; step < 20000; step++) {
        size_t type = (size_t)random_below(&random, TYPES);
        struct claim_order order;
        world.slots = 1 + (uint32_t)random_below(&random, 4) + running();
        world.now_ms += random_below(&random, 50);
        if (random_permille(&random, 200)) {
            world.ready[type]++;
            submitted++;
        }
        if (random_permille(&random, 300) && world.running[type] > 0) {
            world.running[type]--;
            done++;
        }
        while (next(&order))
            if (order.wait_ms == 0 && random_permille(&random, 900))
                (void)answer(order.index);
        if (world.claims[type].state == CLAIM_IDLE)
            continue;
        if (random_permille(&random, 50))
            claim_lost(&world.claims[type], world.now_ms, 10);
        else if (world.claims[type].state != CLAIM_WAITING || world.ready[type] > 0 || random_permille(&random, 100))
            (void)answer(type);
        cr_assert_leq(running(), world.slots);
    }
    world.now_ms += 1000;
    for (size_t i = 0; i < TYPES; i++)
        if (world.claims[i].state == CLAIM_ASKED || world.claims[i].state == CLAIM_RECALLED)
            (void)answer(i);
    for (uint32_t round = 0; done < submitted && round < 100000; round++) {
        settle();
        for (size_t i = 0; i < TYPES; i++) {
            done += world.running[i];
            world.running[i] = 0;
        }
    }
    cr_expect_eq(done, submitted);
}
