#include "tests/broker/fixture.h"

#include "common/base/check.h"

#include <stdlib.h>

static void open_core(struct world *world)
{
    struct store_txn *txn = NULL;
    struct error error = {0};

    world->broker = broker_new(&world->settings);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_open(world->broker, txn, &world->effects, &error), STATUS_OK, "%s", error.message);
    store_abort(&txn);
    world->now.store_ms = broker_store_ms(world->broker);
}

struct world *world_new_with(const struct broker_settings *settings, uint64_t store_limit_bytes)
{
    struct world *world = allocate_zero(1, sizeof *world);

    world->settings = *settings;
    world->now.wall_ms = WALL_START_MS;
    world->store = store_mem_new(&broker_schema, store_limit_bytes);
    open_core(world);
    return world;
}

struct world *world_new(void)
{
    return world_new_with(&(struct broker_settings){.lease_ms = LEASE_SAID_MS,
                                                    .random_seed = 1,
                                                    .store_id = "0123456789abcdef0123456789abcdef"},
                          0);
}

void world_check(struct world *world)
{
    struct store_txn *txn = NULL;
    struct check_report report;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
    cr_assert_eq(broker_compare(world->broker, txn, &report), STATUS_OK);
    cr_assert_eq(report.problems, 0, "%llu problems: %s", (unsigned long long)report.problems, report.named[0]);
    store_abort(&txn);
}

static void world_free(struct world *world)
{
    broker_free(world->broker);
    store_close(world->store);
    effects_done(&world->effects);
    free(world);
}

void world_close(struct world *world)
{
    world_check(world);
    world_free(world);
}

void world_restart(struct world *world)
{
    broker_free(world->broker);
    open_core(world);
}

static void batch(struct world *world, const struct command *command)
{
    struct store_txn *txn = NULL;

    effects_reset(&world->effects);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(broker_tick(world->broker, txn, world->now, &world->effects), STATUS_OK);
    if (command != NULL)
        cr_assert_eq(broker_step(world->broker, txn, world->now, command, &world->effects), STATUS_OK);
    cr_assert_eq(broker_settle(world->broker, txn, world->now), STATUS_OK);
    cr_assert_eq(store_commit(&txn), STATUS_OK);
}

void world_pass(struct world *world, uint64_t ms)
{
    world->now.store_ms += ms;
    world->now.wall_ms += ms;
    batch(world, NULL);
}

const struct answer *world_answer_to(const struct world *world, uint64_t token)
{
    for (const struct answer *answer = world->effects.answers; answer != NULL; answer = answer->next)
        if (answer->token == token)
            return answer;
    return NULL;
}

const struct answer *world_ask(struct world *world, struct command *command)
{
    if (command->token == 0)
        command->token = ++world->next_token;
    batch(world, command);
    return world_answer_to(world, command->token);
}

const struct answer *world_do(struct world *world, struct command *command)
{
    const struct answer *answer = world_ask(world, command);

    cr_assert_not_null(answer, "no answer to command %d", command->kind);
    cr_assert_null(answer->refusal, "command %d was refused: %s", command->kind, answer->refusal->message);
    return answer;
}

void world_refused(struct world *world, struct command *command, enum status status, const char *reason)
{
    const struct answer *answer = world_ask(world, command);

    cr_assert_not_null(answer, "no answer to command %d", command->kind);
    cr_assert_not_null(answer->refusal, "command %d was not refused", command->kind);
    cr_assert_eq(answer->refusal->status, status, "%s: %s", answer->refusal->reason, answer->refusal->message);
    cr_assert_str_eq(answer->refusal->reason, reason, "%s: %s", answer->refusal->reason, answer->refusal->message);
}

struct task_spec spec_of(const char *agent_type)
{
    return (struct task_spec){.namespace = "",
                              .queue = "",
                              .agent_type = agent_type,
                              .title = "",
                              .content_type = "",
                              .idempotency_key = "",
                              .fairness_key = ""};
}

struct command command_submit(const struct task_spec *spec)
{
    return (struct command){.kind = COMMAND_SUBMIT, .submit = {.specs = spec, .spec_count = 1}};
}

struct command command_claim(struct world *world, const char *agent_id, const char *agent_type)
{
    return (struct command){
        .kind = COMMAND_CLAIM,
        .claim = {.namespace = "",
                  .agent_type = agent_type,
                  .agent_id = agent_id,
                  .incarnation = 1,
                  .claim_seq = ++world->next_claim_seq},
    };
}

