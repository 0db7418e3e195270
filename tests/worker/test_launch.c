#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "worker/core/launch.h"

#include <criterion/criterion.h>
#include <string.h>

DEFINE_CLEANUP(struct profile *, profile_release)

static struct profile *profile_with(const char *command, const char *input, const char *environment)
{
    struct profile_settings settings = {
        .agent_type = "claude", .command = command, .input = input, .environment = environment};
    struct profile *profile = NULL;
    struct error error = {0};
    cr_assert_eq(profile_new(&settings, &profile, &error), STATUS_OK, "%s", error.message);
    return profile;
}

static void expect_bad(struct profile_settings settings, const char *part)
{
    struct profile *profile = NULL;
    struct error error = {0};
    cr_expect_eq(profile_new(&settings, &profile, &error), STATUS_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    cr_expect_null(profile);
}

static void expect_words(const char *text, const char *expected)
{
    CLEANUP(words_done)
    struct words words = {0};
    struct error error = {0};
    char joined[256] = "";

    cr_assert_eq(words_split(text, &words, &error), STATUS_OK, "%s", error.message);
    for (size_t i = 0; i < words.count; i++) {
        strcat(joined, words.items[i]); // NOLINT: both are of this file
        strcat(joined, "|");            // NOLINT
    }
    cr_expect_str_eq(joined, expected, "%s", text);
}

Test(words, are_parted_by_blanks_and_kept_together_by_quotes)
{
    expect_words("", "");
    expect_words("  \t ", "");
    expect_words("a b\tc", "a|b|c|");
    expect_words("sh -c 'echo \"$HOME\" `id` \\n'", "sh|-c|echo \"$HOME\" `id` \\n|");
    expect_words("\"a \\\" \\\\ \\n\" b\\ c d''e ''", "a \" \\ \\n|b c|de||");
    expect_words("trailing\\", "trailing\\|");
}

Test(words, with_an_open_quote_are_refused)
{
    struct words words = {0};
    struct error error = {0};
    cr_expect_eq(words_split("a 'b", &words, &error), STATUS_INVALID_ARGUMENT);
    cr_expect_eq(words_split("a \"b\\\"", &words, &error), STATUS_INVALID_ARGUMENT);
    cr_expect_null(words.items);
}

Test(words, are_refused_past_their_limit)
{
    struct words words = {0};
    char text[WORDS_MAX * 2 + 3];

    for (size_t i = 0; i <= WORDS_MAX; i++)
        memcpy(text + i * 2, "w ", 2);
    text[(size_t)WORDS_MAX * 2] = '\0';
    cr_assert_eq(words_split(text, &words, NULL), STATUS_OK);
    cr_expect_eq(words.count, WORDS_MAX);
    words_done(&words);
    memcpy(text + (size_t)WORDS_MAX * 2, "w", 2);
    cr_expect_eq(words_split(text, &words, NULL), STATUS_INVALID_ARGUMENT);
}

Test(profile, that_cannot_work_is_refused)
{
    expect_bad((struct profile_settings){.agent_type = "a"}, "no command");
    expect_bad((struct profile_settings){.agent_type = "a", .command = " "}, "empty command");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "./x"}, "absolute path");
    expect_bad((struct profile_settings){.agent_type = "a b", .command = "x"}, "not a name");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "x 'y"}, "quote");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "x", .input = "pipe"}, "input");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "x", .workspace = "directory:y"}, "workspace");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "x", .workspace = "git"}, "workspace");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "x", .environment = "=y"}, "environment");
    expect_bad((struct profile_settings){.agent_type = "a", .command = "x", .environment = "GANGER_FENCE=1"},
               "GANGER_");
}

static void expect_arguments(struct profile *profile, const char *payload, const char *const *expected)
{
    CLEANUP(words_done)
    struct words arguments = {0};
    struct error error = {0};
    size_t count = 0;

    cr_assert_eq(launch_arguments(profile, bytes_of_text(payload), "/run/payload", &arguments, &error), STATUS_OK, "%s",
                 error.message);
    for (; expected[count] != NULL && count < arguments.count; count++)
        cr_expect_str_eq(arguments.items[count], expected[count]);
    cr_expect_eq(arguments.count, count);
    cr_expect_null(expected[count]);
    cr_expect_null(arguments.items[arguments.count]);
    (void)profile_release(profile);
}

#define TEXT "`id` \"quotes\" 'and' $HOME\n; rm -rf / {}"

Test(arguments, take_the_payload_as_one_word_whatever_is_in_it)
{
    expect_arguments(profile_with("agent -p", NULL, NULL), TEXT, (const char *[]){"agent", "-p", TEXT, NULL});
}

