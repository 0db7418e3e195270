/* What a batch has to say, which leaves after its commit, or never. */
#include "tests/sim/host.h"

#include "common/base/check.h"
#include "tests/sim/actor.h"

void departures_add(struct host *host, const struct departure *departure)
{
    CHECK(host->departure_count < sizeof host->departures / sizeof host->departures[0]);
    host->departures[host->departure_count++] = *departure;
}

void departures_drop(struct host *host)
{
    for (size_t i = 0; i < host->departure_count; i++)
        reply_free(host->departures[i].reply);
    host->departure_count = 0;
}

void departures_send(struct host *host)
{
    for (size_t i = 0; i < host->departure_count; i++) {
        struct departure *departure = &host->departures[i];
        if (departure->reply == NULL) {
            actor_push(departure->actor, departure->run, departure->verdict);
            continue;
        }
        departure->reply->revision = broker_revision(host->broker);
        actor_send_reply(departure->actor, departure->call, departure->reply);
    }
    departures_drop(host);
}
