/* Claims tasks and works on them: an agent that is connected itself, or a supervisor, which registers, claims in the
 * name of its crew and has many slots.
 *
 * A supervisor has a process for each run, from the answer to its start on. It kills it when it is told to, and by
 * itself when its word has not reached the broker for so long that the task may soon be somebody else's.
 *
 * Some runs just work and complete; others fail, are given back, lose their agent without a word, or stop their
 * heartbeats and come back when the lease is long over. */
#include "tests/sim/actor.h"
#include "tests/sim/process.h"

#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 4
#define CLAIM_PURPOSE SLOTS_MAX

#define LOOK_MS 500
#define HEALED_PAUSE_MS 1000
#define FENCE_MARGIN_MS 5000
#define NO_SLOT 1000 /* the purpose of calls that are about no slot */

enum plan { PLAN_COMPLETE, PLAN_FAIL, PLAN_RELEASE, PLAN_SILENCE, PLAN_OVERSTAY, PLAN_SUSPEND, PLAN_LOST };

struct slot {
    struct run_name run; /* task_id 0 = free */
    enum plan plan;
    bool silent; /* no more heartbeats */
    bool ending; /* its end is said */
    uint64_t work_left_ms;
    uint64_t heard_us; /* when the last word that the broker has heard was sent */
    uint32_t lease_ms; /* that was told for it */
    bool has_process;
    uint64_t dead_us; /* when the process that was killed is dead; 0 = it was not */
    char agent_id[16];
};

struct agent {
    struct actor actor;
    bool is_supervisor;
    bool started; /* claims with start */
    bool is_new;  /* has not asked to be registered in this life */
    bool has_registered;
    bool waits;
    uint32_t slot_count;
    const char *agent_type;
    char claim_id[16];
    uint64_t incarnation;
    uint64_t claim_seq;
    struct slot slots[SLOTS_MAX];
};

static const char *const queues[] = {"default", "night", "a-queue"};
static const char *const types[] = {"any", "claude", "codex", ""};

static struct agent *agent_of(struct actor *actor)
{
    return (struct agent *)actor;
}

static size_t free_slots(const struct agent *agent)
{
    size_t count = 0;

    for (size_t i = 0; i < agent->slot_count; i++)
        count += agent->slots[i].run.task_id == 0;
    return count;
}

static struct slot *slot_of(struct agent *agent, struct run_name run)
{
    for (size_t i = 0; i < agent->slot_count; i++)
        if (agent->slots[i].run.task_id == run.task_id && agent->slots[i].run.fence == run.fence)
            return &agent->slots[i];
    return NULL;
}

static void empty(struct slot *slot)
{
    slot->run = (struct run_name){0};
    slot->has_process = false;
    slot->dead_us = 0;
}

/* A duration by the agent's own clock has passed. */
static bool has_passed(const struct agent *agent, uint64_t since_us, uint64_t ms)
{
    int64_t own_us = (int64_t)ms * (1000000 + agent->actor.drift_ppm) / 1000;

    return agent->actor.world->now_us >= since_us + (uint64_t)own_us;
}

/* Ends its process, which takes up to the terminate grace, and then says that it was lost. */
static void kill_run(struct agent *agent, struct slot *slot)
{
    struct world *world = agent->actor.world;
    uint64_t within_ms = world_draw(world, world->host->settings.terminate_ms + 1);

    if (slot->dead_us != 0 || slot->ending)
        return;
    process_kill(world, slot->run.task_id, agent->actor.id, within_ms);
    slot->dead_us = world->now_us + 1000 * within_ms;
    slot->plan = PLAN_LOST;
    slot->work_left_ms = 0;
}

/* Nobody waits for it: its process ends without a word. */
static void let_go(struct agent *agent, struct slot *slot)
{
    struct world *world = agent->actor.world;

    if (slot->has_process && slot->dead_us == 0)
        process_kill(world, slot->run.task_id, agent->actor.id,
                     world_draw(world, world->host->settings.terminate_ms + 1));
    empty(slot);
}

/* The fence time: what the broker has heard last is so long ago that the task may soon be another's. */
static void watch_fences(struct world *world, void *subject, uint64_t life)
{
    const struct broker_settings *settings = &world->host->settings;
    struct agent *agent = subject;

    (void)life;
    for (size_t i = 0; i < agent->slot_count; i++) {
        struct slot *slot = &agent->slots[i];
        uint64_t wait_ms = slot->lease_ms + settings->reap_grace_ms - settings->terminate_ms - FENCE_MARGIN_MS;
        if (slot->run.task_id != 0 && slot->has_process && has_passed(agent, slot->heard_us, wait_ms))
            kill_run(agent, slot);
    }
    actor_plan(&agent->actor, LOOK_MS, watch_fences);
}

