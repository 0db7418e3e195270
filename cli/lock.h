/* What the commands about locks share: who asks, and how one is had. */
#pragma once

#include "cli/command.h"
#include "cli/self.h"

#define LOCK_NAME_MOST_BYTES 255

/* What is wanted, as options and arguments say it. */
struct lock_wish {
    Ganger__V1__AcquireLockRequest request;
    struct self self; /* the holder */
    uint8_t id[16];
    uint64_t wait_ms; /* UINT64_MAX = as long as it takes */
};
void lock_wish_init(struct lock_wish *wish);
void lock_wish_done(struct lock_wish *wish);
DEFINE_CLEANUP_EMBEDDED(struct lock_wish, lock_wish_done)

/* The options of every command that acquires: their rows, and what they mean. */
enum { OPTION_LOCK_FIRST = OPTION_FIRST + 64 };
extern const struct argp_option lock_wish_options[];
enum exit_status lock_wish_take_option(int key, char *value, struct lock_wish *wish);

/* Asks until it is had, or wait_ms have passed. Says on a terminal who holds it meanwhile. */
enum exit_status lock_acquire(struct cli *cli, struct ganger *store, struct lock_wish *wish,
                              Ganger__V1__AcquireLockResponse **ret_response);
/* A refusal of a call about a held lock. */
enum exit_status lock_refused(struct cli *cli, const struct ganger_error *error, const char *verb, const char *name);
/* NAME FENCE, as arguments. */
enum exit_status lock_name_and_fence(const struct arguments *arguments, char **ret_name, uint64_t *ret_fence);
