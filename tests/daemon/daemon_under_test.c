/* A daemon that does nothing but what its configuration tells it to do wrong. */
#include "common/daemon/daemon.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct config_key keys[] = {
    {.section = "test", .name = "greeting", .kind = CONFIG_TEXT, .fallback = "hello", .help = "What its status says"},
    {.section = "test", .name = "setup", .kind = CONFIG_TEXT, .fallback = "works", .help = "works, fails or rejects"},
    {.section = "test", .name = "stop", .kind = CONFIG_TEXT, .fallback = "exits", .help = "exits or hangs"},
    {.section = "test", .name = "turns", .kind = CONFIG_TEXT, .fallback = "on", .help = "on, or stuck after ready"},
    {.section = "test",
     .name = "patience",
     .kind = CONFIG_DURATION,
     .fallback = "5s",
     .minimum = 1000,
     .maximum = 60000},
    {0}};

static const char *text_of(const struct daemon *daemon, const char *key)
{
    return config_text(daemon->config, "test", NULL, key);
}

static int get_stuck(sd_event_source *source, void *state)
{
    (void)source;
    (void)state;
    while (pause() < 0)
        continue;
    return 0;
}

static enum status setup(struct daemon *daemon, void **ret_state, struct error *error)
{
    static int state;
    struct rlimit limit = {0};

    if (text_of(daemon, "setup")[0] == 'f')
        return error_set(error, STATUS_UNAVAILABLE, "STORE_FAILED", "told to fail");
    if (text_of(daemon, "setup")[0] == 'r')
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "told to reject");
    if (text_of(daemon, "turns")[0] == 's' && sd_event_add_defer(daemon->event, NULL, get_stuck, NULL) < 0)
        return error_set(error, STATUS_INTERNAL, "EVENT_LOOP", "no source");
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    daemon_status("%s, files %s", text_of(daemon, "greeting"), limit.rlim_cur == limit.rlim_max ? "all" : "few");
    *ret_state = &state;
    return STATUS_OK;
}

static void reload(struct daemon *daemon, void *state)
{
    (void)state;
    daemon_status("%s again", text_of(daemon, "greeting"));
}

static void stop(struct daemon *daemon, void *state)
{
    (void)state;
    if (text_of(daemon, "stop")[0] == 'e')
        daemon_exit(daemon, 0);
}

static void done(void *state)
{
    (void)state;
    (void)printf("done\n");
}

static enum status greet(const struct config *config, const char *argument, struct error *error)
{
    if (argument[0] == '\0')
        return error_set(error, STATUS_FAILED_PRECONDITION, "NOBODY", "there is nobody to greet");
    (void)printf("%s, %s\n", config_text(config, "test", NULL, "greeting"), argument);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    static const struct daemon_mode modes[] = {{"greet", "NAME", "Greet somebody, then end", greet}, {0}};
    static const struct daemon_spec spec = {
        .name = "ganger-test",
        .section = "test",
        .summary = "A daemon for the tests.",
        .keys = keys,
        .modes = modes,
        .setup = setup,
        .reload = reload,
        .stop = stop,
        .done = done,
    };

    return daemon_main(&spec, argc, argv);
}