/* Registering names the runs that go on. */
static void say_hello(struct agent *agent)
{
    struct request *request = request_new(COMMAND_REGISTER);
    struct command_register *registration = &request->command.registration;

    registration->agent_id = agent->actor.id;
    registration->incarnation = agent->incarnation;
    registration->slots = agent->slot_count;
    registration->all_gone = agent->is_new;
    agent->is_new = false;
    for (size_t i = 0; i < agent->slot_count; i++)
        if (agent->slots[i].run.task_id != 0)
            request->held[registration->held_count++] = agent->slots[i].run;
    actor_ask(&agent->actor, request, 0);
}

static void claim_more(struct agent *agent)
{
    struct world *world = agent->actor.world;
    struct request *request = request_new(COMMAND_CLAIM);
    struct command_claim *claim = &request->command.claim;

    claim->agent_type = agent->agent_type;
    claim->agent_id = agent->claim_id;
    claim->incarnation = agent->incarnation;
    claim->claim_seq = agent->claim_seq;
    claim->max = (uint32_t)free_slots(agent);
    claim->waits = agent->waits;
    claim->start = agent->started;
    claim->supervised = agent->is_supervisor;
    claim->queue_count = world->healed ? world->swarm.queues : 1 + world_draw(world, world->swarm.queues);
    size_t first = world->healed ? 0 : world_draw(world, world->swarm.queues);
    for (size_t i = 0; i < claim->queue_count; i++)
        request->queues[i] = queues[(first + i) % world->swarm.queues];
    actor_ask(&agent->actor, request, CLAIM_PURPOSE);
}

static void look_for_work(struct world *world, void *subject, uint64_t life)
{
    struct agent *agent = subject;

    (void)life;
    if (free_slots(agent) > 0 && (agent->has_registered || !agent->is_supervisor) && actor_has_room(&agent->actor) &&
        !actor_is_open(&agent->actor, COMMAND_CLAIM, CLAIM_PURPOSE))
        claim_more(agent);
    actor_plan(&agent->actor, world->healed ? HEALED_PAUSE_MS : 1 + world_draw(world, world->swarm.pause_ms),
               look_for_work);
}

static void beat(struct world *world, void *subject, uint64_t life)
{
    struct agent *agent = subject;
    struct request *request = request_new(COMMAND_HEARTBEAT);
    struct command_heartbeat *heartbeat = &request->command.heartbeat;

    (void)life;
    heartbeat->agent_id = agent->actor.id;
    heartbeat->incarnation = agent->incarnation;
    for (size_t i = 0; i < agent->slot_count; i++)
        if (agent->slots[i].run.task_id != 0 && !agent->slots[i].silent)
            request->beats[heartbeat->beat_count++] = (struct beat){.run = agent->slots[i].run, .progress_text = ""};
    if (actor_has_room(&agent->actor) && (heartbeat->beat_count > 0 || agent->is_supervisor))
        actor_ask_once(&agent->actor, request, 0);
    else
        request_free(request);
    actor_plan(&agent->actor, world->swarm.heartbeat_ms + 1, beat);
}

static enum exit_kind exit_of(struct world *world, enum plan plan)
{
    if (plan == PLAN_COMPLETE)
        return EXIT_COMPLETED;
    if (plan == PLAN_LOST)
        return EXIT_LOST;
    if (plan == PLAN_RELEASE)
        return world_draw(world, 2) == 0 ? EXIT_RELEASED : EXIT_CANCELED;
    return world_draw(world, 2) == 0 ? EXIT_FAILED : EXIT_CRASHED;
}

static struct request *exit_report(struct agent *agent, const struct slot *slot)
{
    struct world *world = agent->actor.world;
    struct request *request = request_new(COMMAND_REPORT_EXIT);

    request->command.report_exit.run = slot->run;
    request->command.report_exit.how = exit_of(world, slot->plan);
    request->command.report_exit.streams_pending = world_chance(world, world->swarm.pending);
    request->command.report_exit.outcome.error_type = slot->plan == PLAN_FAIL ? "bug" : "";
    return request;
}

static struct request *last_word(struct agent *agent, const struct slot *slot)
{
    struct world *world = agent->actor.world;
    struct request *request = NULL;

