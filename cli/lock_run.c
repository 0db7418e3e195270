#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/interrupt.h"
#include "cli/lock.h"
#include "cli/values.h"
#include "common/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RENEWALS_PER_TTL 3
#define TERMINATE_MS 10000
#define EXIT_NOT_RUN 126
#define EXIT_NOT_FOUND_TO_RUN 127

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_lock_run = {
    .name = "lock run",
    .usage = "[OPTION...] NAME -- COMMAND...",
    .summary = "run a command while holding a lock, and end as it does",
    .examples = "gangerctl lock run repo:acme/src -- git pull --rebase\n"
                "gangerctl lock run --wait 10m deploy/staging -- ./deploy staging\n"
                "gangerctl lock run --shared docs -- make html\n",
    .options = lock_wish_options,
    .arguments_least = 2,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    return lock_wish_take_option(key, value, data);
}

/* A command that runs under the lock. */
struct guarded {
    struct ganger *store;
    Ganger__V1__RenewLockRequest renewal;
    uint32_t ttl_ms;
    uint64_t lost_ms; /* BOOTTIME: nobody can say any more that it is still held */
    bool lost;
    pid_t pid;
    int pidfd;
};

/* The lock may be somebody else's by now: what it protects must not be touched any longer. */
static void end_command(struct guarded *guarded, int number)
{
    (void)syscall(SYS_pidfd_send_signal, guarded->pidfd, number, NULL, 0);
}

static void lose(struct guarded *guarded, const char *why)
{
    if (guarded->lost)
        return;
    guarded->lost = true;
    problem_note("the lock \"%s\" is lost (%s): ending the command", guarded->renewal.name, why);
    end_command(guarded, SIGTERM);
}

static void renew(struct guarded *guarded)
{
    struct ganger_error error = {0};
    uint64_t sent_ms = clock_boot_ms();

    if (sent_ms >= guarded->lost_ms) {
        lose(guarded, "it could not be renewed in time");
        return;
    }
    if (ganger_renew_lock(guarded->store, &guarded->renewal, guarded->ttl_ms / RENEWALS_PER_TTL, NULL, &error) ==
        GANGER_OK)
        guarded->lost_ms = sent_ms + guarded->ttl_ms;
    else if (strcmp(error.reason, "LOCK_LOST") == 0)
        lose(guarded, "it was not renewed in time");
}

/* True when the command has ended within that time. */
static bool wait_for_end(const struct guarded *guarded, uint64_t timeout_ms)
{
    struct pollfd ended = {.fd = guarded->pidfd, .events = POLLIN};

    return poll(&ended, 1, (int)timeout_ms) > 0;
}

static int guard(struct guarded *guarded)
{
    int status = 0;

    while (!wait_for_end(guarded, guarded->lost ? TERMINATE_MS : guarded->ttl_ms / RENEWALS_PER_TTL)) {
        if (guarded->lost)
            end_command(guarded, SIGKILL);
        else
            renew(guarded);
    }
    while (waitpid(guarded->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int spawn_and_guard(struct guarded *guarded, char **command)
{
    int result = posix_spawnp(&guarded->pid, command[0], NULL, NULL, command, environ);

    if (result != 0) {
        (void)problem(EXIT_USAGE, strerror(result), NULL, "cannot run %s", command[0]);
        return result == ENOENT ? EXIT_NOT_FOUND_TO_RUN : EXIT_NOT_RUN;
    }
    guarded->pidfd = (int)syscall(SYS_pidfd_open, guarded->pid, 0);
    int exit_status = guard(guarded);
    fd_close(guarded->pidfd);
    return exit_status;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__AcquireLockResponse *response = NULL;
    CLEANUP(lock_wish_done)
    struct lock_wish wish;
    struct guarded guarded = {.renewal = GANGER__V1__RENEW_LOCK_REQUEST__INIT};
    Ganger__V1__ReleaseLockRequest release = GANGER__V1__RELEASE_LOCK_REQUEST__INIT;
    struct ganger_error error = {0};

    lock_wish_init(&wish);
    wish.wait_ms = UINT64_MAX;
    TRY_DONE(command_parse(cli, &command_lock_run, count, words, &wish, &arguments));
    TRY_DONE(value_text("NAME", arguments.values[0], LOCK_NAME_MOST_BYTES, &wish.request.name));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &guarded.store));
    interrupt_catch();
    uint64_t asked_ms = clock_boot_ms();
    TRY_DONE(lock_acquire(cli, guarded.store, &wish, &response));
    guarded.renewal.namespace_ = release.namespace_ = wish.request.namespace_;
    guarded.renewal.name = release.name = wish.request.name;
    guarded.renewal.fence = release.fence = response->fence;
    guarded.ttl_ms = response->ttl_ms;
    guarded.lost_ms = asked_ms + response->waited_ms + response->ttl_ms;
    int exit_status = spawn_and_guard(&guarded, arguments.values + 1);
    if (!guarded.lost &&
        ganger_release_lock(guarded.store, &release, daemon_timeout_ms(cli), NULL, &error) != GANGER_OK)
        problem_note("the lock \"%s\" could not be released (%s): it is lost by itself in %u s", release.name,
                     error.message, guarded.ttl_ms / 1000);
    return guarded.lost ? EXIT_REFUSED : (enum exit_status)exit_status;
}
