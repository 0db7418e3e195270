#include "broker/core/why.h"

#include <string.h>

/* What is known of those who could run tasks of one type. A self-connected agent says nothing about types before it
 * claims, so each of them may be one. */
struct fleet {
    size_t known;
    size_t alive;                 /* of them: heard within a lease */
    size_t draining;              /* of those */
    size_t free;                  /* of the others: they have room */
    const struct profile *broken; /* one that says why it cannot */
    const struct agent *broken_at;
};

static bool runs_type(const struct profile *profile, const char *agent_type)
{
    return strcmp(agent_type, ANY_TYPE) == 0 || strcmp(profile->agent_type, agent_type) == 0;
}

static void look_at_profiles(const struct agent *agent, const char *agent_type, struct fleet *fleet)
{
    bool has_room = false;

    for (size_t i = 0; i < agent->profile_count; i++) {
        const struct profile *profile = &agent->profiles[i];
        if (!runs_type(profile, agent_type))
            continue;
        if (!profile->available && fleet->broken == NULL) {
            fleet->broken = profile;
            fleet->broken_at = agent;
        }
        has_room |= profile->available && (profile->max == 0 || profile->running < profile->max);
    }
    fleet->free += has_room;
}

static bool may_run(const struct agent *agent, const char *agent_type)
{
    if (agent->slots == 0)
        return true;
    for (size_t i = 0; i < agent->profile_count; i++)
        if (runs_type(&agent->profiles[i], agent_type))
            return true;
    return false;
}

static void look_at(const struct why *why, const struct agent *agent, const char *agent_type, struct fleet *fleet)
{
    const struct broker *broker = why->step->broker;

    if (!may_run(agent, agent_type))
        return;
    fleet->known++;
    if (why->step->now.store_ms - agent->heard_ms > broker->settings.lease_ms)
        return;
    fleet->alive++;
    if (drains_find(&broker->drains, agent->id) != NULL)
        fleet->draining++;
    else
        look_at_profiles(agent, agent_type, fleet);
}

static void add_no_agent(struct why *why, const char *agent_type, const char *what)
{
    bool is_any = strcmp(agent_type, ANY_TYPE) == 0;

    why_add(why, WAIT_NO_AGENT, agent_type)->text =
        why_text(why, "no agent%s%s %s", is_any ? "" : " that runs type ", is_any ? "" : agent_type, what);
}

void why_agents(struct why *why)
{
    const char *agent_type = why->lane->type->agent_type;
    const struct agents *agents = &why->step->broker->agents;
    struct fleet fleet = {0};

    if (parked_first(why->lane) != NULL)
        return;
    for (const struct agent *agent = index_first(&agents->by_id); agent != NULL; agent = index_next(&agent->node))
        look_at(why, agent, agent_type, &fleet);
    if (fleet.known == 0) {
        add_no_agent(why, agent_type, "has registered");
    } else if (fleet.alive == 0) {
        add_no_agent(why, agent_type, "is alive");
    } else if (fleet.draining == fleet.alive) {
        add_no_agent(why, agent_type, "takes new runs: all are draining");
    } else if (fleet.free == 0 && fleet.broken != NULL) {
        add_no_agent(why, agent_type, "is available");
        why->reasons[why->count - 1].text = why_text(why, "%s cannot run type %s: %s", fleet.broken_at->id,
                                                     fleet.broken->agent_type, fleet.broken->problem);
    } else if (fleet.free == 0) {
        struct wait_reason *reason = why_add(why, WAIT_AGENTS_BUSY, agent_type);
        reason->count = fleet.alive - fleet.draining;
        reason->text = why_text(why, "all agents that run it are busy");
    }
}
