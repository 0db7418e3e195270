/* What a submitter says about a task, put into its record: at the submit, and when it is updated. */
#pragma once

#include "broker/core/task.h"

/* Sets priority, limits of attempts, timeouts, retention and the time to expire. Where the specification says nothing,
 * the defaults count. */
void specify_task(const struct step *step, const struct task_spec *spec, struct task *task);
/* Its time, from now; due_ms 0 when it has none, or it has passed. */
void specify_time(const struct step *step, const struct task_spec *spec, struct task *task);
/* A time that has passed, or comes before the task may be claimed at all, would be a task that nobody can do. */
enum status specify_check_expiry(const struct step *step, const struct task_spec *spec, struct error *error) NODISCARD;
