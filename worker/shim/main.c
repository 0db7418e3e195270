/* ganger-shim: holds one run.
 *
 * It is the subreaper of everything that the run starts, so no process of it can get away by leaving its group or
 * session; it knows that nothing is left when it has no child any more. It reports the end of the main process and the
 * end of all of them. When its supervisor is gone, or hangs until the fence time, it ends the run by itself. */
#include "worker/shim/order.h"
#include "worker/shim/remove.h"
#include "worker/shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT_STDERR_FD SHIM_ORDER_FD /* free again once the order is read; our own stderr stays the shim's */
#define AGENT_DESCRIPTORS 1024
#define KILL_PRIORITY (-20)
#define CHILDREN_KILL_TIMES 64
#define KILL_PAUSE_MAX_MS 50

enum phase {
    PHASE_WAITING,   /* for the order */
    PHASE_RUNNING,   /* the main process lives */
    PHASE_LINGERING, /* it has ended, others live */
    PHASE_KILLING,
    PHASE_GONE,
};

struct shim {
    enum phase phase;
    int control;
    int signals;
    int timer;
    struct order order;
    pid_t main; /* 0 = not started */
    bool main_ended;
    bool terminating;     /* the supervisor is gone, or systemd ends us: SIGTERM is sent, SIGKILL follows */
    uint64_t deadline_ms; /* of the phase; 0 = none */
    uint64_t fence_ms;    /* 0 = none, or it has come */
    uint32_t fence_grace_ms;
    bool alone; /* it had come: the end is nobody's wish */
    uint32_t killed;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void report(const struct shim *shim, struct shim_report report)
{
    report.version = SHIM_VERSION;
    report.alone = shim->alone;
    /* A supervisor that is gone does not hear it. */
    (void)send(shim->control, &report, sizeof report, MSG_NOSIGNAL);
}

static void set_deadline(struct shim *shim, uint64_t at_ms)
{
    if (shim->deadline_ms == 0 || at_ms < shim->deadline_ms)
        shim->deadline_ms = at_ms;
}

/* Starting */

static bool open_as(const char *path, int flags, int fd)
{
    int opened = open(path, flags | O_NOCTTY, S_IRUSR | S_IWUSR);
    if (opened < 0 || opened == fd)
        return opened == fd;
    bool done = dup2(opened, fd) == fd;
    (void)close(opened);
    return done;
}

/* The shim takes the agent's own place first, so that what fails can be told apart. */
static enum shim_step take_place(struct shim *shim)
{
    if (!order_read(SHIM_ORDER_FD, &shim->order))
        return SHIM_STEP_ORDER;
    const char *const *texts = shim->order.texts;
    if (chdir(texts[SHIM_DIRECTORY]) != 0)
        return SHIM_STEP_DIRECTORY;
    /* Regular files: real agents lose at their exit what a pipe has not taken. O_APPEND keeps those that open the file
     * again from overwriting each other. */
    if (!open_as(texts[SHIM_STDIN], O_RDONLY, STDIN_FILENO) ||
        !open_as(texts[SHIM_STDOUT], O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO) ||
        !open_as(texts[SHIM_STDERR], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, AGENT_STDERR_FD))
        return SHIM_STEP_FILES;
    return 0;
}

static int spawn_agent(struct shim *shim)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigset_t all;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, AGENT_STDERR_FD, STDERR_FILENO);
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    int error = posix_spawn(&shim->main, shim->order.texts[SHIM_PROGRAM], &actions, &attributes, shim->order.arguments,
                            shim->order.environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    (void)close(AGENT_STDERR_FD);
    return error;
}

static void start(struct shim *shim)
{
    int error = 0;
    enum shim_step step = take_place(shim);

    if (step != 0) {
        error = errno;
    } else {
        error = spawn_agent(shim);
        step = SHIM_STEP_PROGRAM;
    }
    if (error != 0) {
        shim->main = 0;
        shim->main_ended = true;
        report(shim, (struct shim_report){.kind = SHIM_START_FAILED, .step = (int32_t)step, .error = error});
        shim->phase = PHASE_GONE;
        return;
    }
    report(shim, (struct shim_report){.kind = SHIM_STARTED, .pid = shim->main});
    shim->phase = PHASE_RUNNING;
}

