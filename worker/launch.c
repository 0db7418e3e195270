#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/log.h"
#include "worker/core/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status cannot_write(struct error *error, const char *path)
{
    return error_set(error, STATUS_UNAVAILABLE, "NO_RUN_DIRECTORY", "cannot make %.160s: %s", path, strerror(errno));
}

static enum status write_payload(const struct run *run, struct error *error)
{
    CLEANUP(free)
    char *path = run_directory_file(&run->directory, "payload");
    CLEANUP(fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd < 0)
        return cannot_write(error, path);
    for (size_t done = 0; done < run->payload.size;) {
        ssize_t written = write(fd, run->payload.data + done, run->payload.size - done);
        if (written < 0)
            return cannot_write(error, path);
        done += (size_t)written;
    }
    return STATUS_OK;
}

static enum status make_workspace(struct run *run, struct error *error)
{
    if (run->profile->workspace != NULL) {
        run->workspace = duplicate_text(run->profile->workspace);
        return STATUS_OK;
    }
    run->workspace = run_directory_file(&run->directory, "work");
    return mkdir(run->workspace, S_IRWXU) == 0 ? STATUS_OK : cannot_write(error, run->workspace);
}

/* Everything that can be done while the broker is still asked: the shim waits for its order. */
enum status launch_prepare(struct run *run, struct error *error)
{
    struct supervisor *supervisor = run->supervisor;

    TRY(run_directory_new(supervisor->settings.state, run->task_id, run->fence, &run->directory, error));
    TRY(make_workspace(run, error));
    if (run->profile->input != INPUT_ARGUMENT)
        TRY(write_payload(run, error));
    streams_open(run);
    CLEANUP(free)
    char *log = run_directory_file(&run->directory, "shim.log");
    return shim_spawn(supervisor->settings.shim, run->directory.lock, log, &run->shim, error);
}

static void build_environment(const struct run *run, const char *payload_path, struct words *ret_environment)
{
    CLEANUP(free)
    char *result_path = run_directory_file(&run->directory, "result");
    struct launch_facts facts = {
        .task_id = run->id_text,
        .fence = run->fence,
        .attempt = run->attempt,
        .agent_id = run->agent_id,
        .namespace = run->namespace,
        .broker = ganger_endpoint(run->supervisor->broker),
        .context = ganger_endpoint(run->supervisor->context),
        .workspace = run->workspace,
        .result_path = result_path,
        .payload_path = run->profile->input == INPUT_FILE ? payload_path : NULL,
    };
    launch_environment(run->profile, environ, &facts, ret_environment);
}

enum status launch_begin(struct run *run, struct error *error)
{
    CLEANUP(words_done)
    struct words arguments = {0};
    CLEANUP(words_done)
    struct words environment = {0};
    CLEANUP(free)
    char *payload_path = run_directory_file(&run->directory, "payload");
    CLEANUP(free)
    char *out = run_directory_file(&run->directory, "stdout");
    CLEANUP(free)
    char *err = run_directory_file(&run->directory, "stderr");

    TRY(launch_arguments(run->profile, buffer_view(&run->payload), payload_path, &arguments, error));
    build_environment(run, payload_path, &environment);
    /* An agent that waits on an open, silent stdin would wait for ever: it gets the payload or nothing. */
    struct shim_job job = {
        .program = run->crew->program != NULL ? run->crew->program : arguments.items[0],
        .directory = run->workspace,
        .stdin_path = run->profile->input == INPUT_STDIN ? payload_path : "/dev/null",
        .stdout_path = out,
        .stderr_path = err,
        .scratch = run->profile->workspace == NULL ? run->workspace : NULL,
        .arguments = (const char *const *)arguments.items,
        .environment = (const char *const *)environment.items,
        .linger_ms = LINGER_MS,
        .grace_ms = (uint32_t)run->profile->grace_ms,
    };
    TRY(shim_begin(&run->shim, &job, error));
    buffer_done(&run->payload);
    return STATUS_OK;
}
