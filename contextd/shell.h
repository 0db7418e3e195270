/* The context store's shell: it owns the store, the socket and the followers, and runs the core in the turns of
 * common/serve. Handlers decode, step, encode; nothing else decides. */
#pragma once

#include "common/rpc/server.h"
#include "common/serve/serve.h"
#include "common/serve/waiting.h"
#include "common/store/store.h"
#include "contextd/core/core.h"
#include "contextd/followers.h"
#include "contextd/receivers.h"

#include <ganger/v1/context.pb-c.h>
#include <ganger/v1/locks.pb-c.h>
#include <ganger/v1/messages.pb-c.h>

struct shell;

struct context_service {
    Ganger__V1__Context_Service base;
    struct shell *shell;
};

struct streams_service {
    Ganger__V1__Streams_Service base;
    struct shell *shell;
};

struct locks_service {
    Ganger__V1__Locks_Service base;
    struct shell *shell;
};

struct messages_service {
    Ganger__V1__Messages_Service base;
    struct shell *shell;
};

struct shell {
    struct store *store;
    struct rpc_server *server;
    struct serve *serve;
    struct context_service context;
    struct streams_service streams;
    struct locks_service locks;
    struct followers followers;
    struct messages_service messages;
    struct waiting waiting;     /* requests for locks */
    struct receivers receivers; /* who waits for messages */
    uint64_t opened_boot_ms;    /* BOOTTIME and store time at the same moment */
    uint64_t opened_store_ms;

    struct contextd core;
    struct contextd_now now;
    struct store_txn *txn; /* of the open batch */
    struct effects effects;
    struct arena arena;   /* of the response that is made */
    struct buffer detail; /* likewise */
    uint64_t batch_bytes; /* written or answered in the open batch */
    uint64_t batch_bytes_max;
    uint64_t usage_due_ms; /* when the fill of the store is looked at again */
    uint64_t started_ms;
};

struct shell_options {
    sd_event *event;
    const char *const *endpoints;
    const char *directory;
    uint64_t store_max_bytes;
    size_t batch_max;
    uint64_t batch_bytes_max;
    uint32_t connections_max;
};

enum status shell_new(const struct shell_options *options, struct shell **ret_shell, struct error *error) NODISCARD;
struct shell *shell_free(struct shell *shell);
DEFINE_CLEANUP(struct shell *, shell_free)

/* Runs one command in the open batch. False: it was refused, and call is answered. */
bool shell_step(struct shell *shell, const struct command *command, struct rpc_call *call);

/* Who waited for a lock and has an answer by now. */
void locks_service_answer(struct shell *shell, const struct lock_answer *answer);

/* The services as rows for the server. */
extern const struct rpc_method context_methods[];
extern const struct rpc_method streams_methods[];
extern const struct rpc_method locks_methods[];
extern const struct rpc_method messages_methods[];
void context_service_init(struct context_service *service, struct shell *shell);
void streams_service_init(struct streams_service *service, struct shell *shell);
void locks_service_init(struct locks_service *service, struct shell *shell);
void messages_service_init(struct messages_service *service, struct shell *shell);

/* Looks once more for what a call waits for; false when there is still nothing and it waits on. At the end of its wait
 * it is answered with nothing. */
bool messages_service_serve(struct shell *shell, struct rpc_call *call, const struct receive_messages *receive,
                            bool is_over);
