#include "tests/contextd/daemon_fixture.h"

#include "common/base/clock.h"
#include "tests/support/process.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 60000

static pid_t start(const struct daemon_fixture *fixture, const char *setting)
{
    char listen[256];
    char store[192];
    char log[192];
    const char *arguments[] = {CONTEXTD_PROGRAM, "--set", listen, "--set", store, setting != NULL ? "--set" : NULL,
                               setting,          NULL};

    (void)snprintf(listen, sizeof listen, "context.listen=%s", fixture->endpoint);
    (void)snprintf(store, sizeof store, "context.store=%s/store", fixture->directory);
    (void)snprintf(log, sizeof log, "%s/log", fixture->directory);
    return process_start(arguments, log);
}

static void make_directory(struct daemon_fixture *fixture)
{
    *fixture = (struct daemon_fixture){.pid = -1, .killer = -1, .killer_pid = -1};
    cr_assert(scratch_make(NULL, fixture->directory, sizeof fixture->directory));
    (void)snprintf(fixture->endpoint, sizeof fixture->endpoint, "ipc://%s/socket", fixture->directory);
}

void daemon_fixture_start(struct daemon_fixture *fixture, const char *setting)
{
    fixture->pid = start(fixture, setting);
    cr_assert_gt(fixture->pid, 0);
}

void daemon_fixture_init(struct daemon_fixture *fixture, const char *setting)
{
    make_directory(fixture);
    daemon_fixture_start(fixture, setting);
}

/* The life that is cut short begins when the daemon listens: on a slow machine a start alone can take longer than the
 * interval, and nothing would ever be served. */
static pid_t start_and_wait(const struct daemon_fixture *fixture)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;
    pid_t pid = start(fixture, NULL);

    while (pid > 0 && !socket_is_listened_on(fixture->endpoint) && clock_boot_ms() < deadline_ms)
        (void)poll(NULL, 0, 5);
    return pid;
}

/* Kills and starts until a byte comes, then leaves it alive until the pipe is closed. */
static void keep_killing(const struct daemon_fixture *fixture, int orders, uint32_t interval_ms)
{
    struct pollfd order = {.fd = orders, .events = POLLIN};
    pid_t pid = start_and_wait(fixture);
    char byte;

    while (poll(&order, 1, (int)interval_ms) == 0) {
        process_kill(pid);
        pid = start_and_wait(fixture);
    }
    while (read(orders, &byte, sizeof byte) > 0)
        ;
    process_kill(pid);
}

void daemon_fixture_init_killed(struct daemon_fixture *fixture, uint32_t interval_ms)
{
    int orders[2];

    make_directory(fixture);
    cr_assert_eq(pipe(orders), 0);
    fixture->killer_pid = fork();
    cr_assert_geq(fixture->killer_pid, 0);
    if (fixture->killer_pid == 0) {
        (void)close(orders[1]);
        keep_killing(fixture, orders[0], interval_ms);
        _exit(0);
    }
    (void)close(orders[0]);
    fixture->killer = orders[1];
}

void daemon_fixture_spare(struct daemon_fixture *fixture)
{
    cr_assert_eq(write(fixture->killer, "x", 1), 1);
}

int daemon_fixture_stop(struct daemon_fixture *fixture)
{
    int status = process_stop(fixture->pid, TIMEOUT_MS);

    fixture->pid = -1;
    return status;
}

int daemon_fixture_wait(struct daemon_fixture *fixture)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;
    int status;

    while ((status = process_poll(fixture->pid)) < 0) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "the daemon does not end");
        (void)poll(NULL, 0, 5);
    }
    fixture->pid = -1;
    return WEXITSTATUS(status);
}

void daemon_fixture_done(struct daemon_fixture *fixture)
{
    process_kill(fixture->pid);
    if (fixture->killer >= 0)
        (void)close(fixture->killer);
    if (fixture->killer_pid > 0)
        (void)waitpid(fixture->killer_pid, NULL, 0);
    scratch_remove(fixture->directory);
}

uint64_t daemon_fixture_memory_bytes(const struct daemon_fixture *fixture)
{
    char path[64];
    char line[256];
    uint64_t kibibytes = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)fixture->pid);
    FILE *stream = fopen(path, "re");
    cr_assert_not_null(stream);
    while (fgets(line, sizeof line, stream) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kibibytes = strtoull(line + 8, NULL, 10);
    (void)fclose(stream);
    return kibibytes * 1024;
}

struct ganger *open_client(const struct daemon_fixture *fixture)
{
    struct ganger *ganger = NULL;
    struct ganger_error error = {0};

    assert_good(ganger_open(fixture->endpoint, GANGER_CONTEXT, &ganger, &error), error);
    return ganger;
}

/* protobuf-c's messages have no const, requests are only read. */
static char *unconst(const char *text)
{
    union {
        const char *read;
        char *written;
    } pointer = {.read = text};
    return pointer.written;
}

