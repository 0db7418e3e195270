/* Which tasks an agent, and those below it, hold. */
#pragma once

#include "broker/core/command.h"
#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct step;

struct holding {
    uint64_t *task_ids; /* NULL = they are only counted */
    size_t count;
    size_t max; /* of them are looked for */
};

enum status holding_find(struct step *step, const char *agent_id, struct holding *holding) NODISCARD;
