/* What people call those who call: the name of a user, for the events that tell who did something.
 *
 * Names are looked up once for each user and kept, because a look-up can take its time. */
#pragma once

#include "broker/core/index.h"
#include "common/base/cleanup.h"
#include "common/rpc/server.h"

#define CALLERS_MAX 256 /* names that are kept; all are forgotten when there is one more */

/* The zero value is empty. */
struct callers {
    struct index by_uid;
};

/* "alice", "uid 1000" where the user has no name, "192.0.2.7" over TCP, "unknown". Holds until the next call. */
const char *caller_name(struct callers *callers, const struct rpc_caller *caller);
void callers_done(struct callers *callers);
DEFINE_CLEANUP_EMBEDDED(struct callers, callers_done)
