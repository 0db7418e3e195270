#include "cli/batch.h"

#include "cli/daemon.h"
#include "cli/json.h"
#include "common/base/check.h"

#include <string.h>

#define BATCH_MOST_TASKS 1000
/* The frame takes 1 MiB and 64 KiB; the envelope around the tasks needs little. */
#define BATCH_MOST_BYTES ((size_t)1024 * 1024)
#define REFUSALS_SHOWN 5

void batch_init(struct batch *batch, struct cli *cli, struct ganger *broker)
{
    *batch = (struct batch){.cli = cli, .broker = broker};
    batch->specs = allocate_zero(BATCH_MOST_TASKS, sizeof(Ganger__V1__TaskSpec *));
}

static void forget_specs(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->specs[i]->payload.data);
        free(batch->specs[i]->title);
        free(batch->specs[i]);
    }
    batch->count = 0;
    batch->size_bytes = 0;
}

void batch_done(struct batch *batch)
{
    forget_specs(batch);
    free(batch->specs);
    free(batch->task_ids);
    *batch = (struct batch){0};
}

static void accept_task(struct batch *batch, uint64_t task_id)
{
    char id[20];

    if (batch->accepted == batch->accepted_capacity) {
        batch->accepted_capacity = batch->accepted_capacity == 0 ? 64 : batch->accepted_capacity * 2;
        batch->task_ids = reallocate(batch->task_ids, batch->accepted_capacity * sizeof(batch->task_ids[0]));
    }
    batch->task_ids[batch->accepted++] = task_id;
    if (batch->cli->json)
        return;
    printf("%s\n", ganger_id_format(task_id, id));
}

static void refuse_task(struct batch *batch, const Ganger__V1__TaskSpec *spec, const Ganger__V1__SubmitOutcome *outcome)
{
    struct ganger_error error = {.status = (enum ganger_status)outcome->status};

    batch->refused++;
    if (batch->exit_status == EXIT_DONE)
        batch->exit_status = problem_exit_status(error.status);
    if (batch->refused > REFUSALS_SHOWN)
        return;
    (void)snprintf(error.reason, sizeof(error.reason), "%s", outcome->reason);
    (void)snprintf(error.message, sizeof(error.message), "%s", outcome->message);
    (void)problem_refused(&error, "the task \"%.80s\" was refused", spec->title);
}

static void take_outcomes(struct batch *batch, const Ganger__V1__SubmitTasksResponse *response)
{
    for (size_t i = 0; i < response->n_outcomes && i < batch->count; i++) {
        const Ganger__V1__SubmitOutcome *outcome = response->outcomes[i];
        if (outcome->status == GANGER_OK)
            accept_task(batch, outcome->task_id);
        else
            refuse_task(batch, batch->specs[i], outcome);
        if (batch->cli->json)
            json_print_message(&batch->cli->output, &outcome->base);
    }
    terminal_flush(&batch->cli->output);
}

enum exit_status batch_send(struct batch *batch)
{
    CLEANUP(ganger_free)
    Ganger__V1__SubmitTasksResponse *response = NULL;
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    struct ganger_error error = {0};

    if (batch->count == 0)
        return EXIT_DONE;
    request.tasks = batch->specs;
    request.n_tasks = batch->count;
    if (ganger_submit_tasks(batch->broker, &request, daemon_timeout_ms(batch->cli), &response, &error) != GANGER_OK) {
        CLEANUP(free)
        char *what = batch->accepted == 0 ? duplicate_text("nothing was submitted")
                                          : format_text("only the first %zu tasks were submitted", batch->accepted);
        return daemon_refused(batch->cli, GANGER_BROKER, &error,
                              error.status == GANGER_DEADLINE_EXCEEDED ? "the broker has not answered in time" : what);
    }
    take_outcomes(batch, response);
    forget_specs(batch);
    return EXIT_DONE;
}

enum exit_status batch_add(struct batch *batch, const Ganger__V1__TaskSpec *model, struct bytes payload,
                           const char *title)
{
    Ganger__V1__TaskSpec *spec = allocate(sizeof(*spec));

    *spec = *model;
    spec->title = duplicate_text(title);
    spec->payload.len = payload.size;
    spec->payload.data = allocate(payload.size + 1);
    if (payload.size > 0)
        memcpy(spec->payload.data, payload.data, payload.size);
    size_t size_bytes = ganger__v1__task_spec__get_packed_size(spec) + 8;
    enum exit_status exit_status = EXIT_DONE;
    if (batch->count == BATCH_MOST_TASKS || batch->size_bytes + size_bytes > BATCH_MOST_BYTES)
        exit_status = batch_send(batch);
    if (exit_status != EXIT_DONE) {
        free(spec->payload.data);
        free(spec->title);
        free(spec);
        return exit_status;
    }
    batch->specs[batch->count++] = spec;
    batch->size_bytes += size_bytes;
    return EXIT_DONE;
}
