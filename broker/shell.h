/* The broker's shell: it owns the store, the socket and everybody who waits, and runs the core in the turns of
 * common/serve. Handlers decode, ask the core, encode; nothing else decides. */
#pragma once

#include "broker/attend.h"
#include "broker/background.h"
#include "broker/caller.h"
#include "broker/core/broker.h"
#include "broker/event_watch.h"
#include "broker/watch.h"
#include "common/rpc/server.h"
#include "common/serve/serve.h"
#include "common/serve/waiting.h"
#include "common/store/store.h"

#include <ganger/v1/admin.pb-c.h>
#include <ganger/v1/agents.pb-c.h>
#include <ganger/v1/tasks.pb-c.h>

struct shell;

struct tasks_service {
    Ganger__V1__Tasks_Service base;
    struct shell *shell;
};

struct agents_service {
    Ganger__V1__Agents_Service base;
    struct shell *shell;
};

struct admin_service {
    Ganger__V1__Admin_Service base;
    struct shell *shell;
};

/* Runs whose assignment did not reach its claimer. */
struct lost_runs {
    struct run_name *items;
    size_t count;
    size_t capacity;
};

/* One that was named again in this batch, to a claimer that repeated its claim. Its fence names it. */
struct repeated_run {
    struct index_node node;
    uint64_t fence;
};

struct shell {
    struct store *store;
    struct rpc_server *server;
    struct serve *serve;
    struct tasks_service tasks;
    struct agents_service agents;
    struct admin_service admin;

    struct broker *broker;
    struct broker_time now;
    struct store_txn *txn; /* of the open batch */
    struct effects effects;
    struct arena arena;      /* of the command and the response that are made */
    struct arena lost_arena; /* of what an undelivered claim must be known by, until the flush */
    struct lost_runs lost;
    struct index repeated; /* in the lost_arena */

    struct waiting waiting; /* parked claims */
    struct watches watches; /* who waits for tasks to change */
    struct event_watches event_watches;
    struct callers callers;       /* names of those who call */
    struct attendance attendance; /* who takes commands at once */
    struct background background; /* a backup or a check */

    uint64_t opened_boot_ms; /* BOOTTIME and store time at the same moment */
    uint64_t opened_store_ms;
    uint64_t looked_ms;     /* BOOTTIME of the last look at the clock */
    uint64_t idle_until_ms; /* BOOTTIME until which nothing was to be done; 0 within a turn */
    uint64_t now_ms;        /* BOOTTIME of the open batch */
    uint64_t tick_due_ms;   /* likewise */
    uint64_t started_ms;    /* likewise */
    bool store_is_nearly_full;
    bool store_is_older; /* than what it has given: said in the log */
    uint64_t usage_due_ms;
    size_t batch_bytes;     /* answered in the open batch */
    uint64_t batch_start;   /* requests before it */
    struct latency batches; /* how many requests shared a commit: not times, but counted alike */
    uint64_t status_due_ms;
};

struct shell_options {
    sd_event *event;
    const char *const *endpoints;
    const char *directory;
    uint64_t store_max_bytes;
    size_t batch_max;
    uint32_t connections_max;
    struct broker_settings settings;
};

enum status shell_new(const struct shell_options *options, struct shell **ret_shell, struct error *error) NODISCARD;
struct shell *shell_free(struct shell *shell);
DEFINE_CLEANUP(struct shell *, shell_free)

/* Every handler begins so: the memory of the call before is given back. */
struct shell *shell_enter(struct shell *shell);
/* Runs one command in the open batch, hands on what it causes for others, and returns its answer: NULL when there is
 * none yet. The answer holds until the next one is asked for. */
const struct answer *shell_ask(struct shell *shell, const struct command *command);
/* The same in the name of a call that gets its answer now; a refusal is the caller's to pass on. */
const struct answer *shell_ask_in_call(struct shell *shell, struct command *command, struct rpc_call *call);
/* The same when the command is all that the call asks. NULL when it was refused, which the call has been told. */
const struct answer *shell_ask_for(struct shell *shell, struct command *command, struct rpc_call *call);

/* An event of what the caller has had done without the core. */
void shell_note(struct shell *shell, const struct rpc_call *call, enum event_kind kind, const char *subject);

/* BOOTTIME, so long after the beginning of the open batch. */
uint64_t shell_time_after(const struct shell *shell, uint32_t wait_ms);

/* The services as rows for the server. */
extern const struct rpc_method tasks_methods[];
extern const struct rpc_method agents_methods[];
extern const struct rpc_method admin_methods[];
void tasks_service_init(struct tasks_service *service, struct shell *shell);
void agents_service_init(struct agents_service *service, struct shell *shell);
void admin_service_init(struct admin_service *service, struct shell *shell);

/* Tells the claimer; the call is over. */
void agents_service_answer_claim(struct shell *shell, struct rpc_call *call, const struct answer *answer);
