/* What happens when its time has come. */
#pragma once

#include "broker/core/keys.h"
#include "common/base/status.h"

/* Somebody may set the wall clock meanwhile. */
#define WALL_LOOK_EVERY_MS 5000

struct step;

/* Timers of store time that do not belong to a task. */
void timer_set(struct step *step, uint64_t due_ms, enum timer_kind kind, struct bytes tail);
void timer_unset(struct step *step, uint64_t due_ms, enum timer_kind kind, struct bytes tail);

/* Fires what is due, at most max of each clock. */
enum status timers_tick(struct step *step, uint32_t max) NODISCARD;
/* How long until the first timer is due; UINT64_MAX = never. */
enum status timers_next_ms(struct step *step, uint64_t *ret_ms) NODISCARD;
