#include "worker/settings.h"

#include "common/base/check.h"
#include "worker/core/slots.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef GANGER_SHIM_PATH
#define GANGER_SHIM_PATH "/usr/libexec/ganger/ganger-shim"
#endif
#define SHIM_NAME "ganger-shim"

const struct config_key worker_keys[] = {
    {"worker", "name", CONFIG_TEXT, NULL, "unique among all workers; the host's name", 0, 0},
    {"worker", "slots", CONFIG_NUMBER, NULL, "agents at the same time; the number of CPUs", 1, SLOTS_MAX},
    {"worker", "broker", CONFIG_TEXT, NULL, "endpoint of the broker; $GANGER_BROKER or its socket", 0, 0},
    {"worker", "context", CONFIG_TEXT, NULL, "endpoint of the context store; $GANGER_CONTEXT or its socket", 0, 0},
    {"worker", "state", CONFIG_TEXT, "/var/lib/ganger/worker", "directory of the runs", 0, 0},
    {"worker", "shim", CONFIG_TEXT, NULL, "program that holds a run; beside ganger-worker, or " GANGER_SHIM_PATH, 0, 0},
    {"worker", "namespace", CONFIG_TEXT, "default", "where tasks are claimed", 0, 0},
    {"worker", "queues", CONFIG_TEXT, "default", "from which queues, in words", 0, 0},
    {"worker", "spool_max", CONFIG_SIZE, "4G", "output of ended runs that may wait for the context store", 1,
     1ULL << 50},
    {"agent", "command", CONFIG_TEXT, NULL, "program and arguments; no shell is involved", 0, 0},
    {"agent", "input", CONFIG_TEXT, "argument", "how it gets the payload: argument, stdin or file", 0, 0},
    {"agent", "max", CONFIG_NUMBER, "0", "agents of this type at the same time; 0 = as many as slots", 0, SLOTS_MAX},
    {"agent", "workspace", CONFIG_TEXT, "scratch", "working directory: scratch or directory:/PATH", 0, 0},
    {"agent", "environment", CONFIG_TEXT, NULL, "names to inherit and NAME=value settings; nothing else is passed", 0,
     0},
    {"agent", "run_timeout", CONFIG_DURATION, "0ms", "longest run; 0 = what the task says", 0, 30ULL * 86400 * 1000},
    {"agent", "grace", CONFIG_DURATION, "10s", "between SIGTERM and SIGKILL", 0, 600ULL * 1000},
    {"agent", "output_max", CONFIG_SIZE, "64M", "bytes of stdout, and of stderr", 1, 1ULL << 40},
    {0},
};

static enum status bad(struct error *error, const char *what, const char *value)
{
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "[worker] %s: \"%.80s\"", what, value);
}

static char *own_host_name(void)
{
    char name[HOST_NAME_MAX + 1] = {0};

    if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        return duplicate_text("localhost");
    name[WORKER_NAME_MAX] = '\0';
    return duplicate_text(name);
}

/* Beside the running program in a build, else where it is installed. */
static char *find_shim(void)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length > 0) {
        self[length] = '\0';
        char *slash = strrchr(self, '/');
        *slash = '\0';
        CLEANUP(free)
        char *beside = format_text("%s/" SHIM_NAME, self);
        if (access(beside, X_OK) == 0)
            return TAKE(beside);
    }
    return duplicate_text(GANGER_SHIM_PATH);
}

static char *optional(const char *text)
{
    return text != NULL && text[0] != '\0' ? duplicate_text(text) : NULL;
}

/* Paths are given to other processes that work elsewhere. */
static enum status read_state(struct settings *settings, const char *state, struct error *error)
{
    char absolute[PATH_MAX];

    if (mkdir(state, S_IRWXU) != 0 && errno != EEXIST)
        return bad(error, "state: cannot make the directory", state);
    if (realpath(state, absolute) == NULL)
        return bad(error, "state: no such directory", state);
    settings->state = duplicate_text(absolute);
    return STATUS_OK;
}

static enum status read_worker(const struct config *config, struct settings *settings, struct error *error)
{
    const char *name = config_text(config, "worker", NULL, "name");
    const char *shim = config_text(config, "worker", NULL, "shim");
    const char *queues = config_text(config, "worker", NULL, "queues");

    settings->name = name != NULL ? duplicate_text(name) : own_host_name();
    size_t length = strlen(settings->name);
    if (length == 0 || length > WORKER_NAME_MAX ||
        strspn(settings->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:") != length)
        return bad(error, "name: 1 to 48 of a-z A-Z 0-9 . _ - @ : are meant", settings->name);
    settings->slots = (uint32_t)config_number(config, "worker", NULL, "slots");
    if (settings->slots == 0) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        settings->slots = cpus < 1 ? 1 : cpus > SLOTS_MAX ? SLOTS_MAX : (uint32_t)cpus;
    }
    settings->spool_max_bytes = config_number(config, "worker", NULL, "spool_max");
    settings->broker = optional(config_text(config, "worker", NULL, "broker"));
    settings->context = optional(config_text(config, "worker", NULL, "context"));
    settings->shim = shim != NULL ? duplicate_text(shim) : find_shim();
    settings->namespace = duplicate_text(config_text(config, "worker", NULL, "namespace"));
    if (words_split(queues, &settings->queues, NULL) != STATUS_OK || settings->queues.count == 0 ||
        settings->queues.count > WORKER_QUEUES_MAX)
        return bad(error, "queues: 1 to 64 names are meant", queues);
    return read_state(settings, config_text(config, "worker", NULL, "state"), error);
}

static enum status read_profile(const struct config *config, const char *type, struct profile **ret_profile,
                                struct error *error)
{
    struct profile_settings texts = {
        .agent_type = type,
        .command = config_text(config, "agent", type, "command"),
        .input = config_text(config, "agent", type, "input"),
        .workspace = config_text(config, "agent", type, "workspace"),
        .environment = config_text(config, "agent", type, "environment"),
        .max = (uint32_t)config_number(config, "agent", type, "max"),
        .run_timeout_ms = config_number(config, "agent", type, "run_timeout"),
        .grace_ms = config_number(config, "agent", type, "grace"),
        .output_max_bytes = config_number(config, "agent", type, "output_max"),
    };
    return profile_new(&texts, ret_profile, error);
}

enum status settings_read(const struct config *config, struct settings *ret_settings, struct error *error)
{
    CLEANUP(settings_done)
    struct settings settings = {0};
    const char *type = NULL;

    TRY(read_worker(config, &settings, error));
    for (size_t i = 0; (type = config_section_name(config, "agent", i)) != NULL; i++) {
        if (settings.profile_count == PROFILES_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "more than %d profiles", PROFILES_MAX);
        TRY(read_profile(config, type, &settings.profiles[settings.profile_count], error));
        settings.profile_count++;
    }
    *ret_settings = settings;
    settings = (struct settings){0};
    return STATUS_OK;
}

void settings_done(struct settings *settings)
{
    for (size_t i = 0; i < settings->profile_count; i++)
        (void)profile_release(settings->profiles[i]);
    words_done(&settings->queues);
    free(settings->name);
    free(settings->broker);
    free(settings->context);
    free(settings->state);
    free(settings->shim);
    free(settings->namespace);
    *settings = (struct settings){0};
}
