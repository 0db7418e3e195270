/* The order that a supervisor gives to a shim, read from its memory file and checked.
 *
 * All texts point into one block that the order owns. */
#pragma once

#include "worker/shim/protocol.h"

#include <stdbool.h>

struct order {
    struct shim_order header;
    char *block;
    const char *texts[SHIM_FIXED_TEXTS];
    char **arguments;   /* end in NULL */
    char **environment; /* ends in NULL */
};

/* false with errno when the order cannot be read or is not well-formed. */
bool order_read(int fd, struct order *ret_order);
void order_done(struct order *order);
