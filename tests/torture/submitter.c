/* The submitters: every work is submitted once, in numbered batches of a session, and many batches are sent again. */
#include "common/base/check.h"
#include "tests/torture/caller.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SUBMITTERS 4
#define BATCH_MAX 50
#define BATCHES_OPEN 8 /* whose repeats the broker must still know */
#define CALL_TIMEOUT_MS 5000
#define PERMILLE_REPEAT 200
#define PERMILLE_ATOMIC 300

struct batch {
    struct history_event event;
    uint64_t sequence;
    uint64_t first_work;
    size_t count;
    bool atomic;
};

struct submitter {
    struct caller caller;
    uint8_t session[16];
    uint64_t first_work;
    uint64_t last_work;
    struct batch open[BATCHES_OPEN];
};

static void write_answer(struct submitter *submitter, const struct batch *batch, struct history_event *event,
                         const Ganger__V1__SubmitTasksResponse *response)
{
    if (response->n_outcomes != batch->count)
        caller_write(&submitter->caller, event, HISTORY_BROKEN, "ANOTHER_NUMBER_OF_OUTCOMES");
    for (size_t i = 0; i < response->n_outcomes; i++) {
        const Ganger__V1__SubmitOutcome *outcome = response->outcomes[i];

        event->task = outcome->task_id;
        event->value = batch->first_work + i;
        caller_write(&submitter->caller, event, outcome->status == GANGER_OK ? HISTORY_OK : HISTORY_BROKEN,
                     outcome->reason);
    }
    event->task = event->value = 0;
}

static bool submit(struct submitter *submitter, struct batch *batch)
{
    const struct fleet *fleet = submitter->caller.fleet;
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__SubmitTasksResponse *response = NULL;
    Ganger__V1__TaskSpec specs[BATCH_MAX];
    Ganger__V1__TaskSpec *pointers[BATCH_MAX];
    struct work_texts texts[BATCH_MAX];
    struct question question = {&ganger__v1__tasks__descriptor, "SubmitTasks", &request.base, CALL_TIMEOUT_MS};

    for (size_t i = 0; i < batch->count; i++) {
        fleet_describe(fleet, batch->first_work + i, &texts[i], &specs[i]);
        pointers[i] = &specs[i];
    }
    request.tasks = pointers;
    request.n_tasks = batch->count;
    request.atomic = batch->atomic;
    request.session.data = submitter->session;
    request.session.len = sizeof(submitter->session);
    request.sequence = batch->sequence;
    request.acked_below = batch->sequence > BATCHES_OPEN ? batch->sequence - BATCHES_OPEN + 1 : 1;
    response = caller_ask(&submitter->caller, &batch->event, &question);
    if (response == NULL)
        return false;
    write_answer(submitter, batch, &batch->event, response);
    ganger_free(response);
    return true;
}

static void *submitter_main(void *data)
{
    struct submitter *submitter = data;
    const struct fleet *fleet = submitter->caller.fleet;
    struct random *random = &submitter->caller.random;
    uint64_t sequence = 0;
    uint64_t next = submitter->first_work;

    for (size_t i = 0; i < sizeof(submitter->session); i++)
        submitter->session[i] = (uint8_t)random_below(random, 256);
    while (next <= submitter->last_work && !fleet_stopping(fleet)) {
        struct batch *batch = &submitter->open[++sequence % BATCHES_OPEN];
        uint64_t rest = submitter->last_work - next + 1;
        uint64_t count = 1 + random_below(random, BATCH_MAX);

        *batch = (struct batch){.event = caller_operation(&submitter->caller, CALL_SUBMIT, 0, 0),
                                .sequence = sequence,
                                .first_work = next,
                                .count = count < rest ? count : rest,
                                .atomic = random_permille(random, PERMILLE_ATOMIC)};
        if (submit(submitter, batch))
            atomic_fetch_add(&fleet->shared->submitted, (unsigned)batch->count);
        next += batch->count;
        if (random_permille(random, PERMILLE_REPEAT)) {
            struct batch *again = &submitter->open[(sequence - random_below(random, BATCHES_OPEN - 1)) % BATCHES_OPEN];

            caller_prepare_repeat(&again->event);
            if (again->count > 0)
                (void)submit(submitter, again);
        }
        fleet_pause(fleet, (uint32_t)random_below(random, 30));
    }
    caller_close(&submitter->caller);
    return NULL;
}

int submitters_main(const struct fleet *fleet)
{
    static struct submitter submitters[SUBMITTERS];
    pthread_t threads[SUBMITTERS];
    char path[400];
    int history = -1;

    (void)snprintf(path, sizeof(path), "%s/submitters.history", fleet->directory);
    history = history_open(path);
    CHECK(history >= 0);
    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        submitters[i].first_work = 1 + (uint64_t)fleet->works * i / SUBMITTERS;
        submitters[i].last_work = (uint64_t)fleet->works * (i + 1) / SUBMITTERS;
        caller_open(&submitters[i].caller, fleet, history, 0x10000000000u + i);
        CHECK(pthread_create(&threads[i], NULL, submitter_main, &submitters[i]) == 0);
    }
    for (uint32_t i = 0; i < SUBMITTERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
