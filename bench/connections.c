#include "bench/connections.h"

#include "common/base/clock.h"

#include <poll.h>
#include <stdio.h>

#define OPEN_TIMEOUT_MS 5000
#define SLEEP_MS 100

bool connections_open(struct connections *connections, const char *endpoint, enum ganger_daemon daemon, uint32_t count)
{
    struct ganger_error error = {0};
    uint64_t limit_ms = clock_boot_ms() + OPEN_TIMEOUT_MS;

    *connections = (struct connections){0};
    for (uint32_t i = 0; i < count; i++) {
        if (ganger_open(endpoint, daemon, &connections->items[i], &error) != GANGER_OK) {
            (void)fprintf(stderr, "ganger-bench: %s\n", error.message);
            return false;
        }
        connections->count++;
    }
    for (uint32_t i = 0; i < count; i++) {
        while (!ganger_connected(connections->items[i])) {
            if (clock_boot_ms() >= limit_ms) {
                (void)fprintf(stderr, "ganger-bench: no daemon answers at %s\n", endpoint);
                return false;
            }
            ganger_wait(connections->items[i], SLEEP_MS);
            ganger_process(connections->items[i]);
        }
    }
    return true;
}

void connections_close(struct connections *connections)
{
    for (uint32_t i = 0; i < connections->count; i++)
        ganger_close(connections->items[i]);
    connections->count = 0;
}

/* The descriptors are edge-triggered: only asking tells whether something still waits. */
static void process_all_of(struct ganger *ganger)
{
    do
        ganger_process(ganger);
    while (ganger_waiting(ganger));
}

void connections_flush(struct connections *connections)
{
    for (uint32_t i = 0; i < connections->count; i++)
        process_all_of(connections->items[i]);
}

void connections_turn(struct connections *connections)
{
    struct pollfd fds[CONNECTIONS_MAX];

    for (uint32_t i = 0; i < connections->count; i++)
        fds[i] = (struct pollfd){.fd = ganger_fd(connections->items[i]), .events = POLLIN};
    if (poll(fds, connections->count, SLEEP_MS) <= 0) {
        connections_flush(connections);
        return;
    }
    for (uint32_t i = 0; i < connections->count; i++) {
        if (fds[i].revents != 0)
            process_all_of(connections->items[i]);
    }
}
