/* Sessions: what makes a submit safe to repeat. A row per accepted submit holds the ids that it was given.
 *
 * The client trims the rows by acked_below; SUBMITS_OPEN_MAX may be open. A session that is idle for a day is dropped.
 */
#pragma once

#include "broker/core/command.h"
#include "common/base/status.h"

#define SUBMITS_OPEN_MAX 1024
#define SESSIONS_MAX 1000000
#define SESSION_IDLE_MAX_MS (24ULL * 60 * 60 * 1000)

struct step;
struct submit_outcome;
struct timer;

struct session {
    bool is_new;
    uint64_t acked_below;
    uint64_t used_ms; /* store time */
    uint32_t open;    /* rows of submits */
};

/* What the session knows of this submit: its outcomes (task_id 0 = refused then), in the arena of the effects, or NULL
 * for a first one.
 * FAILED_PRECONDITION/SEQUENCE_ACKED, FAILED_PRECONDITION/SESSION_EXPIRED, INVALID_ARGUMENT/SEQUENCE_REUSED,
 * RESOURCE_EXHAUSTED/TOO_MANY_OPEN_SUBMITS, RESOURCE_EXHAUSTED/TOO_MANY_SESSIONS. */
enum status session_find(struct step *step, const struct command_submit *submit, struct session *ret_session,
                         struct submit_outcome **ret_known) NODISCARD;
/* Remembers the outcomes, and forgets what was acknowledged. */
enum status session_remember(struct step *step, const struct command_submit *submit, struct session *session,
                             const struct submit_outcome *outcomes, bool is_repeat) NODISCARD;
/* Its timer has come due. */
enum status session_due(struct step *step, const struct timer *timer) NODISCARD;
