/* The tasks that a new one waits for, and the one that it is a part of. */
#pragma once

#include "cli/command.h"

#define DEPENDENCIES_MOST 64

struct relatives {
    char *after;  /* ids with commas between them; NULL = none */
    char *parent; /* NULL = none */
    uint64_t depends_on[DEPENDENCIES_MOST];
};

enum exit_status relatives_take_policy(const char *value, Ganger__V1__DependencyPolicy *ret_policy);
/* The parent is the task that the agent around gangerctl works on. */
enum exit_status relatives_take_own(struct relatives *relatives);
/* Finds them all; the spec borrows from relatives. */
enum exit_status relatives_resolve(struct cli *cli, struct ganger *broker, struct relatives *relatives,
                                   Ganger__V1__TaskSpec *spec);
