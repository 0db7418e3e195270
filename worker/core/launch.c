#include "worker/core/launch.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

#define PLACEHOLDER "{}"

/* What tells a program that it runs inside another agent, or inside a service: never passed on, even where a profile
 * names it. A nested Claude Code refuses to start, and READY=1 from an agent would speak for the supervisor. */
static const char *const never_inherited[] = {
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "GEMINI_CLI",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
};

static enum status bad_payload(struct error *error, const char *what)
{
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_PAYLOAD",
                     "the payload cannot be an argument: %s; the profile needs input = stdin or file", what);
}

static enum status payload_text(struct bytes payload, char **ret_text, struct error *error)
{
    if (payload.size > 0 && memchr(payload.data, '\0', payload.size) != NULL)
        return bad_payload(error, "it has a NUL byte in it");
    if (payload.size >= ARGUMENT_MAX_BYTES)
        return bad_payload(error, "it is too long");
    char *text = allocate(payload.size + 1);
    if (payload.size > 0)
        memcpy(text, payload.data, payload.size);
    text[payload.size] = '\0';
    *ret_text = text;
    return STATUS_OK;
}

enum status launch_arguments(const struct profile *profile, struct bytes payload, const char *payload_path,
                             struct words *ret_arguments, struct error *error)
{
    CLEANUP(free)
    char *text = NULL;
    const char *inserted = NULL;
    bool placed = false;
    struct words arguments = {0};

    if (profile->input == INPUT_ARGUMENT) {
        TRY(payload_text(payload, &text, error));
        inserted = text;
    } else if (profile->input == INPUT_FILE) {
        inserted = payload_path;
    }
    for (size_t i = 0; i < profile->command.count; i++) {
        bool here = i > 0 && inserted != NULL && strcmp(profile->command.items[i], PLACEHOLDER) == 0;
        words_add(&arguments, here ? inserted : profile->command.items[i]);
        placed = placed || here;
    }
    if (profile->input == INPUT_ARGUMENT && !placed)
        words_add(&arguments, inserted);
    *ret_arguments = arguments;
    return STATUS_OK;
}

static bool is_never_inherited(const char *name)
{
    for (size_t i = 0; i < sizeof never_inherited / sizeof never_inherited[0]; i++)
        if (strcmp(never_inherited[i], name) == 0)
            return true;
    return strncmp(name, "GANGER_", 7) == 0;
}

static const char *find(char *const *environment, const char *name)
{
    size_t length = strlen(name);

    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment;
    return NULL;
}

static void add_inherited(const struct profile *profile, char *const *inherited, struct words *environment)
{
    for (size_t i = 0; i < profile->environment.count; i++) {
        const char *word = profile->environment.items[i];
        if (strchr(word, '=') != NULL) {
            words_add(environment, word);
            continue;
        }
        const char *found = find(inherited, word);
        /* What is set is not inherited as well: the first of two would win in some programs, the second in others. */
        if (found != NULL && !is_never_inherited(word) && profile_setting(profile, word) == NULL)
            words_add(environment, found);
    }
}

static void add_fact(struct words *environment, const char *name, const char *value)
{
    if (value != NULL)
        words_take(environment, format_text("GANGER_%s=%s", name, value));
}

void launch_environment(const struct profile *profile, char *const *inherited, const struct launch_facts *facts,
                        struct words *ret_environment)
{
    struct words environment = {0};

    add_inherited(profile, inherited, &environment);
    add_fact(&environment, "TASK_ID", facts->task_id);
    words_take(&environment, format_text("GANGER_FENCE=%" PRIu64, facts->fence));
    words_take(&environment, format_text("GANGER_ATTEMPT=%" PRIu32, facts->attempt));
    add_fact(&environment, "AGENT_ID", facts->agent_id);
    add_fact(&environment, "NAMESPACE", facts->namespace);
    add_fact(&environment, "BROKER", facts->broker);
    add_fact(&environment, "CONTEXT", facts->context);
    add_fact(&environment, "WORKSPACE", facts->workspace);
    add_fact(&environment, "RESULT", facts->result_path);
    add_fact(&environment, "PAYLOAD", facts->payload_path);
    *ret_environment = environment;
}
