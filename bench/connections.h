/* Several connections to one daemon in one loop: what the load generators run on. */
#pragma once

#include "bench/bench.h"
#include "client/ganger.h"

#define CONNECTIONS_MAX 64

struct connections {
    struct ganger *items[CONNECTIONS_MAX];
    uint32_t count;
};

/* False when the daemon does not take them within five seconds. */
bool connections_open(struct connections *connections, const char *endpoint, enum ganger_daemon daemon, uint32_t count);
void connections_close(struct connections *connections);
/* Sends the calls that were started outside of reply handlers. */
void connections_flush(struct connections *connections);
/* Sleeps until something has come, and handles it. Only connections that have something cost anything. */
void connections_turn(struct connections *connections);
