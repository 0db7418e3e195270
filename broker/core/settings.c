/* The settings of the broker: their defaults, and which of them go together. */
#include "broker/core/settings.h"

#define DEFAULT_LEASE_MS 30000
#define DEFAULT_HEARTBEAT_MS 3000
#define DEFAULT_TERMINATE_MS 10000
#define DEFAULT_REAP_GRACE_MS 600000
#define DEFAULT_SEAL_MS 3600000
#define DEFAULT_RETENTION_MS (7ULL * 24 * 60 * 60 * 1000)
#define DEFAULT_IDEMPOTENCY_WINDOW_MS (24ULL * 60 * 60 * 1000)
#define DEFAULT_TICK_MAX 256
#define DEFAULT_EVENTS_MAX 1000000
#define DEFAULT_EVENTS_AGE_MS (7ULL * 24 * 60 * 60 * 1000)
#define LEASE_MIN_PART 3
#define LEASE_MAX_TIMES 10
#define REAP_MARGIN_MS 10000 /* holders kill alone five seconds before their terminate grace would end too late */

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value > 0 ? value : fallback;
}

struct broker_settings settings_complete(const struct broker_settings *settings)
{
    struct broker_settings own = *settings;

    own.lease_ms = or_default(own.lease_ms, DEFAULT_LEASE_MS);
    own.lease_min_ms = or_default(own.lease_min_ms, own.lease_ms / LEASE_MIN_PART);
    own.lease_max_ms = or_default(own.lease_max_ms, own.lease_ms * LEASE_MAX_TIMES);
    own.heartbeat_ms = or_default(own.heartbeat_ms, DEFAULT_HEARTBEAT_MS);
    own.terminate_ms = or_default(own.terminate_ms, DEFAULT_TERMINATE_MS);
    own.reap_grace_ms = or_default(own.reap_grace_ms, DEFAULT_REAP_GRACE_MS);
    own.seal_ms = or_default(own.seal_ms, DEFAULT_SEAL_MS);
    own.tick_max = or_default(own.tick_max, DEFAULT_TICK_MAX);
    own.retention_ms = own.retention_ms > 0 ? own.retention_ms : DEFAULT_RETENTION_MS;
    own.idempotency_window_ms =
        own.idempotency_window_ms > 0 ? own.idempotency_window_ms : DEFAULT_IDEMPOTENCY_WINDOW_MS;
    own.events_max = own.events_max > 0 ? own.events_max : DEFAULT_EVENTS_MAX;
    own.events_age_ms = own.events_age_ms > 0 ? own.events_age_ms : DEFAULT_EVENTS_AGE_MS;
    return own;
}

static enum status bad(struct error *error, const char *what)
{
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s", what);
}

enum status broker_check_settings(const struct broker_settings *settings, struct error *error)
{
    struct broker_settings own = settings_complete(settings);

    if (own.lease_ms < 2 * own.heartbeat_ms)
        return bad(error, "lease: it must be at least twice the heartbeat, or one late heartbeat loses a task");
    if (own.lease_min_ms > own.lease_ms)
        return bad(error, "lease_min: it must not be longer than the lease");
    if (own.lease_max_ms < own.lease_ms)
        return bad(error, "lease_max: it must not be shorter than the lease");
    if (own.reap_grace_ms < own.terminate_ms + REAP_MARGIN_MS)
        return bad(error, "reap_grace: it must be at least 10s longer than terminate, or a task is handed out again "
                          "while its old processes are still being ended");
    return STATUS_OK;
}
