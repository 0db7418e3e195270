/* Why a task is not at work: everything that would have to change before somebody begins it. */
#pragma once

#include "broker/core/core.h"
#include "broker/core/effect.h"

/* The reasons, as they are found. */
struct why {
    struct step *step;
    const struct task *task;
    const struct lane *lane;
    struct wait_reason *reasons;
    size_t count;
};

/* The next reason, to be filled; its texts may be borrowed from memory until the answer is sent. Beyond
 * WAIT_REASONS_MAX the last one is overwritten. */
struct wait_reason *why_add(struct why *why, enum wait_kind kind, const char *subject);
/* A sentence in the arena of the effects. */
const char *why_text(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);

/* That no agent runs tasks of its type, or that all that do are busy. */
void why_agents(struct why *why);
