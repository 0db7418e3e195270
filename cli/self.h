/* In whose name gangerctl writes to the context store: inside an agent that agent and its run, else the user. */
#pragma once

#include "cli/command.h"

struct self {
    Ganger__V1__Writer writer;
    char *name; /* its own */
};
void self_init(struct self *self);
void self_done(struct self *self);
