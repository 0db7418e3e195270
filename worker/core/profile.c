#include "worker/core/profile.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <string.h>

#define NAME_MAX_BYTES 63
#define DIRECTORY_PREFIX "directory:"
#define ENVIRONMENT_DEFAULT "PATH HOME USER LOGNAME LANG LC_ALL TZ"

DEFINE_CLEANUP(struct profile *, profile_release)

struct profile *profile_hold(struct profile *profile)
{
    profile->holders++;
    return profile;
}

struct profile *profile_release(struct profile *profile)
{
    if (profile == NULL || --profile->holders > 0)
        return NULL;
    words_done(&profile->command);
    words_done(&profile->environment);
    free(profile->workspace);
    free(profile->agent_type);
    free(profile);
    return NULL;
}

static enum status bad(struct error *error, const char *agent_type, const char *what)
{
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_PROFILE", "[agent %s] %s", agent_type, what);
}

static enum status check_name(const char *name, struct error *error)
{
    size_t length = strlen(name);

    if (length == 0 || length > NAME_MAX_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != length)
        return bad(error, name, "is not a name for a type of agents: 1 to 63 of a-z A-Z 0-9 . _ -");
    return STATUS_OK;
}

static enum status read_command(struct profile *profile, const char *text, struct error *error)
{
    if (text == NULL)
        return bad(error, profile->agent_type, "has no command");
    if (words_split(text, &profile->command, NULL) != STATUS_OK)
        return bad(error, profile->agent_type, "command: a quote is not closed, or there are too many words");
    if (profile->command.count == 0)
        return bad(error, profile->agent_type, "has an empty command");
    /* A path that is relative to nowhere: the agent's working directory is not the supervisor's. */
    const char *program = profile->command.items[0];
    if (program[0] == '\0' || (strchr(program, '/') != NULL && program[0] != '/'))
        return bad(error, profile->agent_type, "command: begin with an absolute path or with a name in PATH");
    return STATUS_OK;
}

static enum status read_input(struct profile *profile, const char *text, struct error *error)
{
    if (text == NULL || strcmp(text, "argument") == 0)
        profile->input = INPUT_ARGUMENT;
    else if (strcmp(text, "stdin") == 0)
        profile->input = INPUT_STDIN;
    else if (strcmp(text, "file") == 0)
        profile->input = INPUT_FILE;
    else
        return bad(error, profile->agent_type, "input: argument, stdin or file is meant");
    return STATUS_OK;
}

static enum status read_workspace(struct profile *profile, const char *text, struct error *error)
{
    if (text == NULL || strcmp(text, "scratch") == 0)
        return STATUS_OK;
    if (strncmp(text, DIRECTORY_PREFIX "/", sizeof DIRECTORY_PREFIX) != 0)
        return bad(error, profile->agent_type, "workspace: scratch or directory:/PATH is meant");
    profile->workspace = duplicate_text(text + sizeof DIRECTORY_PREFIX - 1);
    return STATUS_OK;
}

static enum status read_environment(struct profile *profile, const char *text, struct error *error)
{
    if (words_split(text != NULL ? text : ENVIRONMENT_DEFAULT, &profile->environment, NULL) != STATUS_OK)
        return bad(error, profile->agent_type, "environment: a quote is not closed, or there are too many words");
    for (size_t i = 0; i < profile->environment.count; i++) {
        const char *word = profile->environment.items[i];
        if (word[0] == '=' || word[0] == '\0')
            return bad(error, profile->agent_type, "environment: a name is missing before =");
        if (strncmp(word, "GANGER_", 7) == 0)
            return bad(error, profile->agent_type,
                       "environment: names that begin with GANGER_ are set by the supervisor");
    }
    return STATUS_OK;
}

enum status profile_new(const struct profile_settings *settings, struct profile **ret_profile, struct error *error)
{
    TRY(check_name(settings->agent_type, error));
    CLEANUP(profile_release)
    struct profile *profile = allocate_zero(1, sizeof *profile);
    profile->holders = 1;
    profile->agent_type = duplicate_text(settings->agent_type);
    profile->max = settings->max;
    profile->run_timeout_ms = settings->run_timeout_ms;
    profile->grace_ms = settings->grace_ms;
    profile->output_max_bytes = settings->output_max_bytes;
    TRY(read_command(profile, settings->command, error));
    TRY(read_input(profile, settings->input, error));
    TRY(read_workspace(profile, settings->workspace, error));
    TRY(read_environment(profile, settings->environment, error));
    *ret_profile = TAKE(profile);
    return STATUS_OK;
}

const char *profile_setting(const struct profile *profile, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < profile->environment.count; i++) {
        const char *word = profile->environment.items[i];
        if (strncmp(word, name, length) == 0 && word[length] == '=')
            return word + length + 1;
    }
    return NULL;
}

bool profile_inherits(const struct profile *profile, const char *name)
{
    for (size_t i = 0; i < profile->environment.count; i++)
        if (strcmp(profile->environment.items[i], name) == 0)
            return true;
    return false;
}
