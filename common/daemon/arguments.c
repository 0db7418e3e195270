#include "common/daemon/arguments.h"

#include "common/base/check.h"

#include <argp.h>
#include <string.h>

#define EXIT_USAGE 2

enum { OPTION_CONFIG = 'c', OPTION_SET = 's', OPTION_SHOW = 0x100, OPTION_CHECK, OPTION_DEBUG, OPTION_MODE = 0x200 };

static const struct argp_option options[] = {
    {.name = "config", .key = OPTION_CONFIG, .arg = "FILE", .doc = "Read FILE and FILE.d/*.conf and no others"},
    {.name = "set", .key = OPTION_SET, .arg = "SECTION.KEY=VALUE", .doc = "Set one value, over all files"},
    {.name = "show-config", .key = OPTION_SHOW, .doc = "Print every value and where it comes from, then end"},
    {.name = "check-config", .key = OPTION_CHECK, .doc = "Only say whether the configuration is right"},
    {.name = "debug", .key = OPTION_DEBUG, .doc = "Log more"},
};
#define OPTIONS (sizeof options / sizeof options[0])

struct parse {
    const struct daemon_spec *spec;
    struct arguments *arguments;
};

static size_t count_modes(const struct daemon_spec *spec)
{
    size_t count = 0;

    while (spec->modes != NULL && spec->modes[count].name != NULL)
        count++;
    return count;
}

/* What all daemons have, and the modes of this one. The caller frees it. */
static struct argp_option *join_options(const struct daemon_spec *spec)
{
    size_t modes = count_modes(spec);
    struct argp_option *all = allocate_zero(OPTIONS + modes + 1, sizeof *all);

    memcpy(all, options, sizeof options);
    for (size_t i = 0; i < modes; i++)
        all[OPTIONS + i] = (struct argp_option){.name = spec->modes[i].name,
                                                .key = OPTION_MODE + (int)i,
                                                .arg = spec->modes[i].argument,
                                                .doc = spec->modes[i].summary};
    return all;
}

static error_t take_mode(const struct parse *parse, int key, const char *argument)
{
    size_t mode = (size_t)(key - OPTION_MODE);

    if (key < OPTION_MODE || mode >= count_modes(parse->spec))
        return ARGP_ERR_UNKNOWN;
    parse->arguments->action = ARGUMENTS_MODE;
    parse->arguments->mode = &parse->spec->modes[mode];
    parse->arguments->mode_argument = argument;
    return 0;
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    const struct parse *parse = state->input;
    struct arguments *arguments = parse->arguments;

    switch (key) {
    case OPTION_CONFIG:
        arguments->config_file = argument;
        return 0;
    case OPTION_SET:
        arguments->settings =
            reallocate(arguments->settings, (arguments->setting_count + 1) * sizeof *arguments->settings);
        arguments->settings[arguments->setting_count++] = argument;
        return 0;
    case OPTION_SHOW:
        arguments->action = ARGUMENTS_SHOW_CONFIG;
        return 0;
    case OPTION_CHECK:
        arguments->action = ARGUMENTS_CHECK_CONFIG;
        return 0;
    case OPTION_DEBUG:
        arguments->debug = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"? Only options are understood", argument);
        return EINVAL;
    default:
        return take_mode(parse, key, argument);
    }
}

void arguments_parse(const struct daemon_spec *spec, int argc, char **argv, struct arguments *arguments)
{
    CLEANUP(free)
    char *version = format_text("%s %s", spec->name, GANGER_VERSION);
    CLEANUP(free)
    char *text = format_text("%s\v"
                             "Reads /etc/ganger/%s.conf, then %s.conf.d/*.conf beside it, then the environment "
                             "(GANGER_SECTION_KEY), then --set; each overrides the one before.",
                             spec->summary, spec->section, spec->section);
    CLEANUP(free)
    struct argp_option *all = join_options(spec);
    struct parse parse = {.spec = spec, .arguments = arguments};
    const struct argp parser = {.options = all, .parser = take_option, .doc = text};

    *arguments = (struct arguments){0};
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version = version;
    (void)argp_parse(&parser, argc, argv, 0, NULL, &parse);
    argp_program_version = NULL;
}

void arguments_done(struct arguments *arguments)
{
    free(arguments->settings);
    *arguments = (struct arguments){0};
}

/* A missing file is fine, unless somebody asked for that one. */
static enum status read_files(const struct daemon_spec *spec, const struct arguments *arguments, struct config *config,
                              struct error *error)
{
    CLEANUP(free)
    char *fallback = format_text("/etc/ganger/%s.conf", spec->section);
    const char *file = arguments->config_file != NULL ? arguments->config_file : fallback;
    CLEANUP(free)
    char *directory = format_text("%s.d", file);

    enum status status = config_read_file(config, file, error);
    if (status != STATUS_OK && (status != STATUS_NOT_FOUND || arguments->config_file != NULL))
        return status;
    status = config_read_directory(config, directory, error);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status arguments_load_config(const struct daemon_spec *spec, const struct arguments *arguments,
                                  struct config **ret_config, struct error *error)
{
    CLEANUP(config_free)
    struct config *config = config_new(spec->name, spec->keys);
    struct error cause = {0};

    enum status status = read_files(spec, arguments, config, &cause);
    if (status == STATUS_OK)
        status = config_read_environment(config, environ, &cause);
    for (size_t i = 0; status == STATUS_OK && i < arguments->setting_count; i++)
        status = config_set(config, arguments->settings[i], "option", &cause);
    if (status != STATUS_OK) {
        *error = cause;
        return status;
    }
    *ret_config = TAKE(config);
    return STATUS_OK;
}
