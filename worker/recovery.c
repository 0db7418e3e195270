#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define LOOK_AGAIN_MS 50
#define KILL_AFTER_MS 12000 /* old shims end their runs by themselves: SIGTERM, grace, SIGKILL */
#define GIVE_UP_AFTER_MS 30000
#define CHILDREN_MAX 1024
#define ROUNDS_MAX 20

/* A shim that should have ended its run by now: it is stopped, or what it holds does not die. Its processes are killed
 * while it lives, for then they stay below it. */
static void end_old_run(const struct old_run *run)
{
    log_warning("An old run does not end and is killed", log_text("directory", run->path),
                log_number("shim_pid", run->shim.pid));
    if (run->shim.pid == 0)
        return;
    (void)process_signal(&run->shim, SIGCONT);
    (void)process_signal(&run->shim, SIGTERM);
    if (tree_kill(run->shim.pid, false) == 0)
        (void)process_signal(&run->shim, SIGKILL);
}

/* Its outcome may have been reported, with output that was still to come. */
static void on_removed(uint64_t task_id, uint64_t fence, void *data)
{
    report_output_lost(data, task_id, fence);
}

/* Only when nothing of an earlier supervisor lives may its tasks be given to others: registering does that. */
uint64_t recovery_tick(struct supervisor *supervisor, uint64_t now_ms)
{
    struct old_run *runs = NULL;

    if (supervisor->recovered)
        return NEVER;
    if (supervisor->recover_at_ms > now_ms)
        return supervisor->recover_at_ms;
    size_t count = old_runs_sweep(supervisor->settings.state, on_removed, supervisor, &runs);
    supervisor->recovered = count == 0;
    for (size_t i = 0; i < count && now_ms >= supervisor->recover_from_ms + KILL_AFTER_MS; i++)
        end_old_run(&runs[i]);
    if (count > 0 && now_ms >= supervisor->recover_from_ms + GIVE_UP_AFTER_MS) {
        log_error("Processes of an old run cannot be ended: its task would run twice",
                  log_text("directory", runs[0].path), log_number("shim_pid", runs[0].shim.pid));
        daemon_exit(supervisor->daemon, EXIT_FAILURE);
    }
    old_runs_free(runs, count);
    supervisor->recover_at_ms = now_ms + LOOK_AGAIN_MS;
    return supervisor->recovered ? now_ms : supervisor->recover_at_ms;
}

static bool is_shim(const struct supervisor *supervisor, pid_t pid)
{
    for (const struct run *run = supervisor->runs; run != NULL; run = run->next)
        if (run->shim.pid == pid)
            return true;
    return false;
}

bool strays_end(const struct supervisor *supervisor)
{
    pid_t pids[CHILDREN_MAX];
    size_t strays = 1;

    for (int round = 0; strays > 0 && round < ROUNDS_MAX; round++) {
        size_t count = children_list(pids, CHILDREN_MAX);
        strays = 0;
        for (size_t i = 0; i < count; i++) {
            if (is_shim(supervisor, pids[i]))
                continue;
            strays++;
            (void)tree_kill(pids[i], true);
            /* Not waited for by anybody else: it cannot be another process. */
            (void)waitpid(pids[i], NULL, WNOHANG | __WALL);
        }
    }
    return strays == 0;
}
