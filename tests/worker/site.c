#include "tests/worker/site.h"

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "tests/support/process.h"
#include "tests/worker/processes.h"
#include "worker/shim/remove.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct site site;

DEFINE_CLEANUP(struct ganger *, ganger_close)

char *site_file(const char *name)
{
    return format_text("%s/%s", site.directory, name);
}

static pid_t start(const char *program, const char *const *settings)
{
    const char *arguments[PROCESS_ARGUMENTS_MAX] = {program, "--config"};
    CLEANUP(free)
    char *config = format_text("%s/%s.conf", site.directory, strrchr(program, '/') + 1);
    CLEANUP(free)
    char *log = format_text("%s/%s.log", site.directory, strrchr(program, '/') + 1);
    size_t count = 2;

    arguments[count++] = config;
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        arguments[count++] = "--set";
        arguments[count++] = settings[i];
    }
    pid_t pid = process_start(arguments, log);
    cr_assert_gt(pid, 0);
    return pid;
}

void site_start_broker(void)
{
    CLEANUP(free)
    char *listen = format_text("broker.listen=%s", site.broker_endpoint);
    CLEANUP(free)
    char *store = format_text("broker.store=%s/broker", site.directory);
    const char *settings[16] = {
        listen, store, "broker.store_max=256M", "broker.heartbeat=200ms", "broker.lease=5s", "broker.lease_min=5s"};

    for (size_t i = 0, count = 6; site.broker_settings[i] != NULL; i++)
        settings[count++] = site.broker_settings[i];
    site.broker = start(GANGER_BROKER_PROGRAM, settings);
}

void site_start_context(void)
{
    CLEANUP(free)
    char *listen = format_text("context.listen=%s", site.context_endpoint);
    CLEANUP(free)
    char *store = format_text("context.store=%s/context", site.directory);
    site.context = start(GANGER_CONTEXT_PROGRAM, (const char *[]){listen, store, "context.store_max=256M", NULL});
}

void site_start_worker(void)
{
    site.worker = start(GANGER_WORKER_PROGRAM, NULL);
}

pid_t site_start_twin(void)
{
    CLEANUP(free)
    char *state = format_text("worker.state=%s/twin", site.directory);
    return start(GANGER_WORKER_PROGRAM, (const char *[]){state, NULL});
}

pid_t site_start_other(void)
{
    CLEANUP(free)
    char *state = format_text("worker.state=%s/other", site.directory);
    return start(GANGER_WORKER_PROGRAM, (const char *[]){state, "worker.name=other", NULL});
}

static void make(const char *name)
{
    CLEANUP(free)
    char *path = site_file(name);
    cr_assert_eq(mkdir(path, 0700), 0);
}

void site_set_up(void)
{
    CLEANUP(free)
    char *broker_config = NULL;
    CLEANUP(free)
    char *context_config = NULL;

    site.directory = make_directory();
    site.broker_endpoint = format_text("ipc://%s/broker.sock", site.directory);
    site.context_endpoint = format_text("ipc://%s/context.sock", site.directory);
    broker_config = site_file("ganger-broker.conf");
    context_config = site_file("ganger-contextd.conf");
    cr_assert(configuration_write(broker_config, "\n"));
    cr_assert(configuration_write(context_config, "\n"));
    make("broker");
    make("context");
    make("worker");
    site_start_broker();
    site_start_context();
}

static void show_log(const char *name)
{
    CLEANUP(free)
    char *path = site_file(name);
    CLEANUP(free)
    char *text = read_whole(path, NULL);
    if (text != NULL)
        cr_log_warn("%s:\n%s", name, text);
}

void site_tear_down(void)
{
    int status = site.worker > 0 ? process_stop(site.worker, SITE_LIMIT_MS) : 0;
    cr_expect_eq(status, 0, "the supervisor ended with %d", status);
    bool clean = status == 0 && WAIT_UNTIL(processes_with(site.directory) == 0, 5000) && site_shims() == 0 &&
                 site_run_directories() == 0;
    cr_expect(clean, "left behind: %zu processes, %zu shims, %zu run directories", processes_with(site.directory),
              site_shims(), site_run_directories());
    if (!clean || getenv("SITE_LOGS") != NULL)
        show_log("ganger-worker.log");
    cr_expect_eq(process_stop(site.broker, SITE_LIMIT_MS), 0);
    cr_expect_eq(process_stop(site.context, SITE_LIMIT_MS), 0);
    processes_end(site.directory);
    (void)remove_tree(site.directory);
    free(site.directory);
    free(site.broker_endpoint);
    free(site.context_endpoint);
}

