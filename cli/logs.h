/* The output of a task's runs: what command "logs" chose, read once (logs.c) or followed (follow.c). */
#pragma once

#include "cli/command.h"
#include "cli/text.h"

#define LOGS_STREAMS_MOST 2

/* One stream of a run and where it is shown. */
struct logs_stream {
    char *name;
    struct terminal *output; /* borrowed */
    struct text_filter filter;
    uint64_t offset; /* up to which it has been shown */
};

struct logs {
    struct cli *cli;
    struct ganger *broker;
    struct ganger *store;
    uint64_t task_id;
    uint64_t fence; /* of the run; 0 = the latest */
    struct logs_stream streams[LOGS_STREAMS_MOST];
    size_t stream_count;
};

/* The task without its payload; the caller frees the response. */
enum exit_status logs_get_task(struct logs *logs, Ganger__V1__GetTaskResponse **ret_response);
/* The name under which the store has a stream of this task. Its texts are borrowed. */
Ganger__V1__StreamName logs_stream_name(const Ganger__V1__Task *task, const struct logs_stream *stream, uint64_t fence);
/* Shows bytes that begin at the stream's offset. */
void logs_show(struct logs *logs, struct logs_stream *stream, uint64_t fence, ProtobufCBinaryData data);

/* Shows this run and those after it until the task has ended. */
enum exit_status logs_follow(struct logs *logs, const Ganger__V1__Task *task);
