#include "broker/core/specify.h"

#include "broker/core/core.h"
#include "broker/core/limits.h"

#define DEFAULT_PRIORITY 5
#define DEFAULT_RUN_TIMEOUT_MS (24U * 60 * 60 * 1000)
#define DEFAULT_START_TIMEOUT_MS 30000
#define DEFAULT_ATTEMPTS 3
#define DEFAULT_BACKOFF_MS 10000
#define DEFAULT_BACKOFF_MAX_MS 300000

void specify_task(const struct step *step, const struct task_spec *spec, struct task *task)
{
    task->now.priority = (uint8_t)(spec->priority > 0 ? spec->priority : DEFAULT_PRIORITY);
    task->now.expires_ms = spec->expires_at_ms;
    task->max_attempts = (uint8_t)(spec->max_attempts > 0 ? spec->max_attempts : DEFAULT_ATTEMPTS);
    task->max_crashes = (uint8_t)(spec->max_crashes > 0 ? spec->max_crashes : CRASHES_DEFAULT);
    task->max_deliveries = (uint16_t)(spec->max_deliveries > 0 ? spec->max_deliveries : DELIVERIES_DEFAULT);
    task->retention_ms = spec->retention_ms > 0 ? spec->retention_ms : step->broker->settings.retention_ms;
    task->start_timeout_ms = spec->start_timeout_ms > 0 ? spec->start_timeout_ms : DEFAULT_START_TIMEOUT_MS;
    task->run_timeout_ms = spec->run_timeout_ms > 0 ? (uint32_t)spec->run_timeout_ms : DEFAULT_RUN_TIMEOUT_MS;
    task->backoff_ms = spec->backoff_ms > 0 ? spec->backoff_ms : DEFAULT_BACKOFF_MS;
    task->backoff_max_ms = spec->backoff_max_ms > 0 ? spec->backoff_max_ms : DEFAULT_BACKOFF_MAX_MS;
}

void specify_time(const struct step *step, const struct task_spec *spec, struct task *task)
{
    task->now.time_base = STORE_TIME;
    task->now.due_ms = 0;
    if (spec->not_before_ms > step->now.wall_ms) {
        task->now.time_base = WALL_TIME;
        task->now.due_ms = spec->not_before_ms;
    } else if (spec->delay_ms > 0) {
        task->now.due_ms = step->now.store_ms + spec->delay_ms;
    }
}

enum status specify_check_expiry(const struct step *step, const struct task_spec *spec, struct error *error)
{
    if (spec->expires_at_ms == 0 || spec->expires_at_ms > step->now.wall_ms + spec->delay_ms)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "expires_at_ms: it must be later than now%s",
                     spec->delay_ms > 0 ? " and the delay" : "");
}
