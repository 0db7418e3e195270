#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 5000
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

static bool is_program(const char *path)
{
    struct stat status;
    return access(path, X_OK) == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Searched in the PATH that the agent will have. */
static char *find_program(const struct profile *profile)
{
    const char *name = profile->command.items[0];
    const char *path = profile_setting(profile, "PATH");

    if (name[0] == '/')
        return is_program(name) ? duplicate_text(name) : NULL;
    if (path == NULL)
        path = profile_inherits(profile, "PATH") ? getenv("PATH") : PATH_DEFAULT;
    CLEANUP(free)
    char *directories = duplicate_text(path != NULL ? path : PATH_DEFAULT);
    char *rest = directories;
    for (char *directory; (directory = strsep(&rest, ":")) != NULL;) {
        CLEANUP(free)
        char *program = format_text("%s/%s", directory, name);
        if (directory[0] == '/' && is_program(program))
            return TAKE(program);
    }
    return NULL;
}

static void set_problem(struct crew *crew, const char *problem)
{
    if (strcmp(crew->problem, problem) == 0)
        return;
    (void)snprintf(crew->problem, sizeof crew->problem, "%s", problem);
    crew->supervisor->registration_is_due = true;
    if (problem[0] != '\0')
        log_warning("Profile not available", log_text("agent_type", crew->profile->agent_type),
                    log_text("problem", problem));
    else
        log_info("Profile available", log_text("agent_type", crew->profile->agent_type),
                 log_text("program", crew->program));
}

static void look_for_program(struct crew *crew, uint64_t now_ms)
{
    char problem[sizeof crew->problem] = "";

    free(crew->program);
    crew->program = find_program(crew->profile);
    if (crew->program == NULL)
        (void)snprintf(problem, sizeof problem, "%.160s: no such program", crew->profile->command.items[0]);
    set_problem(crew, problem);
    crew->look_again_ms = now_ms + LOOK_AGAIN_MS;
}

void crew_program_failed(struct crew *crew, int error, uint64_t now_ms)
{
    char problem[sizeof crew->problem];

    (void)snprintf(problem, sizeof problem, "%.160s: %s", crew->profile->command.items[0], strerror(error));
    free(crew->program);
    crew->program = NULL;
    set_problem(crew, problem);
    crew->look_again_ms = now_ms + LOOK_AGAIN_MS;
}

static struct crew *crew_new(struct supervisor *supervisor, const struct profile *profile)
{
    struct crew *crew = allocate_zero(1, sizeof *crew);
    struct crew **end = &supervisor->crews;

    crew->supervisor = supervisor;
    crew->agent_id = format_text("%s/%s", supervisor->settings.name, profile->agent_type);
    while (*end != NULL)
        end = &(*end)->next;
    *end = crew;
    return crew;
}

static void crew_free(struct crew *crew)
{
    if (crew->claim_call != NULL)
        ganger_cancel(crew->supervisor->broker, crew->claim_call);
    (void)profile_release(crew->profile);
    free(crew->agent_id);
    free(crew->program);
    free(crew);
}

static struct crew *crew_find(const struct supervisor *supervisor, const char *agent_type)
{
    for (struct crew *crew = supervisor->crews; crew != NULL; crew = crew->next)
        if (strcmp(crew->profile->agent_type, agent_type) == 0)
            return crew;
    return NULL;
}

void crews_load(struct supervisor *supervisor)
{
    uint64_t now_ms = clock_boot_ms();

    for (struct crew *crew = supervisor->crews; crew != NULL; crew = crew->next)
        crew->retired = true;
    for (size_t i = 0; i < supervisor->settings.profile_count; i++) {
        struct profile *profile = supervisor->settings.profiles[i];
        struct crew *crew = crew_find(supervisor, profile->agent_type);
        if (crew == NULL)
            crew = crew_new(supervisor, profile);
        else
            (void)profile_release(crew->profile);
        crew->profile = profile_hold(profile);
        crew->slots.max = profile->max;
        crew->retired = false;
        look_for_program(crew, now_ms);
    }
    supervisor->registration_is_due = true;
}

static bool is_in_use(const struct crew *crew)
{
    for (const struct run *run = crew->supervisor->runs; run != NULL; run = run->next)
        if (run->crew == crew)
            return true;
    return crew->claim_call != NULL || crew->claim.state != CLAIM_IDLE;
}

uint64_t crews_tick(struct supervisor *supervisor, uint64_t now_ms)
{
    uint64_t next_ms = NEVER;

    for (struct crew **at = &supervisor->crews; *at != NULL;) {
        struct crew *crew = *at;
        if (crew->retired && !is_in_use(crew)) {
            *at = crew->next;
            crew_free(crew);
            continue;
        }
        if (!crew->retired && crew->look_again_ms <= now_ms)
            look_for_program(crew, now_ms);
        if (!crew->retired && crew->look_again_ms < next_ms)
            next_ms = crew->look_again_ms;
        at = &crew->next;
    }
    return next_ms;
}

void crews_free(struct supervisor *supervisor)
{
    while (supervisor->crews != NULL) {
        struct crew *crew = supervisor->crews;
        supervisor->crews = crew->next;
        crew_free(crew);
    }
}
