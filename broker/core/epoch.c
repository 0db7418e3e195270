#include "broker/core/epoch.h"

#include "broker/core/core.h"
#include "broker/core/event.h"

#include <string.h>

bool epoch_is_present(const struct broker *broker, uint64_t fence)
{
    return epoch_of(fence) == broker->counters.epoch;
}

bool epoch_is_doubted(const struct broker *broker)
{
    return broker->newest_seen != 0;
}

enum status epoch_check(struct step *step, const struct seen_store *seen)
{
    struct broker *broker = step->broker;
    const struct counters *counters = &broker->counters;

    if (seen->store_id == NULL || strcmp(seen->store_id, counters->store_id) != 0 ||
        seen->revision <= counters->revision || epoch_of(seen->revision) < counters->epoch)
        return STATUS_OK;
    if (seen->revision > broker->newest_seen)
        broker->newest_seen = seen->revision;
    return error_set(&step->error, STATUS_FAILED_PRECONDITION, "STORE_IS_OLDER",
                     "the broker's store is older than what it has told: an operator restores the right one, or "
                     "raises the epoch (gangerctl store raise-epoch); agents go on meanwhile");
}

enum status step_raise_epoch(struct step *step, const struct command *command)
{
    struct broker *broker = step->broker;
    struct counters *counters = &broker->counters;
    const struct command_raise_epoch *raise = &command->raise_epoch;
    uint16_t newest = epoch_of(broker->newest_seen);
    char why[40];
    unsigned int epoch = 1U + (newest > counters->epoch ? newest : counters->epoch);

    if (strcmp(raise->store_id, counters->store_id) != 0 || raise->epoch != counters->epoch)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "OTHER_EPOCH",
                         "epoch: this is store %s in epoch %u; name both to raise it", counters->store_id,
                         counters->epoch);
    if (epoch > UINT16_MAX)
        return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "NO_EPOCH_LEFT",
                         "there is no epoch after %d: begin a new store", UINT16_MAX);
    counters->epoch = (uint16_t)epoch;
    broker->newest_seen = 0;
    (void)snprintf(why, sizeof why, "its epoch is %u now", epoch);
    event_note(step, EVENT_RESTORED, counters->store_id, why);
    lanes_wake_all(&broker->lanes);
    effects_answer(step->effects, command->token, command->kind)->epoch = counters->epoch;
    return STATUS_OK;
}
