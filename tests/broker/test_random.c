/* Thousands of commands drawn from a seed, with time passing and the broker dying in between. After each some the whole
 * store is compared with what follows from it, and what the broker says with what a naive model of it expects. */
#include "tests/broker/fixture.h"

#include "common/base/check.h"
#include "tests/support/process.h"
#include "tests/support/random.h"

#include <stdlib.h>

#define STEPS 6000
#define CHECK_EVERY 64
#define KNOWN_MAX 512

struct driver {
    struct world *world;
    struct random random;
    uint64_t tasks[KNOWN_MAX];
    size_t task_count;
    struct run_name runs[KNOWN_MAX];
    size_t run_count;
    uint64_t last_fence;
    uint64_t waiting_token;
    uint64_t sequences[3];
};

static const char *const types[] = {"claude", "codex", "any", ""};
static const char *const agents[] = {"build7", "build7/claude1", "build8", "solo"};
static const char *const limits[] = {"anthropic", "repo:acme/web", "openai"};
static const char *const keys[] = {"", "alice", "bob", "carol"};
static const char *const queues[] = {"default", "night", "a-queue"};

static const char *const idempotency_keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static size_t draw(struct driver *driver, size_t bound)
{
    return (size_t)random_below(&driver->random, bound);
}

static uint64_t draw_task(struct driver *driver)
{
    size_t count = driver->task_count < KNOWN_MAX ? driver->task_count : KNOWN_MAX;

    return count == 0 ? 1 : driver->tasks[draw(driver, count)];
}

static struct run_name draw_run(struct driver *driver)
{
    size_t count = driver->run_count < KNOWN_MAX ? driver->run_count : KNOWN_MAX;

    return count == 0 ? (struct run_name){.task_id = 1, .fence = 1} : driver->runs[draw(driver, count)];
}

static void keep_runs(struct driver *driver, const struct answer *answer)
{
    for (size_t i = 0; i < answer->claim.count; i++) {
        const struct task_view *task = answer->claim.tasks[i];
        cr_assert_gt(task->fence, driver->last_fence, "fence %llu after %llu", (unsigned long long)task->fence,
                     (unsigned long long)driver->last_fence);
        driver->last_fence = task->fence;
        driver->runs[driver->run_count++ % KNOWN_MAX] = (struct run_name){.task_id = task->id, .fence = task->fence};
    }
}

/* A parked claim may be answered by any command. */
static void look_for_waiting(struct driver *driver)
{
    if (driver->waiting_token == 0)
        return;
    const struct answer *answer = world_answer_to(driver->world, driver->waiting_token);
    if (answer == NULL)
        return;
    driver->waiting_token = 0;
    if (answer->refusal == NULL)
        keep_runs(driver, answer);
}

static const struct answer *ask(struct driver *driver, struct command *command)
{
    const struct answer *answer = world_ask(driver->world, command);

    look_for_waiting(driver);
    return answer;
}

static struct budget draw_budget(struct driver *driver)
{
    return (struct budget){.micro_dollars = draw(driver, 300),
                           .tokens = draw(driver, 3) * 100,
                           .on_breach = draw(driver, 3) == 0 ? BREACH_CANCEL : BREACH_SUSPEND};
}

static struct usage draw_usage(struct driver *driver)
{
    if (draw(driver, 3) > 0)
        return (struct usage){0};
    return (struct usage){.micro_dollars = draw(driver, 100), .tokens = draw(driver, 100)};
}

