/* A server and a client of the test's own service in one thread: the test turns both until something has happened. */
#pragma once

#include "common/base/clock.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"

#include <echo.pb-c.h>

#define PARKED_MAX 8192

struct fixture {
    char directory[64];
    char endpoint[96];
    struct rpc_server *server;
    struct rpc_client *client;
    uint64_t revision;
    bool hold_replies; /* no flush while set */

    struct rpc_call *parked[PARKED_MAX]; /* of Park and Count, in the order of their coming */
    size_t parked_count;
    size_t ended;          /* on_end calls */
    size_t credited;       /* on_credit calls */
    size_t delivered;      /* requests that reached a handler */
    size_t lost;           /* if_lost calls */
    bool watch_loss;       /* Say asks to be told of a lost answer */
    bool answer_when_lost; /* and then the first parked call gets one */
};

/* Sets up a directory and a server; limits are taken from options, which may be NULL. */
void fixture_init(struct fixture *fixture, const struct rpc_server_options *options);
void fixture_done(struct fixture *fixture);
/* Takes the server away as a crash would, and makes it anew. */
void fixture_stop_server(struct fixture *fixture);
void fixture_start_server(struct fixture *fixture, const struct rpc_server_options *options);
struct rpc_client *fixture_connect(struct fixture *fixture);

/* One turn of the server and of client (which may be NULL). */
void fixture_turn(struct fixture *fixture, struct rpc_client *client);
/* Turns until condition holds; false after ten seconds. */
#define TURN_UNTIL(fixture, client, condition)                                                                         \
    ({                                                                                                                 \
        uint64_t end_ms_ = clock_boot_ms() + 10000;                                                                    \
        while (!(condition) && clock_boot_ms() < end_ms_)                                                              \
            fixture_turn(fixture, client);                                                                             \
        (condition);                                                                                                   \
    })

/* What came of a call. */
struct result {
    size_t replies;
    bool end;
    enum status status;
    char reason[48];
    char message[256];
    char text[256];
    uint64_t number;
    size_t data_size;
    uint64_t detail_size;
    uint64_t revision;
    size_t bytes; /* of all bodies */
    size_t place; /* of the last reply among those of all calls, from 1 */
};
void result_take(const struct rpc_reply *reply, void *data);

struct rpc_client_call *say(struct rpc_client *client, const char *method, const char *text, uint32_t timeout_ms,
                            struct result *result);
struct rpc_client_call *count(struct rpc_client *client, uint32_t credit_bytes, struct result *result);
void answer(struct rpc_call *call, const char *text);
