/* ganger-contextd: what agents know together and what they said. */
#include "common/daemon/daemon.h"
#include "contextd/shell.h"

#include "common/base/check.h"

#include <malloc.h>
#include <string.h>

#define SECTION "context"
#define ENDPOINTS_MAX 8
#define KIB ((uint64_t)1024)
#define TIB ((uint64_t)1024 * 1024 * 1024 * 1024)
#define MIB ((uint64_t)1024 * 1024)

static const struct config_key keys[] = {
    {SECTION, "listen", CONFIG_TEXT, "ipc:///run/ganger/context.sock", "endpoints to serve, apart by spaces", 0, 0},
    {SECTION, "store", CONFIG_TEXT, "/var/lib/ganger/context", "directory of the store", 0, 0},
    {SECTION, "store_max", CONFIG_SIZE, "64G", "largest size of the store", 16 * MIB, 16 * TIB},
    {SECTION, "batch_max", CONFIG_NUMBER, "1024", "most requests in one transaction", 1, 65536},
    {SECTION, "batch_bytes", CONFIG_SIZE, "1M", "bytes after which a transaction takes no further request", 64 * KIB,
     64 * MIB},
    {SECTION, "connections_max", CONFIG_NUMBER, "4096", "most connections at once", 1, 65536},
    {0},
};

static enum status setup(struct daemon *daemon, void **ret_state, struct error *error)
{
    const struct config *config = daemon->config;
    CLEANUP(free)
    char *listen = duplicate_text(config_text(config, SECTION, NULL, "listen"));
    const char *endpoints[ENDPOINTS_MAX + 1] = {0};
    struct shell *shell = NULL;
    size_t count = 0;
    char *rest = NULL;

    for (char *at = strtok_r(listen, " \t,", &rest); at != NULL; at = strtok_r(NULL, " \t,", &rest)) {
        if (count == ENDPOINTS_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "[" SECTION "] listen: at most %d endpoints",
                             ENDPOINTS_MAX);
        endpoints[count++] = at;
    }
    TRY(shell_new(
        &(struct shell_options){
            .event = daemon->event,
            .endpoints = endpoints,
            .directory = config_text(config, SECTION, NULL, "store"),
            .store_max_bytes = config_number(config, SECTION, NULL, "store_max"),
            .batch_max = (size_t)config_number(config, SECTION, NULL, "batch_max"),
            .batch_bytes_max = config_number(config, SECTION, NULL, "batch_bytes"),
            .connections_max = (uint32_t)config_number(config, SECTION, NULL, "connections_max"),
        },
        &shell, error));
    *ret_state = shell;
    return STATUS_OK;
}

static void done(void *state)
{
    shell_free(state);
}

/* Messages and dirty pages of up to a megabyte come and go with every batch: giving their memory back to the system
 * each time, to fault it in again, is a fifth of the work of an append. Up to 32 MiB are kept instead. */
static void keep_freed_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 8 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
    (void)mallopt(M_TOP_PAD, 1024 * 1024);
}

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "ganger-contextd",
        .section = SECTION,
        .summary = "Keeps the shared memory of a fleet of agents: versioned entries and append-only streams.",
        .keys = keys,
        .setup = setup,
        .done = done,
    };
    keep_freed_memory();
    return daemon_main(&spec, argc, argv);
}
