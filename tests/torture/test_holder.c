/* A holder that sleeps past its lease and goes on: real processes at a real broker. */
#include "client/ganger.h"
#include "tests/support/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 30000
#define WAIT_MS 20000
#define STOP_TIMEOUT_MS 20000

struct site {
    char directory[256];
    char endpoint[300];
    pid_t broker;
};

/* What the holder tells its parent. */
struct word {
    uint64_t task;
    uint64_t fence;
    enum ganger_status status; /* of its late completion */
    char reason[48];
};

struct holder {
    pid_t pid;
    int words; /* the reading end of its pipe */
};

static void begin(struct site *site)
{
    char configuration[300];
    char log[300];
    const char *const arguments[] = {BROKER_PROGRAM, "--config", configuration, NULL};

    cr_assert(scratch_make(NULL, site->directory, sizeof(site->directory)));
    (void)snprintf(site->endpoint, sizeof(site->endpoint), "ipc://%s/broker.sock", site->directory);
    (void)snprintf(configuration, sizeof(configuration), "%s/broker.conf", site->directory);
    (void)snprintf(log, sizeof(log), "%s/broker.log", site->directory);
    cr_assert(configuration_write(configuration,
                                  "[broker]\nlisten = %s\nstore = %s/store\nlease = 1s\nheartbeat = 300ms\n",
                                  site->endpoint, site->directory));
    site->broker = process_start(arguments, log);
    cr_assert(site->broker > 0);
}

static void end(struct site *site)
{
    int status = process_stop(site->broker, STOP_TIMEOUT_MS);

    cr_assert(status == 0, "the broker stopped with %d: see %s/broker.log", status, site->directory);
    scratch_remove(site->directory);
}

static bool claim(struct ganger *ganger, const char *agent, struct word *ret_word)
{
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;
    Ganger__V1__ClaimTasksResponse *response = NULL;
    char agent_id[32];
    bool claimed = false;

    (void)snprintf(agent_id, sizeof(agent_id), "%s", agent);
    request.agent_id = agent_id;
    request.incarnation = 1;
    request.claim_seq = 1;
    request.wait_ms = WAIT_MS;
    request.start = true;
    if (ganger_claim_tasks(ganger, &request, TIMEOUT_MS, &response, NULL) != GANGER_OK)
        return false;
    claimed = response->n_assignments == 1;
    if (claimed)
        *ret_word = (struct word){.task = response->assignments[0]->task->task_id,
                                  .fence = response->assignments[0]->task->fence};
    ganger_free(response);
    return claimed;
}

static enum ganger_status complete(struct ganger *ganger, const struct word *word, struct ganger_error *error)
{
    Ganger__V1__CompleteTaskRequest request = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;

    request.task_id = word->task;
    request.fence = word->fence;
    return ganger_complete_task(ganger, &request, TIMEOUT_MS, NULL, error);
}

/* Claims, says so, stops itself, and when it goes on completes as if nothing had been. */
_Noreturn static void hold(const struct site *site, int words)
{
    struct ganger *ganger = NULL;
    struct ganger_error error = {0};
    struct word word;

    if (ganger_open(site->endpoint, GANGER_BROKER, &ganger, NULL) != GANGER_OK || !claim(ganger, "first", &word) ||
        write(words, &word, sizeof(word)) != (ssize_t)sizeof(word))
        _exit(1);
    (void)raise(SIGSTOP);
    word.status = complete(ganger, &word, &error);
    memcpy(word.reason, error.reason, sizeof(word.reason));
    _exit(write(words, &word, sizeof(word)) == (ssize_t)sizeof(word) ? 0 : 1);
}

/* Before this process has a ZeroMQ context. */
static struct holder start_holder(const struct site *site)
{
    struct holder holder = {.pid = -1};
    int ends[2];

    cr_assert(pipe(ends) == 0);
    holder.words = ends[0];
    holder.pid = fork();
    if (holder.pid == 0)
        hold(site, ends[1]);
    (void)close(ends[1]);
    return holder;
}

static struct word hear(const struct holder *holder)
{
    struct word word;

    cr_assert(read(holder->words, &word, sizeof(word)) == (ssize_t)sizeof(word), "the holder died");
    return word;
}

static struct ganger *open_and_submit(const struct site *site)
{
    struct ganger *ganger = NULL;
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *specs[] = {&spec};
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;

    cr_assert(ganger_open(site->endpoint, GANGER_BROKER, &ganger, NULL) == GANGER_OK);
    spec.backoff_ms = 1;
    spec.backoff_max_ms = 1;
    request.tasks = specs;
    request.n_tasks = 1;
    cr_assert(ganger_submit_tasks(ganger, &request, TIMEOUT_MS, NULL, NULL) == GANGER_OK);
    return ganger;
}

/* The second holder completes, and nothing of the first is left. */
static void expect_completed_by(struct ganger *ganger, const struct word *second)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *response = NULL;

    cr_assert(complete(ganger, second, NULL) == GANGER_OK);
    request.task_id = second->task;
    cr_assert(ganger_get_task(ganger, &request, TIMEOUT_MS, &response, NULL) == GANGER_OK);
    cr_expect(response->task->state == GANGER__V1__TASK_STATE__COMPLETED);
    cr_expect(response->task->outcome->fence == second->fence);
    ganger_free(response);
}

Test(holder, that_sleeps_past_its_lease_is_refused_when_it_goes_on)
{
    struct site site;
    struct word second;
    int status = 0;

    begin(&site);
    struct holder holder = start_holder(&site);
    struct ganger *ganger = open_and_submit(&site);
    struct word first = hear(&holder);

    cr_assert(claim(ganger, "second", &second));
    cr_expect(second.task == first.task && second.fence > first.fence);
    /* It may still be on its way to its stop. */
    cr_assert(waitpid(holder.pid, &status, WUNTRACED) == holder.pid && WIFSTOPPED(status));
    cr_assert(kill(holder.pid, SIGCONT) == 0);
    first = hear(&holder);
    cr_expect(first.status == GANGER_ABORTED);
    cr_expect_str_eq(first.reason, "STALE_FENCE");
    expect_completed_by(ganger, &second);
    cr_assert(waitpid(holder.pid, &status, 0) == holder.pid && status == 0);
    ganger_close(ganger);
    (void)close(holder.words);
    end(&site);
}
