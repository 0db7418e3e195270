/* A real context store on a socket of its own, and the calls of the tests. Start it before the first client is opened:
 * forking below ZeroMQ's threads is undefined. */
#pragma once

#include "client/ganger.h"
#include "common/base/bytes.h"

#include <stdint.h>
#include <sys/types.h>

struct daemon_fixture {
    char directory[128];
    char endpoint[192];
    pid_t pid;
    int killer; /* pipe to the process that keeps killing it, when there is one */
    pid_t killer_pid;
};

/* A directory of its own, and the daemon in it. setting is one more --set, or NULL. */
void daemon_fixture_init(struct daemon_fixture *fixture, const char *setting);
/* Everything ended and removed. */
void daemon_fixture_done(struct daemon_fixture *fixture);
DEFINE_CLEANUP_EMBEDDED(struct daemon_fixture, daemon_fixture_done)

/* The same, with a process that kills the daemon with SIGKILL every interval_ms and starts it again, until it is told
 * to leave it alive. */
void daemon_fixture_init_killed(struct daemon_fixture *fixture, uint32_t interval_ms);
void daemon_fixture_spare(struct daemon_fixture *fixture);

void daemon_fixture_start(struct daemon_fixture *fixture, const char *setting);
/* SIGTERM; its exit status. */
int daemon_fixture_stop(struct daemon_fixture *fixture);
/* The same, without asking it to end. */
int daemon_fixture_wait(struct daemon_fixture *fixture);
/* Its own memory, without what is mapped from files. */
uint64_t daemon_fixture_memory_bytes(const struct daemon_fixture *fixture);

struct ganger *open_client(const struct daemon_fixture *fixture);
static inline void ganger_close_at(struct ganger **ganger)
{
    ganger_close(*ganger);
}

/* expected < 0: whatever is there. */
enum ganger_status put_entry(struct ganger *ganger, const char *key, struct bytes value, int64_t expected,
                             struct ganger_error *error);
/* The caller frees the entry's response. NULL: not there. */
Ganger__V1__GetEntryResponse *get_entry(struct ganger *ganger, const char *key);
enum ganger_status append_stream(struct ganger *ganger, const char *name, uint64_t offset, struct bytes data,
                                 struct ganger_error *error);
enum ganger_status seal_stream(struct ganger *ganger, const char *name, uint64_t length, struct ganger_error *error);
Ganger__V1__ContextStatsResponse *get_stats(struct ganger *ganger);

/* One stream being followed; what has come is in bytes. */
struct following {
    struct buffer bytes;
    bool ended;
    bool out_of_order;
    struct ganger_error error; /* of the end, when it was not a good one */
};
struct ganger_call *follow_stream(struct ganger *ganger, const char *name, uint64_t offset, bool wait,
                                  uint32_t credit_bytes, struct following *following);
/* Processes until all have ended, bounded. */
void wait_for_ends(struct ganger *ganger, struct following *following, size_t count);

/* Bytes that tell where they are. */
struct buffer test_bytes(size_t size);

#define assert_good(expression, error) cr_assert_eq((expression), GANGER_OK, "%s: %s", (error).reason, (error).message)