static void do_submit(struct driver *driver)
{
    struct task_spec specs[3];
    uint64_t dependencies[2] = {draw_task(driver), draw_task(driver)};
    uint32_t indexes[1] = {(uint32_t)draw(driver, 3)};
    size_t count = 1 + draw(driver, 3);
    uint8_t session[16] = {(uint8_t)draw(driver, 3)};
    uint64_t *sequence = &driver->sequences[session[0]];

    for (size_t i = 0; i < count; i++) {
        specs[i] = spec_of(types[draw(driver, 3)]);
        specs[i].queue = queues[draw(driver, 3)];
        specs[i].priority = (uint32_t)draw(driver, 10);
        specs[i].delay_ms = draw(driver, 4) == 0 ? (uint32_t)draw(driver, 60000) : 0;
        specs[i].max_attempts = (uint32_t)draw(driver, 4);
        specs[i].retention_ms = 60000 + draw(driver, 600000);
        specs[i].start_timeout_ms = draw(driver, 4) == 0 ? (uint32_t)(1000 + draw(driver, 60000)) : 0;
        if (draw(driver, 4) == 0) {
            specs[i].idempotency_key = idempotency_keys[draw(driver, 8)];
            specs[i].on_conflict = (enum conflict_policy)draw(driver, 4);
        }
        specs[i].max_crashes = (uint32_t)draw(driver, 3);
        specs[i].max_deliveries = (uint32_t)draw(driver, 5);
        if (draw(driver, 6) == 0)
            specs[i].expires_at_ms = driver->world->now.wall_ms + 60000 + draw(driver, 60000);
        specs[i].limits = limits + draw(driver, 3);
        specs[i].limit_count = draw(driver, 3 - (size_t)(specs[i].limits - limits) + 1);
        specs[i].fairness_key = keys[draw(driver, 4)];
        if (draw(driver, 10) == 0)
            specs[i].title = "x";
        if (draw(driver, 20) == 0)
            specs[i].queue = "not a queue";
        if (specs[i].delay_ms == 0 && draw(driver, 4) == 0)
            specs[i].not_before_ms = driver->world->now.wall_ms + draw(driver, 60000);
        specs[i].depends_on = dependencies;
        specs[i].depends_on_count = draw(driver, 4) == 0 ? draw(driver, 3) : 0;
        specs[i].depends_on_index = indexes;
        specs[i].depends_on_index_count = draw(driver, 8) == 0;
        specs[i].on_dependency_failure = (enum dependency_policy)draw(driver, 4);
        specs[i].parent_id = draw(driver, 4) == 0 ? draw_task(driver) : 0;
        if (draw(driver, 6) == 0)
            specs[i].budget = draw_budget(driver);
    }
    struct command command = {.kind = COMMAND_SUBMIT,
                              .submit = {.specs = specs, .spec_count = count, .atomic = draw(driver, 2) == 0}};
    if (draw(driver, 2) == 0) {
        command.submit.session = (struct bytes){.data = session, .size = sizeof session};
        command.submit.sequence = ++*sequence;
        command.submit.acked_below = *sequence > 4 ? *sequence - 4 : 1;
    }
    const struct answer *answer = ask(driver, &command);
    if (answer->refusal != NULL)
        return;
    for (size_t i = 0; i < count; i++)
        if (answer->submit.outcomes[i].task_id != 0)
            driver->tasks[driver->task_count++ % KNOWN_MAX] = answer->submit.outcomes[i].task_id;
}

static void do_claim(struct driver *driver)
{
    const char *named[] = {queues[draw(driver, 3)], queues[draw(driver, 3)]};
    struct command command = command_claim(driver->world, agents[draw(driver, 4)], types[draw(driver, 4)]);

    command.claim.queues = named;
    command.claim.queue_count = 1 + draw(driver, 2);
    command.claim.max = (uint32_t)draw(driver, 5);
    command.claim.start = draw(driver, 2) == 0;
    command.claim.waits = driver->waiting_token == 0 && draw(driver, 3) == 0;
    command.claim.incarnation = UINT64_MAX;
    const struct answer *answer = ask(driver, &command);
    if (answer == NULL)
        driver->waiting_token = command.token;
    else if (answer->refusal == NULL)
        keep_runs(driver, answer);
}

