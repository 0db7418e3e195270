/* A daemon of a few lines in a thread of its own: it answers what the tests of libganger ask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUB_SUBMITS_MAX 64

struct stub_submit {
    uint8_t session[16];
    size_t session_size;
    uint64_t sequence;
    uint64_t acked_below;
};

struct stub;

/* Listens on endpoint from its return on.
 *
 * SubmitTasks is remembered and answered with the ids 1, 2, ...; GetTask of id 7 is good, of others NOT_FOUND; WaitTask
 * is kept until its client goes; WatchTasks sends task_ids[0] updates, as the credit comes, and ends. PutEntry is
 * refused with VERSION_CONFLICT and the entry as detail. All other methods are UNIMPLEMENTED. */
struct stub *stub_start(const char *endpoint);
void stub_stop(struct stub *stub);

/* Copies what has been submitted so far, also to earlier stubs; returns how many. */
size_t stub_submits(struct stub_submit submits[STUB_SUBMITS_MAX]);
/* WaitTask calls that are open. */
size_t stub_waiting(struct stub *stub);
