#include "cli/options.h"

#include "cli/help.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/suggest.h"

#include <string.h>

#define TIMEOUT_MOST_MS (30 * VALUE_DAY_MS)

enum {
    OPTION_BROKER = OPTION_GLOBAL,
    OPTION_CONTEXT,
    OPTION_JSON,
    OPTION_NO_COLOR,
    OPTION_TIMEOUT,
    OPTION_VERSION,
};

const struct argp_option options_global[] = {
    {"json", OPTION_JSON, NULL, 0, "print JSON, one object per line", 0},
    {"quiet", 'q', NULL, 0, "print ids and names only, and no progress", 0},
    {"timeout", OPTION_TIMEOUT, "TIME", 0, "give up after that time", 0},
    {"broker", OPTION_BROKER, "ENDPOINT", 0, "the broker, instead of $GANGER_BROKER", 0},
    {"context", OPTION_CONTEXT, "ENDPOINT", 0, "the context store, instead of $GANGER_CONTEXT", 0},
    {"no-color", OPTION_NO_COLOR, NULL, 0, "no colours, as with $NO_COLOR", 0},
    {"help", 'h', NULL, 0, "show examples and options", 0},
    {"version", OPTION_VERSION, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

static size_t count_options(const struct argp_option *options)
{
    size_t count = 0;

    while (options != NULL && (options[count].name != NULL || options[count].key != 0))
        count++;
    return count;
}

bool options_is_global(int key)
{
    return key == 'q' || key == 'h' || (key >= OPTION_BROKER && key <= OPTION_VERSION);
}

bool options_holds(const struct command *command, int key)
{
    size_t count = command != NULL ? count_options(command->options) : 0;

    for (size_t i = 0; i < count; i++)
        if (command->options[i].key == key)
            return true;
    return false;
}

struct argp_option *options_join(const struct command *command)
{
    const struct argp_option *own = command != NULL ? command->options : NULL;
    size_t own_count = count_options(own);
    size_t global_count = count_options(options_global);
    struct argp_option *joined = allocate_zero(own_count + global_count + 1, sizeof(joined[0]));

    if (own_count > 0)
        memcpy(joined, own, own_count * sizeof(joined[0]));
    memcpy(joined + own_count, options_global, global_count * sizeof(joined[0]));
    return joined;
}

enum exit_status options_take(struct cli *cli, const struct command *command, int key, char *value)
{
    switch (key) {
    case OPTION_BROKER:
        cli->endpoints[GANGER_BROKER] = value;
        return EXIT_DONE;
    case OPTION_CONTEXT:
        cli->endpoints[GANGER_CONTEXT] = value;
        return EXIT_DONE;
    case OPTION_JSON:
        cli->json = true;
        return EXIT_DONE;
    case 'q':
        cli->quiet = true;
        return EXIT_DONE;
    case OPTION_NO_COLOR:
        cli->output.colours = false;
        cli->errors.colours = false;
        return EXIT_DONE;
    case OPTION_TIMEOUT:
        return value_duration("--timeout", value, 1, TIMEOUT_MOST_MS, &cli->timeout_ms);
    case OPTION_VERSION:
        printf("gangerctl %s\n", ganger_version());
        return EXIT_HELPED;
    default:
        if (command == NULL)
            help_overview(stdout, NULL);
        else
            help_command(stdout, command);
        return EXIT_HELPED;
    }
}

/* How many options begin like name, and the one whose name it is or, if there is only one, that begins so. */
static size_t find_long(const struct argp_option *options, const char *name, size_t length,
                        const struct argp_option **ret_option)
{
    size_t count = 0;

    for (; options->name != NULL; options++) {
        if (strncmp(options->name, name, length) != 0)
            continue;
        *ret_option = options;
        if (options->name[length] == '\0')
            return 1;
        count++;
    }
    return count;
}

static enum exit_status explain_long(const struct argp_option *options, const char *word, const char *hint)
{
    const char *name = word + 2;
    size_t length = strcspn(name, "=");
    const struct argp_option *option = NULL;
    size_t matches = find_long(options, name, length, &option);

    if (matches > 1)
        return problem(EXIT_USAGE, "several options begin so", hint, "option %.80s is ambiguous", word);
    if (matches == 1 && option->arg != NULL)
        return problem(EXIT_USAGE, NULL, hint, "option --%s needs a value: --%s %s", option->name, option->name,
                       option->arg);
    if (matches == 1)
        return problem(EXIT_USAGE, NULL, hint, "option --%s takes no value", option->name);

    struct suggestion suggestion = {0};
    CLEANUP(free)
    char *written = duplicate_text(name);
    written[length] = '\0';
    for (const struct argp_option *other = options; other->name != NULL; other++)
        suggestion_offer(&suggestion, written, other->name);
    CLEANUP(free)
    char *why = suggestion.word != NULL ? format_text("did you mean --%s?", suggestion.word) : NULL;
    return problem(EXIT_USAGE, why, hint, "there is no option --%.80s", written);
}

enum exit_status options_explain(const struct command *command, const struct argp_option *options, const char *word)
{
    CLEANUP(free)
    char *hint = command == NULL ? format_text("gangerctl help shows how it is used")
                                 : format_text("gangerctl help %s shows its options", command->name);

    if (strncmp(word, "--", 2) == 0)
        return explain_long(options, word, hint);
    /* Letters can be joined ("-qf"): the first that is none, or else the one whose value is missing. */
    for (const char *letter = word + 1; word[0] == '-' && *letter != '\0'; letter++) {
        const struct argp_option *option = options;
        while (option->name != NULL && option->key != *letter)
            option++;
        if (option->name == NULL)
            return problem(EXIT_USAGE, NULL, hint, "there is no option -%c", *letter);
        if (option->arg != NULL)
            return problem(EXIT_USAGE, NULL, hint, "option -%c needs a value: -%c %s", *letter, *letter, option->arg);
    }
    return problem(EXIT_USAGE, NULL, hint, "\"%.80s\" cannot be read as an option", word);
}