/* Ending */

static void main_ended(struct shim *shim, int status)
{
    shim->main_ended = true;
    report(shim, (struct shim_report){.kind = SHIM_EXITED,
                                      .pid = shim->main,
                                      .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                                      .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0});
}

/* Waits for all that has ended. true when no child is left: then no descendant is left either, for orphans become
 * children of their subreaper. */
static bool reap(struct shim *shim)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
        if (pid == 0)
            return false;
        if (pid < 0)
            return errno == ECHILD;
        if (pid == shim->main)
            main_ended(shim, status);
        else if (shim->phase == PHASE_KILLING)
            shim->killed++;
    }
}

static void pause_for_child(const struct shim *shim, int pause_ms)
{
    struct signalfd_siginfo info;
    struct pollfd item = {.fd = shim->signals, .events = POLLIN};

    if (poll(&item, 1, pause_ms) > 0)
        while (read(shim->signals, &info, sizeof info) > 0)
            continue;
}

/* A bomb forks faster than one scan sees: children are killed as fast as they come, and in between everything below is
 * stopped, then killed, until there is nothing. What cannot die (a process in the kernel's hands) is waited for. */
static void kill_all(struct shim *shim)
{
    int pause_ms = 1;

    shim->phase = PHASE_KILLING;
    (void)setpriority(PRIO_PROCESS, 0, KILL_PRIORITY);
    for (bool gone = reap(shim); !gone;) {
        (void)tree_kill(getpid(), false);
        for (int i = 0; i < CHILDREN_KILL_TIMES && !gone; i++) {
            children_kill();
            gone = reap(shim);
        }
        if (gone)
            break;
        pause_for_child(shim, pause_ms);
        pause_ms = pause_ms * 2 < KILL_PAUSE_MAX_MS ? pause_ms * 2 : KILL_PAUSE_MAX_MS;
        gone = reap(shim);
    }
    shim->phase = PHASE_GONE;
}

/* Nobody is there to say KILL: it follows by itself. */
static void terminate_alone(struct shim *shim)
{
    if (shim->phase == PHASE_WAITING) {
        shim->phase = PHASE_GONE;
        return;
    }
    if (shim->terminating)
        return;
    shim->terminating = true;
    (void)tree_signal(getpid(), false, SIGTERM);
    set_deadline(shim, now_ms() + shim->order.header.grace_ms);
}

/* The supervisor hangs, or is cut off from the broker, which may give the task to another from now on. */
static void fence_passed(struct shim *shim)
{
    shim->fence_ms = 0;
    shim->alone = true;
    terminate_alone(shim);
    set_deadline(shim, now_ms() + shim->fence_grace_ms);
}

static void set_fence(struct shim *shim, const struct shim_command *command)
{
    shim->fence_ms = command->fence_ms;
    shim->fence_grace_ms = command->grace_ms;
}

static void handle_command(struct shim *shim)
{
    struct shim_command command = {0};
    ssize_t size = recv(shim->control, &command, sizeof command, MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size != (ssize_t)sizeof command || command.version != SHIM_VERSION) {
        /* The end of the supervisor, or one that we cannot understand. */
        (void)close(shim->control);
        shim->control = -1;
        terminate_alone(shim);
        return;
    }
    if (command.kind == SHIM_BEGIN && shim->phase == PHASE_WAITING)
        start(shim);
    else if (command.kind == SHIM_TERMINATE && shim->phase != PHASE_WAITING)
        (void)tree_signal(getpid(), false, SIGTERM);
    else if (command.kind == SHIM_FENCE && !shim->alone)
        set_fence(shim, &command);
    else if (command.kind == SHIM_KILL && shim->phase == PHASE_WAITING)
        shim->phase = PHASE_GONE;
    else if (command.kind == SHIM_KILL)
        kill_all(shim);
}

