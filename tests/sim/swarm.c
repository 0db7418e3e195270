#include "tests/sim/swarm.h"

#include "tests/support/random.h"

static uint32_t between(struct random *random, uint32_t least, uint32_t most)
{
    return least + (uint32_t)random_below(random, most - least + 1);
}

/* Off in half of all worlds. */
static uint32_t sometimes(struct random *random, uint32_t most)
{
    return random_below(random, 2) == 0 ? 0 : between(random, 1, most);
}

struct swarm swarm_draw(uint64_t seed)
{
    struct random random = random_for(seed, 1);
    struct random *at = &random;
    struct swarm swarm = {
        .submitters = between(at, 1, 4),
        .agents = between(at, 1, 5),
        .supervisors = between(at, 0, 3),
        .operators = between(at, 0, 2),
        .queues = between(at, 1, 3),
        .types = between(at, 1, 3),
        .live_max = between(at, 4, 96),
        .batch_max = between(at, 1, 24),
        .tick_max = random_below(at, 4) == 0 ? between(at, 1, 4) : 256,
        .lease_ms = between(at, 200, 10000),
        .retention_ms = between(at, 1000, 60000),
        .adapt = random_below(at, 2) == 0,
        .reap_ms = between(at, 0, 15000),
        .events_max = between(at, 1, 60),
        .pause_ms = between(at, 20, 1000),
        .lose = sometimes(at, 150),
        .duplicate = sometimes(at, 150),
        .slow = sometimes(at, 200),
        .slow_ms = between(at, 10, 40000),
        .cut = sometimes(at, 80),
        .cut_ms = between(at, 100, 60000),
        .drift = sometimes(at, 20),
        .crash = sometimes(at, 150),
        .down_ms = between(at, 1, 20000),
        .full = sometimes(at, 20),
        .jump = sometimes(at, 30),
        .repeat = sometimes(at, 300),
        .delay = sometimes(at, 400),
        .depend = sometimes(at, 400),
        .name = sometimes(at, 500),
        .window_ms = between(at, 100, 20000),
        .key = sometimes(at, 700),
        .suspend = sometimes(at, 150),
        .hold = sometimes(at, 600),
        .pending = sometimes(at, 400),
        .limit = sometimes(at, 600),
        .expire = sometimes(at, 300),
        .bad = sometimes(at, 100),
        .few_tries = sometimes(at, 500),
        .fail = sometimes(at, 500),
        .release = sometimes(at, 300),
        .silence = sometimes(at, 200),
        .overstay = sometimes(at, 200),
        .restart = sometimes(at, 60),
        .operate = between(at, 50, 800),
    };

    if (swarm.operators == 0)
        swarm.suspend = swarm.hold = 0; /* nobody would resume them */
    if (swarm.tick_max < 256)
        swarm.expire = 0;
    swarm.heartbeat_ms = swarm.lease_ms / between(at, 3, 10);
    swarm.work_ms = between(at, 10, random_below(at, 4) == 0 ? 3 * swarm.lease_ms : swarm.lease_ms);
    return swarm;
}
