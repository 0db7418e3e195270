/* A broker's core over a store in memory, where the time is a variable.
 *
 * Every ask is a batch of its own: tick, one command, settle, commit. What it answered holds until the next ask. After
 * each batch that a test ends with world_close, the whole store is checked. */
#pragma once

#include "broker/core/broker.h"
#include "broker/core/effect.h"
#include "common/store/store_mem.h"

#include <criterion/criterion.h>
#include <string.h>

struct world {
    struct store *store;
    struct broker *broker;
    struct broker_settings settings;
    struct broker_time now;
    struct effects effects;
    uint64_t next_token;
    uint64_t next_claim_seq;
};

#define LEASE_SAID_MS 29999          /* what the broker is told, and what it tells */
#define LEASE_MS (LEASE_SAID_MS + 1) /* how long a lease lasts: times are cut to milliseconds */
#define WALL_START_MS 1700000000000

struct world *world_new(void);
struct world *world_new_with(const struct broker_settings *settings, uint64_t store_limit_bytes);
/* Checks the store and frees everything. */
void world_close(struct world *world);
/* As after a SIGKILL: a new core on the same store. The time in between does not count. */
void world_restart(struct world *world);
/* Lets time pass and does what is due. */
void world_pass(struct world *world, uint64_t ms);
void world_check(struct world *world);

/* Runs it in a batch of its own and returns its answer, NULL when there is none yet. */
const struct answer *world_ask(struct world *world, struct command *command);
/* The answer to this token among the effects of the last batch, NULL when there is none. */
const struct answer *world_answer_to(const struct world *world, uint64_t token);
/* The same, and asserts that it is good, or refused with this reason. */
const struct answer *world_do(struct world *world, struct command *command);
void world_refused(struct world *world, struct command *command, enum status status, const char *reason);

/* What tests ask most. */
struct task_spec spec_of(const char *agent_type);
struct command command_submit(const struct task_spec *spec);
struct command command_claim(struct world *world, const char *agent_id, const char *agent_type);
/* fields: one name. */
struct command command_update(uint64_t task_id, const char *field, const struct task_spec *spec);
struct command command_of_run(enum command_kind kind, struct run_name run);

uint64_t submit(struct world *world, const char *agent_type);
uint64_t submit_spec(struct world *world, struct task_spec spec);
/* Claims one; asserts that there is one. */
struct run_name claim(struct world *world, const char *agent_id, const char *agent_type);
/* The same with start. */
struct run_name claim_started(struct world *world, const char *agent_id, const char *agent_type);
/* The same, supervised. */
struct run_name claim_supervised(struct world *world, const char *agent_id, const char *agent_type);
void claim_nothing(struct world *world, const char *agent_id, const char *agent_type);
void start(struct world *world, struct run_name run);
void complete(struct world *world, struct run_name run);
enum task_state fail(struct world *world, struct run_name run);
struct command command_of_exit(struct run_name run, enum exit_kind how);
/* Returns the state that it led to, or leads to. */
enum task_state report_exit(struct world *world, struct run_name run, enum exit_kind how);
enum task_state release(struct world *world, struct run_name run, uint32_t delay_ms);
enum task_state suspend(struct world *world, struct run_name run, const char *reason);
void ask_suspend(struct world *world, uint64_t task_id);
void resume(struct world *world, uint64_t task_id, const char *answer);
void cancel(struct world *world, uint64_t task_id);
void retry(struct world *world, uint64_t task_id, bool force);
enum verdict beat(struct world *world, const char *agent_id, struct run_name run);
const struct task_view *get(struct world *world, uint64_t task_id);
enum task_state state_of(struct world *world, uint64_t task_id);

/* Named limits. */
struct task_spec spec_limited(const char *agent_type, const char *const *limits, size_t count);
/* A task that names the limit "anthropic". */
uint64_t submit_limited(struct world *world);
struct command command_set_limit(const char *name);
const struct limit_view *limit_set(struct world *world, struct command *command);
void limit_allow(struct world *world, const char *name, uint32_t max_running);
/* Pauses it; 0 resumes. */
void limit_stop(struct world *world, const char *name, uint64_t for_ms);
/* NULL when it is not known. */
const struct limit_view *limit_look(struct world *world, const char *name);

/* Budgets. */
#define DOLLAR 1000000ULL /* in micro-dollars */

struct task_spec spec_with_budget(uint64_t micro_dollars, uint64_t tokens, enum breach_policy on_breach);
uint64_t submit_child(struct world *world, uint64_t parent_id);
/* A heartbeat of agent "a" that says what the run has used so far; the verdict. */
enum verdict beat_used(struct world *world, struct run_name run, uint64_t micro_dollars, uint64_t tokens);
struct usage used_by_tree(struct world *world, uint64_t task_id);
struct command command_set_budget(uint64_t task_id, uint64_t micro_dollars);
const struct answer *set_budget(struct world *world, uint64_t task_id, uint64_t micro_dollars);
/* A task with a budget of one dollar that a run has used up and given back. */
uint64_t submit_breached(struct world *world, enum breach_policy on_breach);