static void handle_signals(struct shim *shim)
{
    struct signalfd_siginfo info;

    while (read(shim->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM)
            terminate_alone(shim);
}

static void look_at_children(struct shim *shim)
{
    if (shim->phase != PHASE_RUNNING && shim->phase != PHASE_LINGERING)
        return;
    bool gone = reap(shim);
    if (gone) {
        shim->phase = PHASE_GONE;
    } else if (shim->main_ended && shim->phase == PHASE_RUNNING) {
        shim->phase = PHASE_LINGERING;
        set_deadline(shim, now_ms() + shim->order.header.linger_ms);
    }
}

static bool has_come(uint64_t at_ms, uint64_t now)
{
    return at_ms != 0 && at_ms <= now;
}

/* A timer of CLOCK_BOOTTIME and not poll's own: that one stands still while the machine is suspended, and the broker's
 * clock does not. */
static void arm_timer(const struct shim *shim)
{
    uint64_t at_ms = shim->deadline_ms;

    if (shim->fence_ms != 0 && (at_ms == 0 || shim->fence_ms < at_ms))
        at_ms = shim->fence_ms;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000}};
    (void)timerfd_settime(shim->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void run(struct shim *shim)
{
    while (shim->phase != PHASE_GONE) {
        struct pollfd items[] = {{.fd = shim->signals, .events = POLLIN},
                                 {.fd = shim->control, .events = POLLIN},
                                 {.fd = shim->timer, .events = POLLIN}};
        arm_timer(shim);
        if (poll(items, 3, -1) > 0) {
            if (items[0].revents != 0)
                handle_signals(shim);
            if (items[1].revents != 0)
                handle_command(shim);
        }
        look_at_children(shim);
        if (shim->phase != PHASE_GONE && has_come(shim->fence_ms, now_ms()))
            fence_passed(shim);
        if (shim->phase != PHASE_GONE && has_come(shim->deadline_ms, now_ms()))
            kill_all(shim);
    }
}

static void report_gone(const struct shim *shim)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_CHILDREN, &usage);
    report(shim, (struct shim_report){
                     .kind = SHIM_GONE,
                     .killed = shim->killed,
                     .user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec,
                     .system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec,
                     .memory_peak_bytes = (uint64_t)usage.ru_maxrss * 1024,
                 });
}

/* The lock on the run directory came with the descriptor: the supervisor took it before we were born, so there is no
 * moment in which a run has no holder. What is written there names us to a supervisor that comes later. */
static void sign_lock(void)
{
    char text[64];
    struct process self;

    if (!process_read(getpid(), &self))
        return;
    int length = snprintf(text, sizeof text, "%d %llu\n", (int)self.pid, (unsigned long long)self.start_ticks);
    if (ftruncate(SHIM_LOCK_FD, 0) != 0 || pwrite(SHIM_LOCK_FD, text, (size_t)length, 0) != length)
        (void)fprintf(stderr, "ganger-shim: cannot sign the lock: %s\n", strerror(errno));
}

/* The supervisor has raised its own bound, and select() of an agent cannot take descriptors above this one. Programs
 * that want more raise it for themselves. */
static void restore_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= AGENT_DESCRIPTORS)
        return;
    limit.rlim_cur = AGENT_DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool prepare(struct shim *shim)
{
    sigset_t all;

    for (int fd = SHIM_CONTROL_FD; fd <= SHIM_ORDER_FD; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return false;
    /* Faults of our own still end us: those signals cannot wait in a descriptor. */
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV);
    (void)sigdelset(&all, SIGBUS);
    (void)sigdelset(&all, SIGFPE);
    (void)sigdelset(&all, SIGILL);
    (void)sigdelset(&all, SIGABRT);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
        return false;
    shim->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    shim->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return shim->signals >= 0 && shim->timer >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

int main(void)
{
    struct shim shim = {.control = SHIM_CONTROL_FD};

    if (!prepare(&shim)) {
        (void)fprintf(stderr, "ganger-shim is started by ganger-worker, not by hand: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    restore_descriptor_limit();
    sign_lock();
    run(&shim);
    report_gone(&shim);
    if (shim.order.block != NULL && shim.order.texts[SHIM_SCRATCH][0] != '\0')
        (void)remove_tree(shim.order.texts[SHIM_SCRATCH]);
    order_done(&shim.order);
    return EXIT_SUCCESS;
}
