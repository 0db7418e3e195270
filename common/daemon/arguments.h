/* The command line that all daemons have, and the configuration that comes of it. */
#pragma once

#include "common/base/cleanup.h"
#include "common/daemon/daemon.h"

enum arguments_action { ARGUMENTS_RUN, ARGUMENTS_SHOW_CONFIG, ARGUMENTS_CHECK_CONFIG, ARGUMENTS_MODE };

struct arguments {
    enum arguments_action action;
    const char *config_file; /* NULL = the default one, which may be missing */
    const char **settings;   /* --set, in their order; borrowed texts */
    size_t setting_count;
    bool debug;
    const struct daemon_mode *mode; /* with ARGUMENTS_MODE */
    const char *mode_argument;
};

/* Ends the process on --help and --version (0) and on wrong usage (2). */
void arguments_parse(const struct daemon_spec *spec, int argc, char **argv, struct arguments *arguments);
void arguments_done(struct arguments *arguments);
DEFINE_CLEANUP_EMBEDDED(struct arguments, arguments_done)

/* Reads everything there is: file, directory beside it, environment, --set. */
enum status arguments_load_config(const struct daemon_spec *spec, const struct arguments *arguments,
                                  struct config **ret_config, struct error *error) NODISCARD;