void site_write_profiles(unsigned slots, const char *profiles)
{
    CLEANUP(buffer_done)
    struct buffer text = {0};
    CLEANUP(free)
    char *path = site_file("ganger-worker.conf");

    for (; *profiles != '\0'; profiles++) {
        if (*profiles == '@')
            buffer_add(&text, site.directory, strlen(site.directory));
        else if (*profiles == '$')
            buffer_add(&text, TEST_AGENT, strlen(TEST_AGENT));
        else
            buffer_add_u8(&text, (uint8_t)*profiles);
    }
    buffer_add_u8(&text, '\0');
    cr_assert(configuration_write(
        path, "[worker]\nname = host\nslots = %u\nstate = %s/worker\nbroker = %s\ncontext = %s\n%s", slots,
        site.directory, site.broker_endpoint, site.context_endpoint, (const char *)text.data));
}

/* The client's view */

static struct ganger *open_broker(void)
{
    struct ganger *broker = NULL;
    cr_assert_eq(ganger_open(site.broker_endpoint, GANGER_BROKER, &broker, NULL), GANGER_OK);
    return broker;
}

static struct ganger *open_context(void)
{
    struct ganger *context = NULL;
    cr_assert_eq(ganger_open(site.context_endpoint, GANGER_CONTEXT, &context, NULL), GANGER_OK);
    return context;
}

uint64_t site_submit(const char *agent_type, const void *payload, size_t size, Ganger__V1__TaskSpec *more)
{
    CLEANUP(ganger_close)
    struct ganger *broker = open_broker();
    CLEANUP(free)
    char *type = duplicate_text(agent_type);
    CLEANUP(free)
    uint8_t *copy = allocate(size + 1);
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *task = more != NULL ? more : &spec;
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__SubmitTasksResponse *response = NULL;
    struct ganger_error error = {0};

    memcpy(copy, payload, size);
    task->agent_type = type;
    task->payload = (ProtobufCBinaryData){.data = copy, .len = size};
    request.tasks = &task;
    request.n_tasks = 1;
    cr_assert_eq(ganger_submit_tasks(broker, &request, SITE_LIMIT_MS, &response, &error), GANGER_OK, "%s",
                 error.message);
    uint64_t task_id = response->outcomes[0]->task_id;
    cr_assert_neq(task_id, 0, "%s", response->outcomes[0]->message);
    ganger_free(response);
    return task_id;
}

uint64_t site_submit_text(const char *agent_type, const char *text)
{
    return site_submit(agent_type, text, strlen(text), NULL);
}

static Ganger__V1__GetTaskResponse *get(struct ganger *broker, uint64_t task_id)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *response = NULL;
    struct ganger_error error = {0};

    request.task_id = task_id;
    cr_assert_eq(ganger_get_task(broker, &request, SITE_LIMIT_MS, &response, &error), GANGER_OK, "%s", error.message);
    return response;
}

Ganger__V1__GetTaskResponse *site_get(uint64_t task_id)
{
    CLEANUP(ganger_close)
    struct ganger *broker = open_broker();
    return get(broker, task_id);
}

Ganger__V1__GetTaskResponse *site_wait(uint64_t task_id, Ganger__V1__TaskState state)
{
    CLEANUP(ganger_close)
    struct ganger *broker = open_broker();
    uint64_t until_ms = now_ms() + SITE_LIMIT_MS;
    Ganger__V1__GetTaskResponse *response = get(broker, task_id);

    while (response->task->state != state && now_ms() < until_ms) {
        ganger_free(response);
        pause_ms(10);
        response = get(broker, task_id);
    }
    cr_assert_eq(response->task->state, state, "state %d instead of %d: %s", response->task->state, state,
                 response->task->outcome != NULL ? response->task->outcome->message : "");
    return response;
}

Ganger__V1__GetTaskResponse *site_wait_finishing(uint64_t task_id)
{
    CLEANUP(ganger_close)
    struct ganger *broker = open_broker();
    uint64_t until_ms = now_ms() + SITE_LIMIT_MS;
    Ganger__V1__GetTaskResponse *response = get(broker, task_id);

    while (!response->task->finishing && now_ms() < until_ms) {
        ganger_free(response);
        pause_ms(10);
        response = get(broker, task_id);
    }
    cr_assert(response->task->finishing);
    return response;
}

