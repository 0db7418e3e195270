/* A history: what was asked of the broker, when, what it answered, and at which revision of its store.
 *
 * In a torture run clients write it while they run, one file per process and one event per line, and the judges read
 * all files when everything is over; times are CLOCK_BOOTTIME in microseconds, so that they can be compared between
 * processes. A simulation keeps it in memory, by the world's own time. */
#pragma once

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum history_kind {
    HISTORY_INVOKE,  /* about to be sent */
    HISTORY_OK,      /* answered well: one event for each task in the answer */
    HISTORY_REFUSED, /* answered with an error; reason says which */
    HISTORY_UNKNOWN, /* no answer in time: it may have happened or not */
    HISTORY_BROKEN,  /* the client itself saw what must not be; reason says what */
    HISTORY_KINDS
};

enum history_call {
    CALL_SUBMIT,    /* OK: task, value = number of the work */
    CALL_CLAIM,     /* OK: task, fence, value = lease in milliseconds; task 0 = an empty answer */
    CALL_START,     /* OK: value = attempt */
    CALL_HEARTBEAT, /* one run each. OK: reason = verdict, value = lease in milliseconds */
    CALL_COMPLETE,
    CALL_FAIL,     /* OK: value = the state that the task went to */
    CALL_RELEASE,  /* likewise */
    CALL_REGISTER, /* INVOKE: names a run that the agent gives up by registering anew without it */
    CALL_RETRY,    /* the operator's */
    CALL_CANCEL,   /* likewise */
    CALL_OTHER,    /* anything of which only the revision counts */
    CALL_STATE,    /* OK: a task as the broker lists it at the end: value = number of the work, reason = state. round 0
                      is before the last restart, 1 after it */
    CALL_DEATH,    /* INVOKE: the actor's whole process is about to kill itself */
    HISTORY_CALLS
};

struct history_event {
    uint64_t time_us;
    uint64_t invoked_us; /* of a reply: when its operation was sent first, so the earliest time it can have happened */
    uint64_t actor;      /* process, generation and thread (the lowest 16 bits) */
    uint64_t operation;  /* of the actor; the same in repeats */
    uint32_t round;      /* 0, and one more for each repeat */
    enum history_kind kind;
    enum history_call call;
    uint64_t task;
    uint64_t fence;
    uint64_t value;
    char reason[32];   /* without blanks, "-" for none */
    uint64_t revision; /* of a reply: the store's, 0 = not known. The last word of a line, left out when it is 0 */
};

const char *history_call_name(enum history_call call);

/* A file that several threads may write to; -1 when it cannot be made. */
int history_open(const char *path);
void history_write(int file, const struct history_event *event);

struct history {
    struct history_event *events;
    size_t count;
    size_t capacity;
};

struct history *history_free(struct history *history);
void history_add(struct history *history, const struct history_event *event);
/* One line as history_write writes it. False when it is not one. */
bool history_parse(const char *line, struct history_event *ret_event);
/* Adds what is in the file. UNAVAILABLE when it cannot be read, DATA_LOSS with the line's number when one is broken. */
enum status history_read(struct history *history, const char *path, struct error *error) NODISCARD;