static void do_run_word(struct driver *driver)
{
    static const enum command_kind words[] = {COMMAND_START,    COMMAND_START,   COMMAND_COMPLETE, COMMAND_FAIL,
                                              COMMAND_COMPLETE, COMMAND_RELEASE, COMMAND_SUSPEND};
    struct command command = command_of_run(words[draw(driver, 7)], draw_run(driver));

    if (command.kind == COMMAND_COMPLETE)
        command.complete.outcome.usage = draw_usage(driver);
    if (command.kind == COMMAND_FAIL)
        command.fail.outcome.usage = draw_usage(driver);
    if (command.kind == COMMAND_START && draw(driver, 4) == 0)
        command.start.agent_id = "build7/other";
    (void)ask(driver, &command);
    if (draw(driver, 4) == 0) {
        command.token = 0;
        (void)ask(driver, &command); /* again: the answer was lost */
    }
}

static void do_job(struct driver *driver)
{
    static const uint32_t ended = 1U << TASK_COMPLETED | 1U << TASK_FAILED | 1U << TASK_CANCELED;
    struct command start = {.kind = COMMAND_START_JOB,
                            .start_job.order = {.kind = (enum job_kind)(JOB_CANCEL + draw(driver, 3)),
                                                .filter = {.namespace = "",
                                                           .queue = queues[draw(driver, 3)],
                                                           .agent_type = types[draw(driver, 4)],
                                                           .parent_id = draw(driver, 4) == 0 ? draw_task(driver) : 0},
                                                .reason = "no more"}};
    struct command stop = {.kind = COMMAND_CANCEL_JOB, .cancel_job.job_id = 1 + draw(driver, 100)};

    if (start.start_job.order.kind == JOB_PURGE)
        start.start_job.order.filter.states = ended;
    (void)ask(driver, &start);
    (void)ask(driver, &stop);
}

static void do_steer(struct driver *driver)
{
    struct command cancel = {.kind = COMMAND_CANCEL, .cancel = {.task_id = draw_task(driver), .reason = "no more"}};
    struct command retry = {.kind = COMMAND_RETRY,
                            .retry = {.task_id = draw_task(driver), .force = draw(driver, 2) == 0}};

    struct command ask_suspend = {.kind = COMMAND_ASK_SUSPEND,
                                  .ask_suspend = {.task_id = draw_task(driver), .reason = "not now"}};
    struct command resume = {.kind = COMMAND_RESUME,
                             .resume = {.task_id = draw_task(driver), .answer = bytes_of_text("go on")}};
    struct task_spec said = spec_of("");
    static const char *const fields[] = {"priority", "delay_ms", "not_before_ms", "expires_at_ms", "title"};
    said.priority = (uint32_t)draw(driver, 10);
    said.delay_ms = draw(driver, 20000);
    said.not_before_ms = driver->world->now.wall_ms + draw(driver, 20000);
    said.expires_at_ms = driver->world->now.wall_ms + draw(driver, 90000);
    struct command update = command_update(draw_task(driver), fields[draw(driver, 5)], &said);
    struct command *const commands[] = {&cancel, &retry, &ask_suspend, &resume, &update};

    cancel.cancel.cascade = draw(driver, 2) == 0;
    (void)ask(driver, commands[draw(driver, 5)]);
    if (draw(driver, 10) == 0)
        do_job(driver);
}

static void do_budget(struct driver *driver)
{
    struct budget budget = draw_budget(driver);
    struct command command = {.kind = COMMAND_SET_BUDGET,
                              .set_budget = {.task_id = draw_task(driver),
                                             .has_micro_dollars = draw(driver, 2) == 0,
                                             .micro_dollars = budget.micro_dollars,
                                             .has_tokens = draw(driver, 2) == 0,
                                             .tokens = budget.tokens,
                                             .on_breach = budget.on_breach}};

    (void)ask(driver, &command);
}