struct command command_of_run(enum command_kind kind, struct run_name run)
{
    struct command command = {.kind = kind};
    struct outcome outcome = {.content_type = "", .message = "", .error_type = "", .exit_status = -1};

    switch ((int)kind) {
    case COMMAND_START:
        command.start = (struct command_start){.run = run, .agent_id = ""};
        break;
    case COMMAND_COMPLETE:
        command.complete = (struct command_complete){.run = run, .outcome = outcome};
        break;
    case COMMAND_FAIL:
        command.fail = (struct command_fail){.run = run, .failure = FAILURE_OF_ATTEMPT, .outcome = outcome};
        break;
    case COMMAND_SUSPEND:
        command.suspend = (struct command_suspend){.run = run, .reason = ""};
        break;
    default:
        command.release = (struct command_release){.run = run, .reason = ""};
        break;
    }
    return command;
}

struct command command_update(uint64_t task_id, const char *field, const struct task_spec *spec)
{
    static const char *fields[1];

    fields[0] = field;
    return (struct command){
        .kind = COMMAND_UPDATE,
        .update = {.task_id = task_id, .fields = fields, .field_count = 1, .spec = *spec},
    };
}

uint64_t submit_spec(struct world *world, struct task_spec spec)
{
    struct command command = command_submit(&spec);
    const struct answer *answer = world_do(world, &command);

    cr_assert_null(answer->submit.outcomes[0].refusal, "%s", answer->submit.outcomes[0].refusal->message);
    return answer->submit.outcomes[0].task_id;
}

uint64_t submit(struct world *world, const char *agent_type)
{
    return submit_spec(world, spec_of(agent_type));
}

static struct run_name claim_one(struct world *world, struct command command)
{
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->claim.count, 1, "%s got %zu tasks", command.claim.agent_id, answer->claim.count);
    return (struct run_name){.task_id = answer->claim.tasks[0]->id, .fence = answer->claim.tasks[0]->fence};
}

struct run_name claim(struct world *world, const char *agent_id, const char *agent_type)
{
    return claim_one(world, command_claim(world, agent_id, agent_type));
}

struct run_name claim_started(struct world *world, const char *agent_id, const char *agent_type)
{
    struct command command = command_claim(world, agent_id, agent_type);

    command.claim.start = true;
    return claim_one(world, command);
}

struct run_name claim_supervised(struct world *world, const char *agent_id, const char *agent_type)
{
    struct command command = command_claim(world, agent_id, agent_type);

    command.claim.start = true;
    command.claim.supervised = true;
    return claim_one(world, command);
}

void claim_nothing(struct world *world, const char *agent_id, const char *agent_type)
{
    struct command command = command_claim(world, agent_id, agent_type);

    cr_assert_eq(world_do(world, &command)->claim.count, 0);
}

void start(struct world *world, struct run_name run)
{
    struct command command = command_of_run(COMMAND_START, run);

    (void)world_do(world, &command);
}

void complete(struct world *world, struct run_name run)
{
    struct command command = command_of_run(COMMAND_COMPLETE, run);

    (void)world_do(world, &command);
}

enum task_state fail(struct world *world, struct run_name run)
{
    struct command command = command_of_run(COMMAND_FAIL, run);

    return world_do(world, &command)->state;
}

struct command command_of_exit(struct run_name run, enum exit_kind how)
{
    return (struct command){
        .kind = COMMAND_REPORT_EXIT,
        .report_exit = {.run = run,
                        .how = how,
                        .outcome = {.content_type = "", .message = "", .error_type = "", .exit_status = -1}}};
}

enum task_state report_exit(struct world *world, struct run_name run, enum exit_kind how)
{
    struct command command = command_of_exit(run, how);

    return world_do(world, &command)->exit.state;
}

enum task_state release(struct world *world, struct run_name run, uint32_t delay_ms)
{
    struct command command = command_of_run(COMMAND_RELEASE, run);

    command.release.delay_ms = delay_ms;
    return world_do(world, &command)->state;
}

enum task_state suspend(struct world *world, struct run_name run, const char *reason)
{
    struct command command = command_of_run(COMMAND_SUSPEND, run);

    command.suspend.reason = reason;
    return world_do(world, &command)->state;
}

void ask_suspend(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_ASK_SUSPEND, .ask_suspend = {.task_id = task_id, .reason = "too dear"}};

    (void)world_do(world, &command);
}

void resume(struct world *world, uint64_t task_id, const char *answer)
{
    struct command command = {.kind = COMMAND_RESUME, .resume = {.task_id = task_id, .answer = bytes_of_text(answer)}};

    (void)world_do(world, &command);
}

