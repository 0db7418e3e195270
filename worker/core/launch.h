/* What an agent is started with: its arguments and its environment, from the profile and the facts of the run. */
#pragma once

#include "common/base/bytes.h"
#include "worker/core/profile.h"

/* The kernel's bound for one argument, with its NUL (MAX_ARG_STRLEN). */
#define ARGUMENT_MAX_BYTES ((size_t)128 * 1024)

/* INVALID_ARGUMENT/BAD_PAYLOAD when the payload cannot be an argument: no further attempt would help. payload_path is
 * used with INPUT_FILE. */
enum status launch_arguments(const struct profile *profile, struct bytes payload, const char *payload_path,
                             struct words *ret_arguments, struct error *error) NODISCARD;

struct launch_facts {
    const char *task_id;
    uint64_t fence;
    uint32_t attempt;
    const char *agent_id;
    const char *namespace;
    const char *broker;
    const char *context;
    const char *workspace;
    const char *result_path;
    const char *payload_path; /* NULL = the payload is no file */
};

/* Only what the profile names and sets, then the facts; nothing else of the supervisor's own environment. */
void launch_environment(const struct profile *profile, char *const *inherited, const struct launch_facts *facts,
                        struct words *ret_environment);