    if (agent->is_supervisor && (slot->plan == PLAN_LOST || world_draw(world, 2) == 0) && slot->plan != PLAN_SUSPEND)
        return exit_report(agent, slot);
    if (slot->plan == PLAN_SUSPEND) {
        request = request_new(COMMAND_SUSPEND);
        request->command.suspend.run = slot->run;
    } else if (slot->plan == PLAN_FAIL) {
        request = request_new(COMMAND_FAIL);
        request->command.fail.run = slot->run;
        request->command.fail.failure = (enum failure)(1 + world_draw(world, 3));
        request->command.fail.final = world_draw(world, 8) == 0;
        request->command.fail.outcome.error_type = world_draw(world, 2) == 0 ? "bug" : "quota";
        request->command.fail.retry_after_ms = world_draw(world, 4) == 0 ? (uint32_t)world_draw(world, 10000) : 0;
    } else if (slot->plan == PLAN_RELEASE) {
        request = request_new(COMMAND_RELEASE);
        request->command.release =
            (struct command_release){.run = slot->run,
                                     .reason = "",
                                     .delay_ms = world_draw(world, 4) == 0 ? (uint32_t)world_draw(world, 5000) : 0};
    } else {
        request = request_new(COMMAND_COMPLETE);
        request->command.complete.run = slot->run;
    }
    return request;
}

/* Its provider has had enough of it. */
static void pause_limit(struct agent *agent, const struct slot *slot)
{
    static const char *const names[] = {"anthropic", "repo:acme/web", "gpu"};
    struct world *world = agent->actor.world;
    struct request *request = request_new(COMMAND_PAUSE_LIMIT);

    request->command.pause_limit.run = slot->run;
    request->command.pause_limit.limit = names[world_draw(world, 3)];
    request->command.pause_limit.for_ms = 1 + world_draw(world, 10000);
    actor_ask(&agent->actor, request, 0);
}

static void end_run(struct agent *agent, struct slot *slot)
{
    size_t index = (size_t)(slot - agent->slots);

    if (slot->plan == PLAN_FAIL && actor_has_room(&agent->actor) && world_draw(agent->actor.world, 4) == 0)
        pause_limit(agent, slot);
    if (slot->plan == PLAN_SILENCE && !agent->is_supervisor) {
        empty(slot);
        return;
    }
    if (slot->plan == PLAN_OVERSTAY && !slot->silent && !agent->is_supervisor) {
        slot->silent = true;
        slot->work_left_ms = 2ULL * agent->actor.world->swarm.lease_ms;
        return;
    }
    if (!actor_has_room(&agent->actor))
        return;
    if (slot->dead_us > agent->actor.world->now_us)
        return;
    if (slot->has_process)
        process_kill(agent->actor.world, slot->run.task_id, agent->actor.id, 0);
    slot->ending = true;
    actor_ask(&agent->actor, last_word(agent, slot), index);
}

/* Everybody works in steps of a tenth of the longest work. */
static void work(struct world *world, void *subject, uint64_t life)
{
    struct agent *agent = subject;
    uint64_t step_ms = 1 + world->swarm.work_ms / 10;

    (void)life;
    for (size_t i = 0; i < agent->slot_count; i++) {
        struct slot *slot = &agent->slots[i];
        bool is_starting = actor_is_open(&agent->actor, COMMAND_START, i);
        if (slot->run.task_id == 0 || slot->ending || is_starting)
            continue;
        slot->work_left_ms -= slot->work_left_ms < step_ms ? slot->work_left_ms : step_ms;
        if (slot->work_left_ms == 0)
            end_run(agent, slot);
    }
    actor_plan(&agent->actor, step_ms, work);
}

static enum plan draw_plan(struct world *world)
{
    const struct swarm *swarm = &world->swarm;

    if (world_fault(world, swarm->silence))
        return PLAN_SILENCE;
    if (world_fault(world, swarm->overstay))
        return PLAN_OVERSTAY;
    if (world_fault(world, swarm->release))
        return PLAN_RELEASE;
    if (world_fault(world, swarm->suspend))
        return PLAN_SUSPEND;
    return world_fault(world, swarm->fail) ? PLAN_FAIL : PLAN_COMPLETE;
}

static void begin_process(struct agent *agent, struct slot *slot)
{
    if (!agent->is_supervisor)
        return;
    if (has_passed(agent, slot->heard_us, slot->lease_ms)) {
        slot->plan = PLAN_LOST; /* the answer has come too late: nothing is begun */
        slot->work_left_ms = 0;
        return;
    }
    if (slot->has_process)
        return;
    slot->has_process = true;
    process_begin(agent->actor.world, slot->run.task_id, agent->actor.id);
}

