/* The history of a torture run: what was asked of the broker, when, and what it answered; one event per line.
 *
 * Clients write it while they run, one file per process; the checker reads all files when everything is over. Times are
 * CLOCK_BOOTTIME in microseconds, so that they can be compared between processes. */
#pragma once

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_INVOKE,  /* about to be sent */
    EVENT_OK,      /* answered well: one event for each task in the answer */
    EVENT_REFUSED, /* answered with an error; reason says which */
    EVENT_UNKNOWN, /* no answer in time: it may have happened or not */
    EVENT_BROKEN,  /* the client itself saw what must not be; reason says what */
    EVENT_KINDS
};

enum event_call {
    CALL_SUBMIT,    /* OK: task, value = number of the work */
    CALL_CLAIM,     /* OK: task, fence, value = lease in milliseconds; task 0 = an empty answer */
    CALL_START,     /* OK: value = attempt */
    CALL_HEARTBEAT, /* one run each. OK: reason = verdict, value = lease in milliseconds */
    CALL_COMPLETE,
    CALL_FAIL,     /* OK: value = the state that the task went to */
    CALL_RELEASE,  /* likewise */
    CALL_REGISTER, /* INVOKE: names a run that the agent gives up by registering anew without it */
    CALL_RETRY,    /* the operator's */
    CALL_STATE,    /* OK: a task as the broker lists it at the end: value = number of the work, reason = state. round 0
                      is before the last restart, 1 after it */
    CALL_DEATH,    /* INVOKE: the actor's whole process is about to kill itself */
    EVENT_CALLS
};

struct event {
    uint64_t time_us;
    uint64_t invoked_us; /* of a reply: when its operation was sent first, so the earliest time it can have happened */
    uint64_t actor;      /* process, generation and thread (the lowest 16 bits) */
    uint64_t operation;  /* of the actor; the same in repeats */
    uint32_t round;      /* 0, and one more for each repeat */
    enum event_kind kind;
    enum event_call call;
    uint64_t task;
    uint64_t fence;
    uint64_t value;
    char reason[32]; /* without blanks, "-" for none */
};

const char *event_call_name(enum event_call call);

/* A file that several threads may write to; -1 when it cannot be made. */
int history_open(const char *path);
void history_write(int file, const struct event *event);

struct history {
    struct event *events;
    size_t count;
    size_t capacity;
};

struct history *history_free(struct history *history);
void history_add(struct history *history, const struct event *event);
/* One line as history_write writes it. False when it is not one. */
bool event_parse(const char *line, struct event *ret_event);
/* Adds what is in the file. UNAVAILABLE when it cannot be read, DATA_LOSS with the line's number when one is broken. */
enum status history_read(struct history *history, const char *path, struct error *error) NODISCARD;
