/* ganger-broker: hands out tasks, sees that no two do the same one, and keeps the book. */
#include "broker/offline.h"
#include "broker/shell.h"
#include "common/base/check.h"
#include "common/daemon/daemon.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SECTION "broker"
#define ENDPOINTS_MAX 8
#define MIB ((uint64_t)1024 * 1024)
#define TIB (MIB * 1024 * 1024)
#define SECOND_MS 1000
#define DAY_MS ((uint64_t)24 * 60 * 60 * SECOND_MS)

static const struct config_key keys[] = {
    {SECTION, "listen", CONFIG_TEXT, "ipc:///run/ganger/broker.sock", "endpoints to serve, apart by spaces", 0, 0},
    {SECTION, "store", CONFIG_TEXT, "/var/lib/ganger/broker", "directory of the store", 0, 0},
    {SECTION, "store_max", CONFIG_SIZE, "64G", "largest size of the store", 16 * MIB, 16 * TIB},
    {SECTION, "heartbeat", CONFIG_DURATION, "3s", "interval at which holders are to be heard", 50, DAY_MS},
    {SECTION, "lease", CONFIG_DURATION, "30s", "how long a silent holder keeps its tasks", 100, DAY_MS},
    {SECTION, "lease_min", CONFIG_DURATION, "0ms", "the shortest, for steady holders; 0 = a third of lease", 0, DAY_MS},
    {SECTION, "lease_max", CONFIG_DURATION, "0ms", "the longest, for late ones; 0 = ten times lease", 0, DAY_MS},
    {SECTION, "terminate", CONFIG_DURATION, "10s", "how long a run may take to end when it must", 100, DAY_MS},
    {SECTION, "reap_grace", CONFIG_DURATION, "10m", "how long past its lease a supervised run is waited for", 100,
     DAY_MS},
    {SECTION, "seal_timeout", CONFIG_DURATION, "1h", "how long the end of a task waits for its output", 100, DAY_MS},
    {SECTION, "retention", CONFIG_DURATION, "7d", "how long ended tasks are kept, if they do not say", SECOND_MS,
     366 * DAY_MS},
    {SECTION, "idempotency_window", CONFIG_DURATION, "24h", "how long idempotency keys hold at least", SECOND_MS,
     30 * DAY_MS},
    {SECTION, "events_max", CONFIG_NUMBER, "1000000", "most events that are kept", 1000, 1000000000},
    {SECTION, "events_age", CONFIG_DURATION, "7d", "how long events are kept", SECOND_MS, 366 * DAY_MS},
    {SECTION, "batch_max", CONFIG_NUMBER, "1024", "most requests in one transaction", 1, 65536},
    {SECTION, "connections_max", CONFIG_NUMBER, "4096", "most connections at once", 1, 65536},
    {0},
};

static enum status read_settings(const struct config *config, struct broker_settings *settings, struct error *error)
{
    uint8_t id[STORE_ID_SIZE / 2];

    *settings = (struct broker_settings){
        .lease_ms = (uint32_t)config_number(config, SECTION, NULL, "lease"),
        .heartbeat_ms = (uint32_t)config_number(config, SECTION, NULL, "heartbeat"),
        .lease_min_ms = (uint32_t)config_number(config, SECTION, NULL, "lease_min"),
        .lease_max_ms = (uint32_t)config_number(config, SECTION, NULL, "lease_max"),
        .terminate_ms = (uint32_t)config_number(config, SECTION, NULL, "terminate"),
        .reap_grace_ms = (uint32_t)config_number(config, SECTION, NULL, "reap_grace"),
        .seal_ms = (uint32_t)config_number(config, SECTION, NULL, "seal_timeout"),
        .retention_ms = config_number(config, SECTION, NULL, "retention"),
        .idempotency_window_ms = config_number(config, SECTION, NULL, "idempotency_window"),
        .events_max = config_number(config, SECTION, NULL, "events_max"),
        .events_age_ms = config_number(config, SECTION, NULL, "events_age"),
    };
    TRY(broker_check_settings(settings, error));
    if (getrandom(&settings->random_seed, sizeof settings->random_seed, 0) != sizeof settings->random_seed ||
        getrandom(id, sizeof id, 0) != sizeof id)
        return error_set(error, STATUS_UNAVAILABLE, "NO_RANDOM", "the system gives no random numbers");
    for (size_t i = 0; i < sizeof id; i++)
        (void)snprintf(settings->store_id + 2 * i, 3, "%02x", id[i]);
    return STATUS_OK;
}

static enum status setup(struct daemon *daemon, void **ret_state, struct error *error)
{
    const struct config *config = daemon->config;
    CLEANUP(free)
    char *listen = duplicate_text(config_text(config, SECTION, NULL, "listen"));
    const char *endpoints[ENDPOINTS_MAX + 1] = {0};
    struct broker_settings settings;
    struct shell *shell = NULL;
    size_t count = 0;
    char *rest = NULL;

    for (char *at = strtok_r(listen, " \t,", &rest); at != NULL; at = strtok_r(NULL, " \t,", &rest)) {
        if (count == ENDPOINTS_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "[" SECTION "] listen: at most %d endpoints",
                             ENDPOINTS_MAX);
        endpoints[count++] = at;
    }
    TRY(read_settings(config, &settings, error));
    TRY(shell_new(
        &(struct shell_options){
            .event = daemon->event,
            .endpoints = endpoints,
            .directory = config_text(config, SECTION, NULL, "store"),
            .store_max_bytes = config_number(config, SECTION, NULL, "store_max"),
            .batch_max = (size_t)config_number(config, SECTION, NULL, "batch_max"),
            .connections_max = (uint32_t)config_number(config, SECTION, NULL, "connections_max"),
            .settings = settings,
        },
        &shell, error));
    *ret_state = shell;
    return STATUS_OK;
}

static void done(void *state)
{
    shell_free(state);
}

static enum status restore(const struct config *config, const char *backup, struct error *error)
{
    return offline_restore(backup, config_text(config, SECTION, NULL, "store"),
                           config_number(config, SECTION, NULL, "store_max"), error);
}

static enum status check(const struct config *config, const char *none, struct error *error)
{
    (void)none;
    return offline_check(config_text(config, SECTION, NULL, "store"), config_number(config, SECTION, NULL, "store_max"),
                         error);
}

static const struct daemon_mode modes[] = {
    {"restore", "BACKUP", "Make the store of this backup, raise its epoch, then end", restore},
    {"check-store", NULL, "Prove that the store is whole, then end", check},
    {0},
};

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "ganger-broker",
        .section = SECTION,
        .summary = "Hands out tasks to agents, once each, and remembers what became of them.",
        .keys = keys,
        .modes = modes,
        .setup = setup,
        .done = done,
    };
    return daemon_main(&spec, argc, argv);
}