static void begin_run(struct agent *agent, struct slot *slot, const struct reply_item *item,
                      const struct open_call *call)
{
    struct world *world = agent->actor.world;
    char id[sizeof slot->agent_id];

    memcpy(id, slot->agent_id, sizeof id);
    *slot = (struct slot){
        .run = item->run, .plan = draw_plan(world), .work_left_ms = world_draw(world, world->swarm.work_ms)};
    memcpy(slot->agent_id, id, sizeof id);
    slot->heard_us = call->sent_us;
    slot->lease_ms = item->lease_ms;
    if (item->state != TASK_ASSIGNED)
        begin_process(agent, slot);
    if (item->state != TASK_ASSIGNED || !actor_has_room(&agent->actor))
        return;
    struct request *request = request_new(COMMAND_START);
    request->command.start =
        (struct command_start){.run = slot->run, .agent_id = agent->is_supervisor ? slot->agent_id : ""};
    actor_ask(&agent->actor, request, (uint64_t)(slot - agent->slots));
}

static void take_claim(struct agent *agent, const struct open_call *call, const struct reply *reply)
{
    if (reply->reason != NULL) {
        if (strcmp(reply->reason, "STALE_CLAIM") == 0)
            agent->claim_seq++;
        return;
    }
    agent->claim_seq++;
    for (size_t i = 0; i < reply->item_count; i++) {
        struct slot *slot = slot_of(agent, (struct run_name){0});
        if (slot != NULL && slot_of(agent, reply->items[i].run) == NULL)
            begin_run(agent, slot, &reply->items[i], call);
    }
}

static void take_beats(struct agent *agent, const struct open_call *call, const struct reply *reply)
{
    for (size_t i = 0; i < reply->item_count; i++) {
        struct slot *slot = slot_of(agent, reply->items[i].run);
        if (slot == NULL || slot->ending)
            continue;
        if (reply->items[i].verdict == VERDICT_STALE) {
            let_go(agent, slot);
            continue;
        }
        if (call->sent_us > slot->heard_us) {
            slot->heard_us = call->sent_us;
            slot->lease_ms = reply->items[i].lease_ms;
        }
        if (reply->items[i].verdict == VERDICT_KILL)
            kill_run(agent, slot);
        if (reply->items[i].verdict == VERDICT_SUSPEND && slot->dead_us == 0) {
            slot->plan = PLAN_SUSPEND;
            slot->work_left_ms = 0;
        }
        if ((reply->items[i].verdict == VERDICT_STOP || reply->items[i].verdict == VERDICT_GIVE_BACK) &&
            slot->dead_us == 0) {
            slot->plan = world_draw(agent->actor.world, 2) == 0 ? PLAN_FAIL : PLAN_RELEASE;
            slot->work_left_ms = 0;
        }
    }
    if (reply->reason == NULL && !reply->registered && agent->is_supervisor &&
        !actor_is_open(&agent->actor, COMMAND_REGISTER, 0) && actor_has_room(&agent->actor))
        say_hello(agent);
}

/* Its output is there; now and then nobody says so. */
static void finish(struct agent *agent, struct run_name run)
{
    struct world *world = agent->actor.world;

    if (world_draw(world, 4) == 0 || !actor_has_room(&agent->actor))
        return;
    struct request *request = request_new(COMMAND_FINISH);
    request->command.finish.run = run;
    request->command.finish.output_incomplete = world_draw(world, 2) == 0;
    actor_ask(&agent->actor, request, NO_SLOT);
}

/* Also when the slot was used for another one since. */
static bool is_run_of(const struct slot *slot, struct run_name run)
{
    return slot->run.task_id == run.task_id && slot->run.fence == run.fence;
}

static void on_reply(struct actor *actor, const struct open_call *call, const struct reply *reply)
{
    struct agent *agent = agent_of(actor);
    const struct command *command = &call->request->command;

    if (reply == NULL)
        return;
    if (reply->reason != NULL && strcmp(reply->reason, "STORE_FULL") == 0 && command->kind != COMMAND_CLAIM &&
        command->kind != COMMAND_HEARTBEAT) {
        actor_ask(actor, request_share(call->request), call->purpose);
        return;
    }
    agent->has_registered = agent->has_registered || (command->kind == COMMAND_REGISTER && reply->reason == NULL);
    if (command->kind == COMMAND_CLAIM)
        take_claim(agent, call, reply);
    if (command->kind == COMMAND_HEARTBEAT)
        take_beats(agent, call, reply);
    if (command->kind == COMMAND_START && reply->reason != NULL &&
        is_run_of(&agent->slots[call->purpose], command->start.run))
        empty(&agent->slots[call->purpose]);
    else if (command->kind == COMMAND_START && is_run_of(&agent->slots[call->purpose], command->start.run))
        begin_process(agent, &agent->slots[call->purpose]);
    if (call->purpose == NO_SLOT)
        return;
    if (command->kind == COMMAND_REPORT_EXIT && reply->finishing)
        finish(agent, command->report_exit.run);
    if (command->kind == COMMAND_SUSPEND || command->kind == COMMAND_REPORT_EXIT)
        empty(&agent->slots[call->purpose]);
    if (command->kind == COMMAND_COMPLETE || command->kind == COMMAND_FAIL || command->kind == COMMAND_RELEASE)
        empty(&agent->slots[call->purpose]);
}

