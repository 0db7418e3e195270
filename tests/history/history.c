#include "tests/history/history.h"

#include "common/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 320

static const char *const kind_names[HISTORY_KINDS] = {
    [HISTORY_INVOKE] = "invoke",   [HISTORY_OK] = "ok",         [HISTORY_REFUSED] = "refused",
    [HISTORY_UNKNOWN] = "unknown", [HISTORY_BROKEN] = "broken",
};

static const char *const call_names[HISTORY_CALLS] = {
    [CALL_SUBMIT] = "submit",     [CALL_CLAIM] = "claim", [CALL_START] = "start",     [CALL_HEARTBEAT] = "heartbeat",
    [CALL_COMPLETE] = "complete", [CALL_FAIL] = "fail",   [CALL_RELEASE] = "release", [CALL_REGISTER] = "register",
    [CALL_RETRY] = "retry",       [CALL_STATE] = "state", [CALL_DEATH] = "death",     [CALL_CANCEL] = "cancel",
    [CALL_OTHER] = "other",
};

const char *history_call_name(enum history_call call)
{
    return call_names[call];
}

int history_open(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One write for one line: O_APPEND keeps the lines of several threads apart, and a killed process leaves whole lines.
 */
void history_write(int file, const struct history_event *event)
{
    char line[LINE_SIZE];
    char revision[24] = "";
    if (event->revision != 0)
        (void)snprintf(revision, sizeof revision, " %" PRIu64, event->revision);
    int size = snprintf(line, sizeof(line),
                        "%" PRIu64 " %" PRIu64 " %" PRIx64 " %" PRIu64 " %" PRIu32 " %s %s %" PRIu64 " %" PRIu64
                        " %" PRIu64 " %s%s\n",
                        event->time_us, event->invoked_us, event->actor, event->operation, event->round,
                        kind_names[event->kind], call_names[event->call], event->task, event->fence, event->value,
                        event->reason[0] != '\0' ? event->reason : "-", revision);

    CHECK(size > 0 && (size_t)size < sizeof(line));
    CHECK(write(file, line, (size_t)size) == (ssize_t)size);
}

struct history *history_free(struct history *history)
{
    if (history != NULL)
        free(history->events);
    free(history);
    return NULL;
}

void history_add(struct history *history, const struct history_event *event)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 1024 : history->capacity * 2;
        history->events = reallocate(history->events, history->capacity * sizeof(*history->events));
    }
    history->events[history->count++] = *event;
}

static int find_name(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

/* The next number of the line, which moves on. */
static bool take_number(const char **line, int base, uint64_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    *ret_number = strtoull(*line, &end, base);
    if (errno != 0 || end == *line || *end != ' ')
        return false;
    *line = end + 1;
    return true;
}

/* The next word of the line, cut to its room, which moves on. */
static bool take_word(const char **line, char *word, size_t size)
{
    size_t length = strcspn(*line, " \n");

    if (length == 0 || length >= size)
        return false;
    memcpy(word, *line, length);
    word[length] = '\0';
    *line += length + (*(*line + length) != '\0');
    return true;
}

bool history_parse(const char *line, struct history_event *ret_event)
{
    struct history_event event = {0};
    char kind_name[16];
    char call_name[16];
    uint64_t round = 0;
    int kind = -1;
    int call = -1;

    if (!take_number(&line, 10, &event.time_us) || !take_number(&line, 10, &event.invoked_us) ||
        !take_number(&line, 16, &event.actor) || !take_number(&line, 10, &event.operation) ||
        !take_number(&line, 10, &round) || !take_word(&line, kind_name, sizeof(kind_name)) ||
        !take_word(&line, call_name, sizeof(call_name)) || !take_number(&line, 10, &event.task) ||
        !take_number(&line, 10, &event.fence) || !take_number(&line, 10, &event.value) ||
        !take_word(&line, event.reason, sizeof(event.reason)))
        return false;
    if (*line >= '0' && *line <= '9')
        event.revision = strtoull(line, NULL, 10);
    kind = find_name(kind_name, kind_names, HISTORY_KINDS);
    call = find_name(call_name, call_names, HISTORY_CALLS);
    if (kind < 0 || call < 0)
        return false;
    event.round = (uint32_t)round;
    event.kind = (enum history_kind)kind;
    event.call = (enum history_call)call;
    *ret_event = event;
    return true;
}

enum status history_read(struct history *history, const char *path, struct error *error)
{
    FILE *stream = fopen(path, "re");
    char line[LINE_SIZE];
    size_t number = 0;
    enum status status = STATUS_OK;

    if (stream == NULL)
        return error_set(error, STATUS_UNAVAILABLE, "NO_HISTORY", "%s: %s", path, strerror(errno));
    while (status == STATUS_OK && fgets(line, sizeof(line), stream) != NULL) {
        struct history_event event;

        number++;
        if (history_parse(line, &event))
            history_add(history, &event);
        else
            status = error_set(error, STATUS_DATA_LOSS, "BAD_HISTORY", "%s:%zu: not an event", path, number);
    }
    (void)fclose(stream);
    return status;
}
