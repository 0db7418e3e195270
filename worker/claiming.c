#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <string.h>

#define ANSWER_WITHIN_MS 10000 /* beyond the time that a claim waits */
#define PAUSE_MS 1000
#define CREWS_MAX ((size_t)128) /* with retired ones that still run */
#define UNDELIVERED_MAX 1024    /* ended runs whose report or output is still on its way */

static void on_claimed(const struct ganger_reply *reply, void *data)
{
    struct crew *crew = data;
    uint64_t now_ms = clock_boot_ms();

    crew->claim_call = NULL;
    presence_note_revision(crew->supervisor, reply);
    if (reply->error == NULL) {
        const Ganger__V1__ClaimTasksResponse *response = (const Ganger__V1__ClaimTasksResponse *)reply->response;
        claim_answered(&crew->claim, response->n_assignments);
        for (size_t i = 0; i < response->n_assignments; i++)
            run_new(crew, response->assignments[i]);
        return;
    }
    if (reply->error->status == GANGER_DEADLINE_EXCEEDED || reply->error->status == GANGER_UNAVAILABLE) {
        claim_lost(&crew->claim, now_ms, PAUSE_MS);
        return;
    }
    claim_refused(&crew->claim, now_ms, PAUSE_MS);
    /* The broker was started anew, or somebody else has our name. */
    crew->supervisor->registration_is_due = true;
    log_warning("Claim refused", log_text("agent_type", crew->profile->agent_type),
                log_text("reason", reply->error->reason), log_text("error", reply->error->message));
}

static void send_claim(struct crew *crew, const struct claim_order *order)
{
    struct supervisor *supervisor = crew->supervisor;
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;

    request.namespace_ = supervisor->settings.namespace;
    request.queues = supervisor->settings.queues.items;
    request.n_queues = supervisor->settings.queues.count;
    request.agent_type = crew->profile->agent_type;
    request.agent_id = crew->agent_id;
    request.incarnation = supervisor->incarnation;
    request.claim_seq = order->sequence;
    request.max = order->max;
    request.supervised = true;
    request.wait_ms = order->wait_ms;
    request.store_id = supervisor->store_id;
    request.seen_revision = supervisor->seen_revision;
    /* The answer of the claim that is recalled does not count any more: that of the recall says all. */
    if (crew->claim_call != NULL)
        ganger_cancel(supervisor->broker, crew->claim_call);
    crew->claim_call = ganger_start(supervisor->broker, &ganger__v1__agents__descriptor, "ClaimTasks", &request.base,
                                    order->wait_ms + ANSWER_WITHIN_MS, 0, on_claimed, crew);
}

/* A context store that is away costs disk, not agents; but not the whole disk. */
static bool has_room(const struct supervisor *supervisor)
{
    uint32_t count = 0;
    uint64_t bytes = 0;

    for (const struct run *run = supervisor->runs; run != NULL; run = run->next) {
        if (run->life <= LIFE_STOPPING)
            continue;
        count++;
        for (size_t i = 0; i < STREAMS; i++)
            bytes += run->streams[i].size > run->streams[i].stored ? run->streams[i].size - run->streams[i].stored : 0;
    }
    return count < UNDELIVERED_MAX && bytes < supervisor->settings.spool_max_bytes;
}

uint64_t claiming_tick(struct supervisor *supervisor, uint64_t now_ms)
{
    struct crew *crews[CREWS_MAX];
    struct claimant claimants[CREWS_MAX];
    struct claim_order order;
    size_t count = 0;
    bool willing =
        supervisor->registered && !supervisor->draining && !supervisor->daemon->stopping && has_room(supervisor);

    for (struct crew *crew = supervisor->crews; crew != NULL && count < CREWS_MAX; crew = crew->next) {
        bool usable = willing && !crew->retired && crew->program != NULL;
        crews[count] = crew;
        claimants[count++] = (struct claimant){.claim = &crew->claim,
                                               .usable = usable ? slots_free(&supervisor->slots, &crew->slots) : 0};
    }
    while (claims_next(claimants, count, &supervisor->claim_turn, now_ms, &order))
        send_claim(crews[order.index], &order);
    return claims_deadline(claimants, count, now_ms);
}

bool claiming_has_ended(const struct supervisor *supervisor)
{
    for (const struct crew *crew = supervisor->crews; crew != NULL; crew = crew->next)
        if (crew->claim_call != NULL)
            return false;
    return true;
}