void site_cancel(uint64_t task_id)
{
    CLEANUP(ganger_close)
    struct ganger *broker = open_broker();
    Ganger__V1__CancelTaskRequest request = GANGER__V1__CANCEL_TASK_REQUEST__INIT;
    struct ganger_error error = {0};

    request.task_id = task_id;
    cr_assert_eq(ganger_cancel_task(broker, &request, SITE_LIMIT_MS, NULL, &error), GANGER_OK, "%s", error.message);
}

/* Appends all of it. */
static bool read_output(const Ganger__V1__StreamName *stream, struct buffer *text)
{
    CLEANUP(ganger_close)
    struct ganger *context = open_context();
    Ganger__V1__ReadStreamRequest request = GANGER__V1__READ_STREAM_REQUEST__INIT;
    Ganger__V1__StreamName copy = *stream;
    bool sealed = false;

    request.stream = &copy;
    for (size_t got = 1; got > 0;) {
        Ganger__V1__ReadStreamResponse *response = NULL;
        request.offset = text->size;
        if (ganger_read_stream(context, &request, SITE_LIMIT_MS, &response, NULL) != GANGER_OK)
            return false;
        got = response->data.len;
        buffer_add(text, response->data.data, got);
        sealed = response->info->sealed;
        ganger_free(response);
    }
    return sealed;
}

static bool read_stream(uint64_t task_id, uint64_t fence, const char *name, struct buffer *text)
{
    CLEANUP(free)
    char *stream_name = duplicate_text(name);
    char namespace[] = "default";
    Ganger__V1__StreamName stream = GANGER__V1__STREAM_NAME__INIT;

    stream.namespace_ = namespace;
    stream.task_id = task_id;
    stream.fence = fence;
    stream.name = stream_name;
    return read_output(&stream, text);
}

char *site_output(uint64_t task_id, uint64_t fence, const char *name, size_t *ret_size)
{
    CLEANUP(buffer_done)
    struct buffer text = {0};

    if (!read_stream(task_id, fence, name, &text))
        return NULL;
    if (ret_size != NULL)
        *ret_size = text.size;
    buffer_add_u8(&text, '\0');
    return (char *)TAKE(text.data);
}

uint64_t site_output_length(uint64_t task_id, uint64_t fence, const char *name)
{
    CLEANUP(buffer_done)
    struct buffer text = {0};
    (void)read_stream(task_id, fence, name, &text);
    return text.size;
}

bool site_profile(const char *agent_type, bool *ret_available, char *ret_problem, size_t size)
{
    CLEANUP(ganger_close)
    struct ganger *broker = open_broker();
    Ganger__V1__ListAgentsRequest request = GANGER__V1__LIST_AGENTS_REQUEST__INIT;
    Ganger__V1__ListAgentsResponse *response = NULL;
    bool found = false;

    cr_assert_eq(ganger_list_agents(broker, &request, SITE_LIMIT_MS, &response, NULL), GANGER_OK);
    for (size_t i = 0; i < response->n_agents; i++)
        for (size_t j = 0; j < response->agents[i]->n_profiles; j++) {
            const Ganger__V1__Profile *profile = response->agents[i]->profiles[j];
            if (strcmp(profile->agent_type, agent_type) != 0)
                continue;
            found = true;
            *ret_available = profile->available;
            (void)snprintf(ret_problem, size, "%s", profile->problem);
        }
    ganger_free(response);
    return found;
}

static size_t count_runs(bool held_only)
{
    CLEANUP(free)
    char *runs = site_file("worker/runs");
    DIR *directory = opendir(runs);
    size_t count = 0;

    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        CLEANUP(free)
        char *path = format_text("%s/%s/lock", runs, entry->d_name);
        CLEANUP(fd_close)
        int lock = open(path, O_RDWR | O_CLOEXEC);
        bool held = lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0;
        count += held || !held_only;
    }
    if (directory != NULL)
        (void)closedir(directory);
    return count;
}

size_t site_shims(void)
{
    return count_runs(true);
}

size_t site_run_directories(void)
{
    return count_runs(false);
}
