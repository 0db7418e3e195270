/* Many tasks, submitted in as few requests as the limits of the wire allow: at most 1,000 tasks and 1 MiB each. */
#pragma once

#include "cli/command.h"
#include "common/base/bytes.h"

#define PAYLOAD_MOST_BYTES 65536

struct batch {
    struct cli *cli;
    struct ganger *broker;
    Ganger__V1__TaskSpec **specs; /* not submitted yet; their payloads and titles are the batch's */
    size_t count;
    size_t size_bytes;
    uint64_t *task_ids; /* that were accepted */
    size_t accepted;
    size_t accepted_capacity;
    size_t refused;
    enum exit_status exit_status; /* of the first refusal */
};

void batch_init(struct batch *batch, struct cli *cli, struct ganger *broker);
void batch_done(struct batch *batch);
DEFINE_CLEANUP_EMBEDDED(struct batch, batch_done)

/* Adds a task like model, whose other texts stay borrowed; sends what waits when it is full. */
enum exit_status batch_add(struct batch *batch, const Ganger__V1__TaskSpec *model, struct bytes payload,
                           const char *title);
/* Sends what waits and prints the ids. What is refused is reported; the rest goes on: the exit status is that of a
 * request that failed as a whole. */
enum exit_status batch_send(struct batch *batch);
