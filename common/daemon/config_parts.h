/* What config.c and config_file.c share: storing one value. */
#pragma once

#include "common/daemon/config.h"

/* A place in a section: [agent claude] is section "agent", name "claude"; name is NULL in the daemon's own. */
struct config_place {
    const char *section;
    const char *name;
};

/* Whether the table knows that section, and remembers a named one in the order of its first appearance. The error's
 * message does not say where: the caller puts that before it. */
enum status config_enter(struct config *config, struct config_place place, struct error *error) NODISCARD;
/* Checks and stores one value; what it says of origin is what config_origin returns. */
enum status config_store(struct config *config, struct config_place place, const char *key, const char *text,
                         const char *origin, struct error *error) NODISCARD;
/* Puts where it was before the message of an error, and returns its status. */
enum status config_locate(struct error *error, const char *where);