void cancel(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_CANCEL, .cancel = {.task_id = task_id, .reason = "enough"}};

    (void)world_do(world, &command);
}

void retry(struct world *world, uint64_t task_id, bool force)
{
    struct command command = {.kind = COMMAND_RETRY, .retry = {.task_id = task_id, .force = force}};

    (void)world_do(world, &command);
}

enum verdict beat(struct world *world, const char *agent_id, struct run_name run)
{
    struct beat beat = {.run = run, .progress_text = ""};
    struct command command = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = agent_id, .incarnation = 1, .beats = &beat, .beat_count = 1},
    };

    return world_do(world, &command)->heartbeat.replies[0].verdict;
}

const struct task_view *get(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = task_id, .with_payload = true}};

    return world_do(world, &command)->task;
}

enum task_state state_of(struct world *world, uint64_t task_id)
{
    return get(world, task_id)->state;
}

struct task_spec spec_limited(const char *agent_type, const char *const *limits, size_t count)
{
    struct task_spec spec = spec_of(agent_type);

    spec.limits = limits;
    spec.limit_count = count;
    return spec;
}

uint64_t submit_limited(struct world *world)
{
    static const char *const anthropic[] = {"anthropic"};

    return submit_spec(world, spec_limited("claude", anthropic, 1));
}

struct command command_set_limit(const char *name)
{
    return (struct command){.kind = COMMAND_SET_LIMIT, .who = "uid 0", .set_limit = {.name = name, .reason = ""}};
}

const struct limit_view *limit_set(struct world *world, struct command *command)
{
    command->token = 0;
    return &world_do(world, command)->limits.limits[0];
}

void limit_allow(struct world *world, const char *name, uint32_t max_running)
{
    struct command command = command_set_limit(name);

    command.set_limit.has_max_running = true;
    command.set_limit.max_running = max_running;
    (void)limit_set(world, &command);
}

void limit_stop(struct world *world, const char *name, uint64_t for_ms)
{
    struct command command = command_set_limit(name);

    command.set_limit.has_pause = true;
    command.set_limit.pause_for_ms = for_ms;
    (void)limit_set(world, &command);
}

const struct limit_view *limit_look(struct world *world, const char *name)
{
    struct command command = {.kind = COMMAND_LIST_LIMITS, .list_limits = {.prefix = name}};
    const struct answer *answer = world_do(world, &command);

    return answer->limits.count > 0 ? &answer->limits.limits[0] : NULL;
}

struct task_spec spec_with_budget(uint64_t micro_dollars, uint64_t tokens, enum breach_policy on_breach)
{
    struct task_spec spec = spec_of("t");

    spec.budget = (struct budget){.micro_dollars = micro_dollars, .tokens = tokens, .on_breach = on_breach};
    return spec;
}

uint64_t submit_child(struct world *world, uint64_t parent_id)
{
    struct task_spec spec = spec_of("t");

    spec.parent_id = parent_id;
    return submit_spec(world, spec);
}

enum verdict beat_used(struct world *world, struct run_name run, uint64_t micro_dollars, uint64_t tokens)
{
    struct beat beat = {.run = run, .progress_text = "", .usage = {.micro_dollars = micro_dollars, .tokens = tokens}};
    struct command command = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = &beat, .beat_count = 1},
    };

    return world_do(world, &command)->heartbeat.replies[0].verdict;
}

struct usage used_by_tree(struct world *world, uint64_t task_id)
{
    return get(world, task_id)->budget.used;
}

struct command command_set_budget(uint64_t task_id, uint64_t micro_dollars)
{
    return (struct command){
        .kind = COMMAND_SET_BUDGET,
        .who = "alice",
        .set_budget = {.task_id = task_id, .has_micro_dollars = true, .micro_dollars = micro_dollars}};
}

const struct answer *set_budget(struct world *world, uint64_t task_id, uint64_t micro_dollars)
{
    struct command command = command_set_budget(task_id, micro_dollars);

    return world_do(world, &command);
}

uint64_t submit_breached(struct world *world, enum breach_policy on_breach)
{
    uint64_t id = submit_spec(world, spec_with_budget(DOLLAR, 0, on_breach));
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_eq(run.task_id, id);
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), on_breach == BREACH_CANCEL ? VERDICT_STOP : VERDICT_SUSPEND);
    if (on_breach == BREACH_CANCEL)
        (void)release(world, run, 0);
    else
        (void)suspend(world, run, "as asked");
    return id;
}
