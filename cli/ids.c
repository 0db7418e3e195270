#include "cli/ids.h"

#include "cli/daemon.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <string.h>

#define CANDIDATES_MOST 8

char *ids_candidates(const uint64_t *task_ids, size_t count, bool more)
{
    struct buffer out = {0};
    char text[20];

    for (size_t i = 0; i < count; i++) {
        (void)ganger_id_format(task_ids[i], text);
        if (i > 0)
            buffer_add(&out, ", ", 2);
        buffer_add(&out, text, strlen(text));
    }
    if (more)
        buffer_add(&out, ", ...", 5);
    buffer_add_u8(&out, '\0');
    return (char *)out.data;
}

/* Collects up to CANDIDATES_MOST + 1 tasks of [first, last]. Pages can be short and still have a next one. */
static enum exit_status find_candidates(struct cli *cli, struct ganger *broker, const uint64_t range[2],
                                        uint64_t *task_ids, size_t *ret_count)
{
    Ganger__V1__ListTasksRequest request = GANGER__V1__LIST_TASKS_REQUEST__INIT;
    size_t count = 0;

    request.min_task_id = range[0];
    request.max_task_id = range[1];
    request.page_size = CANDIDATES_MOST + 1;
    do {
        CLEANUP(ganger_free)
        Ganger__V1__ListTasksResponse *response = NULL;
        struct ganger_error error = {0};
        if (ganger_list_tasks(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_BROKER, &error, "cannot look for the task");
        for (size_t i = 0; i < response->n_tasks && count <= CANDIDATES_MOST; i++)
            task_ids[count++] = response->tasks[i]->task_id;
        request.page_token = response->next_page_token;
    } while (request.page_token != 0 && count <= CANDIDATES_MOST);
    *ret_count = count;
    return EXIT_DONE;
}

enum exit_status id_resolve(struct cli *cli, struct ganger *broker, const char *text, uint64_t *ret_task_id)
{
    struct ganger_error error = {0};
    uint64_t range[2] = {0};
    uint64_t task_ids[CANDIDATES_MOST + 1];
    size_t count = 0;

    if (ganger_id_parse(text, &range[0], &range[1], &error) != GANGER_OK)
        return problem(EXIT_USAGE, error.message, "gangerctl list shows the ids of tasks", "\"%.80s\" names no task",
                       text);
    if (range[0] == range[1]) {
        *ret_task_id = range[0];
        return EXIT_DONE;
    }
    TRY_DONE(find_candidates(cli, broker, range, task_ids, &count));
    if (count == 0)
        return problem(EXIT_NOT_FOUND, "tasks that have ended are removed after their retention",
                       "gangerctl list shows the ids of tasks", "no task begins with %.80s", text);
    if (count > 1) {
        bool more = count > CANDIDATES_MOST;
        CLEANUP(free)
        char *candidates = ids_candidates(task_ids, more ? CANDIDATES_MOST : count, more);
        return problem(EXIT_USAGE, candidates, "write more of the id", "several tasks begin with %.80s", text);
    }
    *ret_task_id = task_ids[0];
    return EXIT_DONE;
}

enum exit_status ids_resolve(struct cli *cli, struct ganger *broker, const struct arguments *arguments,
                             uint64_t **ret_task_ids)
{
    CLEANUP(free)
    uint64_t *task_ids = allocate_zero(arguments->count, sizeof(task_ids[0]));

    for (size_t i = 0; i < arguments->count; i++)
        TRY_DONE(id_resolve(cli, broker, arguments->values[i], &task_ids[i]));
    *ret_task_ids = TAKE(task_ids);
    return EXIT_DONE;
}

enum exit_status id_refused(const struct cli *cli, const struct ganger_error *error, const char *verb, uint64_t task_id)
{
    char text[20];
    CLEANUP(free)
    char *what = format_text("cannot %s %s", verb, ganger_id_format(task_id, text));

    if (error->status == GANGER_NOT_FOUND)
        return problem(EXIT_NOT_FOUND, "tasks that have ended are removed after their retention",
                       "gangerctl list shows the ids of tasks", "there is no task %s", text);
    return daemon_refused(cli, GANGER_BROKER, error, what);
}
