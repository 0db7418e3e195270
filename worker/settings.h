/* What ganger-worker.conf says, with everything checked. */
#pragma once

#include "common/daemon/config.h"
#include "worker/core/profile.h"

#define WORKER_QUEUES_MAX 64
#define WORKER_NAME_MAX 48 /* so that "NAME/TYPE1024" is an agent_id */

extern const struct config_key worker_keys[];

/* Owns all of it. */
struct settings {
    char *name;
    uint32_t slots;
    char *broker;  /* NULL = the library's default */
    char *context; /* likewise */
    char *state;   /* absolute */
    char *shim;
    char *namespace;
    struct words queues;
    uint64_t spool_max_bytes;
    struct profile *profiles[PROFILES_MAX];
    size_t profile_count;
};

/* INVALID_ARGUMENT/BAD_CONFIG or BAD_PROFILE. */
enum status settings_read(const struct config *config, struct settings *ret_settings, struct error *error) NODISCARD;
void settings_done(struct settings *settings);
DEFINE_CLEANUP_EMBEDDED(struct settings, settings_done)
