#include "tests/torture/fleet.h"

#include "common/base/clock.h"
#include "tests/support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE_STEP_MS 20

char *const fleet_queues[FLEET_QUEUES] = {"default", "fast", "slow"};
char *const fleet_types[FLEET_TYPES] = {"review", "build", "test"};

void fleet_describe(const struct fleet *fleet, uint64_t work, struct work_texts *texts, Ganger__V1__TaskSpec *ret_spec)
{
    struct random random = random_for(fleet->seed, work);
    uint64_t type = random_below(&random, FLEET_TYPES + 1);
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;

    /* protobuf-c's strings are not const; nothing writes to them. */
    static char any[] = "any";

    (void)snprintf(texts->title, sizeof(texts->title), "work %" PRIu64, work);
    (void)snprintf(texts->payload, sizeof(texts->payload), "do %" PRIu64 " with %016" PRIx64, work,
                   random_next(&random));
    spec.title = texts->title;
    spec.payload.data = (uint8_t *)texts->payload;
    spec.payload.len = strlen(texts->payload);
    spec.queue = fleet_queues[random_below(&random, FLEET_QUEUES)];
    spec.agent_type = type == FLEET_TYPES ? any : fleet_types[type];
    spec.priority = (uint32_t)random_below(&random, 10);
    spec.delay_ms = random_permille(&random, 100) ? (uint32_t)random_below(&random, 500) : 0;
    spec.max_attempts = random_permille(&random, 100) ? 1 : 100;
    spec.backoff_ms = 1 + (uint32_t)random_below(&random, 50);
    spec.backoff_max_ms = 200;
    *ret_spec = spec;
}

uint64_t fleet_work_of(const char *title)
{
    return strncmp(title, "work ", 5) == 0 ? strtoull(title + 5, NULL, 10) : 0;
}

void fleet_result(uint64_t work, uint64_t fence, char text[static 64])
{
    (void)snprintf(text, 64, "work %" PRIu64 " by %" PRIu64, work, fence);
}

bool fleet_stopping(const struct fleet *fleet)
{
    return atomic_load(&fleet->shared->stop);
}

void fleet_pause(const struct fleet *fleet, uint32_t milliseconds)
{
    uint64_t until_ms = clock_boot_ms() + milliseconds;
    uint64_t now_ms = clock_boot_ms();

    while (now_ms < until_ms && !fleet_stopping(fleet)) {
        uint64_t rest_ms = until_ms - now_ms < PAUSE_STEP_MS ? until_ms - now_ms : PAUSE_STEP_MS;
        struct timespec step = {.tv_nsec = (long)rest_ms * 1000000};

        (void)nanosleep(&step, NULL);
        now_ms = clock_boot_ms();
    }
}
