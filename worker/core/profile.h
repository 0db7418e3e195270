/* A profile: how one type of agent is run. Made from the texts of its section and not changed after that; runs hold
 * on to the one they were started with, so it counts its holders. */
#pragma once

#include "worker/core/words.h"

#include <stdbool.h>
#include <stdint.h>

#define PROFILES_MAX 64

enum payload_input {
    INPUT_ARGUMENT, /* one argument: in place of the word {}, or behind all others */
    INPUT_STDIN,
    INPUT_FILE, /* a file: its path is in $GANGER_PAYLOAD and in place of the word {} */
};

/* As it stands in the configuration; NULL = the default. */
struct profile_settings {
    const char *agent_type;
    const char *command;
    const char *input;       /* argument, stdin, file */
    const char *workspace;   /* scratch, directory:PATH */
    const char *environment; /* names to inherit and NAME=value settings */
    uint32_t max;            /* 0 = as many as there are slots */
    uint64_t run_timeout_ms; /* 0 = the task's alone counts */
    uint64_t grace_ms;       /* between SIGTERM and SIGKILL */
    uint64_t output_max_bytes;
};

struct profile {
    unsigned holders;
    char *agent_type;
    struct words command;
    enum payload_input input;
    char *workspace; /* NULL = a scratch directory */
    struct words environment;
    uint32_t max;
    uint64_t run_timeout_ms;
    uint64_t grace_ms;
    uint64_t output_max_bytes;
};

/* With one holder. INVALID_ARGUMENT/BAD_PROFILE. */
enum status profile_new(const struct profile_settings *settings, struct profile **ret_profile, struct error *error)
    NODISCARD;
struct profile *profile_hold(struct profile *profile);
/* Accepts NULL and returns NULL. */
struct profile *profile_release(struct profile *profile);
/* The value that the profile sets for a variable: NULL = it sets none. */
const char *profile_setting(const struct profile *profile, const char *name);
bool profile_inherits(const struct profile *profile, const char *name);
