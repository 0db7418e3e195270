/* A real broker on a socket of its own, and the calls of the tests. Start it while no client is open: forking below
 * ZeroMQ's threads is undefined. */
#pragma once

#include "client/ganger.h"
#include "common/base/cleanup.h"

#include <criterion/criterion.h>
#include <sys/types.h>

#define TIMEOUT_MS 30000

struct daemon_fixture {
    char directory[128];
    char endpoint[192];
    const char *setting; /* one more --set, or NULL */
    pid_t pid;
};

void daemon_fixture_init(struct daemon_fixture *fixture, const char *setting);
void daemon_fixture_done(struct daemon_fixture *fixture);
DEFINE_CLEANUP_EMBEDDED(struct daemon_fixture, daemon_fixture_done)

void daemon_fixture_start(struct daemon_fixture *fixture);
/* SIGKILL. */
void daemon_fixture_kill(struct daemon_fixture *fixture);
/* SIGTERM; its exit status. */
int daemon_fixture_stop(struct daemon_fixture *fixture);
/* Starts another one on the same store with a socket of its own; its exit status. */
int daemon_fixture_start_second(const struct daemon_fixture *fixture);

struct ganger *open_client(const struct daemon_fixture *fixture);
static inline void ganger_close_at(struct ganger **ganger)
{
    ganger_close(*ganger);
}

#define assert_good(expression, error) cr_assert_eq((expression), GANGER_OK, "%s: %s", (error).reason, (error).message)

/* One task of the type "t"; its id. */
uint64_t submit_one(struct ganger *ganger);
/* Many at once; the first id. */
uint64_t submit_many(struct ganger *ganger, size_t count);

struct claimed {
    uint64_t task_id;
    uint64_t fence;
};
/* One task with start; {0} when none came in time. */
struct claimed claim_one(struct ganger *ganger, const char *agent_id, uint32_t wait_ms);
/* With a claim_seq of the test's own. */
struct claimed claim_numbered(struct ganger *ganger, const char *agent_id, uint64_t claim_seq, uint32_t wait_ms);
/* The same from a connection that is gone when this returns: the claim is on its way, its answer has nobody. */
void claim_and_vanish(const struct daemon_fixture *fixture, const char *agent_id, uint64_t claim_seq);
enum ganger_status complete_one(struct ganger *ganger, struct claimed claimed, struct ganger_error *error);
Ganger__V1__TaskState state_of_task(struct ganger *ganger, uint64_t task_id);
void cancel_one(struct ganger *ganger, uint64_t task_id);
Ganger__V1__StatusResponse *get_status(struct ganger *ganger); /* the caller frees it */

/* A call that is open meanwhile: what has come of it. */
struct opened {
    size_t messages;
    bool ended;
    struct ganger_error error; /* of the end, when it was not a good one */
    uint64_t task_id;          /* of the last message: a claim, a watched task, a command */
    uint64_t fence;
    Ganger__V1__TaskState state;
};
void open_claim(struct ganger *ganger, const char *agent_id, uint32_t wait_ms, struct opened *opened);
void open_wait(struct ganger *ganger, uint64_t task_id, uint32_t wait_ms, struct opened *opened);
void open_watch(struct ganger *ganger, uint64_t *task_ids, size_t count, struct opened *opened);
void open_attend(struct ganger *ganger, const char *agent_id, struct opened *opened);
/* Processes until so many messages have come, or it has ended; bounded. */
void wait_for_messages(struct ganger *ganger, const struct opened *opened, size_t messages);
void wait_for_end(struct ganger *ganger, const struct opened *opened);
/* Processes opener until the broker, asked by other, has so many parked claims and streams. */
void wait_until_parked(struct ganger *opener, struct ganger *other, uint32_t claims, uint32_t streams);
