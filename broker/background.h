/* The one long look at the whole store that may be under way: a backup or a check.
 *
 * It reads a snapshot on a thread of its own, while the loop goes on with its batches. Whoever asked for it follows it
 * by a stream, and nobody works for somebody who is gone: when the stream ends before the work does, the work is
 * stopped. */
#pragma once

#include "broker/core/broker.h"
#include "common/rpc/server.h"
#include "common/store/backup.h"
#include "common/store/store.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <systemd/sd-event.h>

struct shell;
struct background_kind;

struct background {
    struct shell *shell;
    sd_event_source *source;
    int event_fd; /* the thread has ended */

    const struct background_kind *kind; /* of the work under way, NULL = none */
    struct rpc_call *call;              /* who asked for it; NULL when gone */
    struct store_txn *snapshot;         /* the thread's until it has ended */
    struct store_identity identity;     /* of the snapshot */
    pthread_t thread;
    atomic_bool stops;
    atomic_bool has_ended;
    atomic_uint_least64_t seen[2]; /* how far it is: rows and bytes, or tasks and problems */
    uint64_t tell_due_ms;

    /* The thread's until it has ended. */
    uint64_t rested_us; /* when its last rest ended */
    char path[PATH_MAX];
    enum status status;
    struct error error;
    struct backup_figures figures;
    struct check_report report;
};

enum status background_init(struct background *background, struct shell *shell, sd_event *event, struct error *error)
    NODISCARD;
/* Waits for the thread, which is told to stop. Before the store is closed. */
void background_done(struct background *background);

/* Both keep the call, a stream. RESOURCE_EXHAUSTED/BUSY while another one is under way. path is absolute, for
 * INVALID_ARGUMENT/BAD_FIELD. */
enum status background_backup(struct background *background, struct rpc_call *call, const char *path,
                              struct error *error) NODISCARD;
enum status background_check(struct background *background, struct rpc_call *call, struct error *error) NODISCARD;

/* Tells whoever asked how far it is, or how it ended. */
void background_serve(struct background *background, uint64_t now_ms);
uint64_t background_deadline_ms(const struct background *background);