Test(arguments, take_the_payload_in_place_of_the_braces)
{
    expect_arguments(profile_with("agent -p {} --verbose", NULL, NULL), TEXT,
                     (const char *[]){"agent", "-p", TEXT, "--verbose", NULL});
    expect_arguments(profile_with("agent x{}", NULL, NULL), "p", (const char *[]){"agent", "x{}", "p", NULL});
}

Test(arguments, of_other_inputs_do_not_hold_the_payload)
{
    expect_arguments(profile_with("agent {}", "stdin", NULL), TEXT, (const char *[]){"agent", "{}", NULL});
    expect_arguments(profile_with("agent", "file", NULL), TEXT, (const char *[]){"agent", NULL});
    expect_arguments(profile_with("agent -f {}", "file", NULL), TEXT,
                     (const char *[]){"agent", "-f", "/run/payload", NULL});
}

Test(arguments, take_an_empty_payload_as_an_empty_word)
{
    expect_arguments(profile_with("agent", NULL, NULL), "", (const char *[]){"agent", "", NULL});
}

Test(arguments, refuse_a_payload_with_NUL_and_one_that_the_kernel_would_refuse)
{
    CLEANUP(profile_release)
    struct profile *profile = profile_with("agent", NULL, NULL);
    CLEANUP(words_done)
    struct words arguments = {0};
    CLEANUP(free)
    char *text = allocate(ARGUMENT_MAX_BYTES);
    struct bytes payload = {.data = (const uint8_t *)text, .size = ARGUMENT_MAX_BYTES - 1};
    struct error error = {0};

    memset(text, 'x', ARGUMENT_MAX_BYTES);
    cr_expect_eq(launch_arguments(profile, payload, NULL, &arguments, &error), STATUS_OK);
    words_done(&arguments);
    payload.size++;
    cr_expect_eq(launch_arguments(profile, payload, NULL, &arguments, &error), STATUS_INVALID_ARGUMENT);
    payload.size = 3;
    text[1] = '\0';
    cr_expect_eq(launch_arguments(profile, payload, NULL, &arguments, &error), STATUS_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "NUL"));
}

static const char *find(const struct words *environment, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < environment->count; i++) {
        if (strncmp(environment->items[i], name, strlen(name)) != 0 || environment->items[i][strlen(name)] != '=')
            continue;
        cr_expect_null(found, "%s is there twice", name);
        found = environment->items[i] + strlen(name) + 1;
    }
    return found;
}

Test(environment, holds_what_the_profile_names_and_the_facts_and_nothing_else)
{
    CLEANUP(profile_release)
    struct profile *profile =
        profile_with("agent", NULL, "PATH TERM=dumb HOME HOME=/srv CLAUDECODE NOTIFY_SOCKET MISSING 'WITH=a b'");
    char *const inherited[] = {"PATH=/bin",    "PATHS=/other",   "HOME=/root",           "TERM=xterm",     "SECRET=1",
                               "CLAUDECODE=1", "GANGER_FENCE=9", "NOTIFY_SOCKET=/run/x", "GANGER_OTHER=1", NULL};
    CLEANUP(words_done)
    struct words environment = {0};
    struct launch_facts facts = {.task_id = "0000-01K3",
                                 .fence = 18446744073709551615U,
                                 .attempt = 2,
                                 .agent_id = "build7/claude2",
                                 .namespace = "default",
                                 .broker = "ipc:///b",
                                 .context = "ipc:///c",
                                 .workspace = "/w",
                                 .result_path = "/r"};

    launch_environment(profile, inherited, &facts, &environment);
    cr_expect_str_eq(find(&environment, "PATH"), "/bin");
    cr_expect_str_eq(find(&environment, "TERM"), "dumb");
    cr_expect_str_eq(find(&environment, "HOME"), "/srv");
    cr_expect_str_eq(find(&environment, "WITH"), "a b");
    cr_expect_str_eq(find(&environment, "GANGER_TASK_ID"), "0000-01K3");
    cr_expect_str_eq(find(&environment, "GANGER_FENCE"), "18446744073709551615");
    cr_expect_str_eq(find(&environment, "GANGER_ATTEMPT"), "2");
    cr_expect_str_eq(find(&environment, "GANGER_AGENT_ID"), "build7/claude2");
    cr_expect_str_eq(find(&environment, "GANGER_RESULT"), "/r");
    cr_expect_null(find(&environment, "GANGER_PAYLOAD"));
    cr_expect_eq(environment.count, 13);
}