static ProtobufCBinaryData data_of(struct bytes bytes)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)unconst((const char *)bytes.data), .len = bytes.size};
}

enum ganger_status put_entry(struct ganger *ganger, const char *key, struct bytes value, int64_t expected,
                             struct ganger_error *error)
{
    Ganger__V1__ExpectedVersion version = GANGER__V1__EXPECTED_VERSION__INIT;
    Ganger__V1__PutEntryRequest request = GANGER__V1__PUT_ENTRY_REQUEST__INIT;

    request.key = unconst(key);
    request.value = data_of(value);
    if (expected >= 0) {
        version.version = (uint64_t)expected;
        request.expected = &version;
    }
    return ganger_put_entry(ganger, &request, TIMEOUT_MS, NULL, error);
}

Ganger__V1__GetEntryResponse *get_entry(struct ganger *ganger, const char *key)
{
    Ganger__V1__GetEntryRequest request = GANGER__V1__GET_ENTRY_REQUEST__INIT;
    Ganger__V1__GetEntryResponse *response = NULL;
    struct ganger_error error = {0};

    request.key = unconst(key);
    enum ganger_status status = ganger_get_entry(ganger, &request, TIMEOUT_MS, &response, &error);
    if (status == GANGER_NOT_FOUND)
        return NULL;
    assert_good(status, error);
    return response;
}

static Ganger__V1__StreamName name_of(const char *name)
{
    Ganger__V1__StreamName stream = GANGER__V1__STREAM_NAME__INIT;

    stream.task_id = 7;
    stream.fence = 3;
    stream.name = unconst(name);
    return stream;
}

enum ganger_status append_stream(struct ganger *ganger, const char *name, uint64_t offset, struct bytes data,
                                 struct ganger_error *error)
{
    Ganger__V1__StreamName stream = name_of(name);
    Ganger__V1__AppendStreamRequest request = GANGER__V1__APPEND_STREAM_REQUEST__INIT;

    request.stream = &stream;
    request.offset = offset;
    request.data = data_of(data);
    return ganger_append_stream(ganger, &request, TIMEOUT_MS, NULL, error);
}

enum ganger_status seal_stream(struct ganger *ganger, const char *name, uint64_t length, struct ganger_error *error)
{
    Ganger__V1__StreamName stream = name_of(name);
    Ganger__V1__SealStreamRequest request = GANGER__V1__SEAL_STREAM_REQUEST__INIT;

    request.stream = &stream;
    request.length = length;
    return ganger_seal_stream(ganger, &request, TIMEOUT_MS, NULL, error);
}

Ganger__V1__ContextStatsResponse *get_stats(struct ganger *ganger)
{
    Ganger__V1__ContextStatsRequest request = GANGER__V1__CONTEXT_STATS_REQUEST__INIT;
    Ganger__V1__ContextStatsResponse *response = NULL;
    struct ganger_error error = {0};

    assert_good(ganger_context_stats(ganger, &request, TIMEOUT_MS, &response, &error), error);
    return response;
}

static void on_chunk(const struct ganger_reply *reply, void *data)
{
    struct following *following = data;

    if (reply->error != NULL)
        following->error = *reply->error;
    if (reply->response != NULL) {
        const Ganger__V1__StreamChunk *chunk = (const Ganger__V1__StreamChunk *)reply->response;
        following->out_of_order |= chunk->offset != following->bytes.size;
        buffer_add(&following->bytes, chunk->data.data, chunk->data.len);
    }
    following->ended = reply->end;
}

struct ganger_call *follow_stream(struct ganger *ganger, const char *name, uint64_t offset, bool wait,
                                  uint32_t credit_bytes, struct following *following)
{
    Ganger__V1__StreamName stream = name_of(name);
    Ganger__V1__FollowStreamRequest request = GANGER__V1__FOLLOW_STREAM_REQUEST__INIT;

    request.stream = &stream;
    request.offset = offset;
    request.wait = wait;
    return ganger_start(ganger, &ganger__v1__streams__descriptor, "FollowStream", &request.base, 0, credit_bytes,
                        on_chunk, following);
}

static size_t count_open(const struct following *following, size_t count)
{
    size_t open = 0;

    for (size_t i = 0; i < count; i++)
        open += !following[i].ended;
    return open;
}

void wait_for_ends(struct ganger *ganger, struct following *following, size_t count)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;

    while (count_open(following, count) > 0) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "%zu streams did not end", count_open(following, count));
        ganger_wait(ganger, 1000);
        ganger_process(ganger);
    }
}

struct buffer test_bytes(size_t size)
{
    struct buffer buffer = {0};
    uint8_t *at = buffer_reserve(&buffer, size);

    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(i * 2654435761U >> 13);
    buffer.size = size;
    return buffer;
}