static void do_limit(struct driver *driver)
{
    struct command set = {.kind = COMMAND_SET_LIMIT, .set_limit = {.name = limits[draw(driver, 3)], .reason = ""}};
    struct command pause = {
        .kind = COMMAND_PAUSE_LIMIT,
        .pause_limit = {
            .run = draw_run(driver), .limit = limits[draw(driver, 3)], .for_ms = 1 + draw(driver, 9000), .reason = ""}};

    set.set_limit.remove = draw(driver, 8) == 0;
    if (!set.set_limit.remove) {
        set.set_limit.has_max_running = draw(driver, 2) == 0;
        set.set_limit.max_running = (uint32_t)draw(driver, 4);
        set.set_limit.has_rate = draw(driver, 4) == 0;
        set.set_limit.rate_count = (uint32_t)draw(driver, 3);
        set.set_limit.rate_interval_ms = 5000;
        set.set_limit.has_pause = draw(driver, 4) == 0;
        set.set_limit.pause_for_ms = draw(driver, 2) * 8000;
    }
    (void)ask(driver, draw(driver, 2) == 0 ? &set : &pause);
}

static void do_heartbeat(struct driver *driver)
{
    struct beat beats[8];
    struct command command = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = "build7", .incarnation = UINT64_MAX, .beats = beats, .beat_count = 8}};

    for (size_t i = 0; i < 8; i++)
        beats[i] = (struct beat){.run = draw_run(driver),
                                 .progress_percent = 50,
                                 .progress_text = "half way",
                                 .checkpoint = bytes_of_text(draw(driver, 2) == 0 ? "page 7" : ""),
                                 .usage = draw_usage(driver)};
    (void)ask(driver, &command);
}

static void do_register(struct driver *driver)
{
    struct run_name held[2] = {draw_run(driver), draw_run(driver)};
    struct command command = {
        .kind = COMMAND_REGISTER,
        .registration =
            {.agent_id = "build9", .incarnation = 1, .host = "", .version = "", .held = held, .held_count = 2},
    };

    (void)ask(driver, &command);
}

static void do_time(struct driver *driver)
{
    world_pass(driver->world, draw(driver, 8) == 0 ? 40000 : draw(driver, 3000));
    look_for_waiting(driver);
}

static void do_restart(struct driver *driver)
{
    world_restart(driver->world);
    driver->waiting_token = 0;
}

static void step(struct driver *driver)
{
    size_t choice = draw(driver, 100);

    if (choice < 25)
        do_submit(driver);
    else if (choice < 45)
        do_claim(driver);
    else if (choice < 75)
        do_run_word(driver);
    else if (choice < 79)
        do_steer(driver);
    else if (choice < 82)
        do_limit(driver);
    else if (choice < 84)
        do_budget(driver);
    else if (choice < 90)
        do_heartbeat(driver);
    else if (choice < 91)
        do_register(driver);
    else if (choice < 99)
        do_time(driver);
    else
        do_restart(driver);
}

static void drive(uint64_t seed)
{
    struct driver driver = {.random = {.state = seed}};

    cr_log_info("seed %llu", (unsigned long long)seed);
    /* A window of half an hour, so that keys come and go. */
    driver.world = world_new_with(
        &(struct broker_settings){
            .lease_ms = LEASE_SAID_MS, .idempotency_window_ms = 1800000, .random_seed = 1, .store_id = {1}},
        0);
    for (size_t i = 0; i < STEPS; i++) {
        step(&driver);
        if (i % CHECK_EVERY == 0)
            world_check(driver.world);
    }
    /* When nothing is held any more and the longest retention has passed, nothing is left. */
    uint64_t counts[TASK_STATES];
    for (int i = 0; i < 2000; i++)
        world_pass(driver.world, 40000);
    broker_counts(driver.world->broker, counts);
    cr_assert_eq(counts[TASK_ASSIGNED] + counts[TASK_RUNNING] + counts[TASK_SCHEDULED], 0, "seed %llu",
                 (unsigned long long)seed);
    cr_assert_eq(counts[TASK_COMPLETED] + counts[TASK_FAILED] + counts[TASK_CANCELED], 0, "seed %llu",
                 (unsigned long long)seed);
    world_close(driver.world);
}

Test(random_commands, leave_every_index_and_count_as_a_rescan_finds_them, .timeout = 100)
{
    drive(1);
    drive(2);
    drive(seed_from_environment());
}