static void on_push(struct actor *actor, struct run_name run, enum verdict verdict)
{
    struct agent *agent = agent_of(actor);
    struct slot *slot = run.task_id != 0 ? slot_of(agent, run) : NULL;

    if (slot == NULL || slot->ending || slot->dead_us != 0)
        return;
    if (verdict == VERDICT_KILL) {
        kill_run(agent, slot);
        return;
    }
    slot->plan = verdict == VERDICT_SUSPEND ? PLAN_SUSPEND : PLAN_RELEASE;
    slot->work_left_ms = 0;
}

static void live(struct agent *agent)
{
    struct world *world = agent->actor.world;

    agent->incarnation++;
    agent->claim_seq = 1;
    for (size_t i = 0; i < agent->slot_count; i++)
        empty(&agent->slots[i]);
    if (agent->is_supervisor || world_draw(world, 2) == 0)
        say_hello(agent);
    actor_plan(&agent->actor, 1 + world_draw(world, world->swarm.pause_ms), look_for_work);
    actor_plan(&agent->actor, world->swarm.heartbeat_ms + 1, beat);
    if (agent->is_supervisor)
        actor_plan(&agent->actor, LOOK_MS, watch_fences);
    actor_plan(&agent->actor, 1 + world_draw(world, world->swarm.work_ms), work);
}

static void come_back(struct world *world, void *subject, uint64_t life)
{
    (void)world;
    (void)life;
    live(subject);
}

/* A supervisor waits until nothing of its old life is left. */
static void on_restart(struct actor *actor)
{
    struct agent *agent = agent_of(actor);
    uint64_t wait_ms = 0;

    agent->is_new = true;
    agent->has_registered = false;
    for (size_t i = 0; i < agent->slot_count; i++)
        empty(&agent->slots[i]);
    if (agent->is_supervisor)
        wait_ms = processes_kill(actor->world, actor->id,
                                 world_draw(actor->world, actor->world->host->settings.terminate_ms));
    actor_plan(actor, wait_ms + wait_ms / 16, come_back);
}

static void free_agent(struct actor *actor)
{
    actor_done(actor);
    free(actor);
}

static const struct actor_kind agent_kind = {
    .name = "agent", .on_reply = on_reply, .on_push = on_push, .on_restart = on_restart, .free = free_agent};

static struct actor *new_agent(struct world *world, bool is_supervisor, const char *id)
{
    struct agent *agent = allocate_zero(1, sizeof *agent);

    agent->is_supervisor = is_supervisor;
    agent->started = world_draw(world, 2) == 0;
    agent->waits = world_draw(world, 4) > 0;
    agent->slot_count = is_supervisor ? SLOTS_MAX : 1 + (uint32_t)world_draw(world, 2);
    agent->agent_type = types[world_draw(world, 4)];
    actor_join(&agent->actor, world, &agent_kind, id);
    (void)snprintf(agent->claim_id, sizeof agent->claim_id, "%s%s", id, is_supervisor ? "/c" : "");
    for (size_t i = 0; i < agent->slot_count; i++)
        (void)snprintf(agent->slots[i].agent_id, sizeof agent->slots[i].agent_id, "%s/c%zu", id, i);
    live(agent);
    return &agent->actor;
}

struct actor *agent_new(struct world *world, uint32_t number)
{
    char id[] = {'a', (char)('0' + number), '\0'};
    struct actor *actor = new_agent(world, false, id);

    if (number == 0) /* somebody takes every type, so that everything can end */
        agent_of(actor)->agent_type = "";
    return actor;
}

struct actor *supervisor_new(struct world *world, uint32_t number)
{
    char id[] = {'b', (char)('0' + number), '\0'};

    return new_agent(world, true, id);
}
