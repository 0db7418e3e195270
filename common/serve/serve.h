/* The loop of a daemon that serves a store: drain, transact, sync, reply.
 *
 * Each turn reads the requests that wait (at most batch_max), runs their handlers in one transaction, commits it once
 * for all of them, and only then lets their replies leave. A turn that wrote nothing ends its transaction without a
 * sync. While a sync runs the next requests gather, so the batches grow with the load by themselves.
 *
 *   begin      the transaction is open: what is due by now (leases, timers) goes first
 *   (handlers) rpc_server_receive runs them; they write through the transaction that begin was given
 *   settle     what the handlers made possible: parked calls that can be answered now
 *   (commit)
 *   committed  it is durable; the replies leave with the revision that this returns
 *   stream     outside every transaction: open streams get their next share
 *
 * When the store is full nothing of the batch was written: every answer in it becomes RESOURCE_EXHAUSTED/STORE_FULL and
 * discarded is called instead of committed. Any other failure of the store ends the process at once (a failed sync must
 * not be tried again, its outcome is unknown): the start is the recovery.
 *
 * All callbacks but begin and committed may be NULL. now_ms is clock_boot_ms. Server and store are borrowed and must
 * outlive it. */
#pragma once

#include "common/daemon/daemon.h"
#include "common/rpc/server.h"
#include "common/serve/latency.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serve_callbacks {
    /* txn holds until committed or discarded is called. */
    enum status (*begin)(void *state, struct store_txn *txn, uint64_t now_ms);
    enum status (*settle)(void *state, uint64_t now_ms);
    /* Also when nothing was written. Returns the store's revision. */
    uint64_t (*committed)(void *state);
    /* Forget what the batch did. What it parked stays parked. */
    void (*discarded)(void *state);
    /* Takes no further request into this batch: enough was written or is to be sent. */
    bool (*batch_is_full)(void *state);
    /* Sends a bounded share of what open streams have to get; true: there is more, do not sleep. */
    bool (*stream)(void *state, uint64_t now_ms);
    /* When a turn is due even if no request comes; UINT64_MAX = never. */
    uint64_t (*deadline)(void *state);
};

struct serve_options {
    sd_event *event;
    struct rpc_server *server;
    struct store *store;
    size_t batch_max; /* requests in one transaction, 0 = 1,024 */
    const struct serve_callbacks *callbacks;
    void *state; /* for the callbacks */
};

struct serve;

/* From here on the event loop serves. INTERNAL/EVENT_LOOP when the loop refuses a source. */
enum status serve_new(const struct serve_options *options, struct serve **ret_serve, struct error *error) NODISCARD;
struct serve *serve_free(struct serve *serve);
DEFINE_CLEANUP(struct serve *, serve_free)

/* For handlers, which can return nothing: the store failed below them. Logs it and ends the process. (Not for
 * RESOURCE_EXHAUSTED: the store is full, and the batch is discarded at its end.) */
_Noreturn void serve_fatal(const char *what, enum status status);

struct serve_stats {
    uint64_t commits; /* that wrote */
    uint64_t commit_p50_us;
    uint64_t commit_p99_us;
};
struct serve_stats serve_stats(const struct serve *serve);
