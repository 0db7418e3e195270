/* What the clients saw, as a history: each call when it is first sent, and each answer that reached its client.
 *
 * At the end of the world it is replayed by revision (tests/history/replay.h), as that of a torture run is. */
#pragma once

#include "tests/sim/actor.h"

void witness_ask(struct actor *actor, const struct open_call *call);
void witness_reply(struct actor *actor, const struct open_call *call, const struct reply *reply);
/* Reports to the world what cannot be. */
void witness_judge(struct world *world);
