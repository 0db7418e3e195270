#include "common/daemon/config.h"

#include "common/base/check.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static const struct config_key keys[] = {
    {.section = "worker", .name = "broker", .kind = CONFIG_TEXT, .fallback = "ipc:///run/broker.sock", .help = "Where"},
    {.section = "worker", .name = "slots", .kind = CONFIG_NUMBER, .fallback = "4", .minimum = 1, .maximum = 100},
    {.section = "worker", .name = "grace", .kind = CONFIG_DURATION, .fallback = "5s", .maximum = 60000},
    {.section = "worker", .name = "spool", .kind = CONFIG_SIZE, .fallback = "64M"},
    {.section = "worker", .name = "dry_run", .kind = CONFIG_BOOLEAN, .fallback = "no"},
    {.section = "worker", .name = "group", .kind = CONFIG_TEXT},
    {.section = "agent", .name = "command", .kind = CONFIG_TEXT},
    {.section = "agent", .name = "timeout", .kind = CONFIG_DURATION, .fallback = "1h", .minimum = 1000},
    {0}};

static struct config *config;

static void make_config(void)
{
    config = config_new("ganger-worker", keys);
}

static void free_config(void)
{
    cr_assert_null(config_free(config));
}

TestSuite(config, .init = make_config, .fini = free_config);

static void set(const char *assignment)
{
    struct error error = {0};
    cr_assert_eq(config_set(config, assignment, "option", &error), STATUS_OK, "%s", error.message);
}

static void refuse(const char *assignment, const char *message)
{
    struct error error = {0};

    cr_assert_eq(config_set(config, assignment, "option", &error), STATUS_INVALID_ARGUMENT, "%s", assignment);
    cr_assert_str_eq(error.reason, "BAD_CONFIG");
    cr_assert_str_eq(error.message, message);
}

Test(config, begins_with_the_defaults)
{
    cr_assert_str_eq(config_text(config, "worker", NULL, "broker"), "ipc:///run/broker.sock");
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 4);
    cr_assert_eq(config_number(config, "worker", NULL, "grace"), 5000);
    cr_assert_eq(config_number(config, "worker", NULL, "spool"), 64 << 20);
    cr_assert_eq(config_number(config, "worker", NULL, "dry_run"), 0);
    cr_assert_str_eq(config_origin(config, "worker", NULL, "slots"), "default");
    cr_assert_not(config_is_set(config, "worker", NULL, "slots"));
}

Test(config, a_text_without_default_is_null)
{
    cr_assert_null(config_text(config, "worker", NULL, "group"));
    cr_assert_eq(config_number(config, "agent", "claude", "timeout"), 3600000);
    cr_assert_null(config_text(config, "agent", "claude", "command"));
}

Test(config, keeps_what_is_set_and_where_it_came_from)
{
    set("worker.slots=7");
    set("worker.group=");
    set("worker.broker=ipc://a=b.c");
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 7);
    cr_assert_str_eq(config_text(config, "worker", NULL, "slots"), "7");
    cr_assert_str_eq(config_text(config, "worker", NULL, "group"), "");
    cr_assert_str_eq(config_text(config, "worker", NULL, "broker"), "ipc://a=b.c");
    cr_assert_str_eq(config_origin(config, "worker", NULL, "slots"), "option");
    cr_assert(config_is_set(config, "worker", NULL, "slots"));
    set("worker.slots=8");
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 8, "the last one counts");
}

Test(config, a_refused_value_leaves_the_old_one)
{
    set("worker.slots=7");
    refuse("worker.slots=101", "option: slots: is 101, must be 1 to 100");
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 7);
}

Test(config, named_sections_keep_their_order_and_are_apart)
{
    set("agent.b.command=second");
    set("agent.a.command=first");
    set("agent.b.timeout=2s");
    set("agent.x.y-z_1.command=third");
    cr_assert_str_eq(config_section_name(config, "agent", 0), "b");
    cr_assert_str_eq(config_section_name(config, "agent", 1), "a");
    cr_assert_str_eq(config_section_name(config, "agent", 2), "x.y-z_1");
    cr_assert_null(config_section_name(config, "agent", 3));
    cr_assert_null(config_section_name(config, "worker", 0));
    cr_assert_str_eq(config_text(config, "agent", "a", "command"), "first");
    cr_assert_str_eq(config_text(config, "agent", "b", "command"), "second");
    cr_assert_eq(config_number(config, "agent", "b", "timeout"), 2000);
    cr_assert_eq(config_number(config, "agent", "a", "timeout"), 3600000);
}

Test(config, unknown_keys_and_sections_are_refused_with_the_nearest)
{
    refuse("worker.slotz=7", "option: unknown key \"slotz\", did you mean \"slots\"?");
    refuse("worker.command=x", "option: unknown key \"command\"");
    refuse("wroker.slots=7", "option: unknown section \"wroker\", did you mean \"worker\"?");
    refuse("broker.slots=7", "option: unknown section \"broker\"");
    refuse("agent.a.comand=x", "option: unknown key \"comand\", did you mean \"command\"?");
}

Test(config, what_is_no_assignment_is_refused)
{
    refuse("", "option: \"\" must be SECTION.KEY=VALUE");
    refuse("slots", "option: \"slots\" must be SECTION.KEY=VALUE");
    refuse("slots=7", "option: \"slots=7\" must be SECTION.KEY=VALUE");
    refuse("slots=7.5", "option: \"slots=7.5\" must be SECTION.KEY=VALUE");
    refuse(".=", "option: unknown section \"\"");
    refuse("worker.=7", "option: unknown key \"\"");
}

Test(config, sections_have_a_name_only_where_people_name_them)
{
    refuse("worker.one.slots=7", "option: section [worker] takes no name");
    refuse("agent.command=x", "option: section [agent] needs a name: [agent NAME]");
    refuse("agent..command=x",
           "option: section [agent] has a name of more than letters, digits, dots, dashes and underscores");
    refuse("agent.a b.command=x",
           "option: section [agent] has a name of more than letters, digits, dots, dashes and underscores");
}

Test(config, takes_a_thousand_named_sections_and_no_more)
{
    for (int i = 0; i < 1000; i++) {
        CLEANUP(free)
        char *assignment = format_text("agent.a%d.command=x", i);
        set(assignment);
    }
    refuse("agent.b.command=x", "option: more than 1000 sections");
    set("agent.a999.command=y");
}

Test(config, the_environment_sets_the_own_section)
{
    char *environment[] = {(char[]){"PATH=/bin"},
                           (char[]){"GANGER_WORKER_SLOTS=9"},
                           (char[]){"GANGER_WORKER_DRY_RUN=yes"},
                           (char[]){"GANGER_AGENT_COMMAND=x"},
                           (char[]){"GANGER_WORKER"},
                           NULL};
    struct error error = {0};

    set("worker.slots=7");
    cr_assert_eq(config_read_environment(config, environment, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 9);
    cr_assert_eq(config_number(config, "worker", NULL, "dry_run"), 1);
    cr_assert_str_eq(config_origin(config, "worker", NULL, "slots"), "environment");
    cr_assert_null(config_section_name(config, "agent", 0), "named sections cannot be set so");
}

Test(config, the_environment_is_refused_by_its_name)
{
    char *unknown[] = {(char[]){"GANGER_WORKER_SLOT=9"}, NULL};
    char *wrong[] = {(char[]){"GANGER_WORKER_SLOTS=many"}, NULL};
    struct error error = {0};

    cr_assert_eq(config_read_environment(config, unknown, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "GANGER_WORKER_SLOT: unknown key \"slot\", did you mean \"slots\"?");
    cr_assert_eq(config_read_environment(config, wrong, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message, "GANGER_WORKER_SLOTS: slots: is \"many\", must be a number of 1 to 18 digits");
    cr_assert_eq(config_read_environment(config, wrong, NULL), STATUS_INVALID_ARGUMENT, "nobody has to look");
}

Test(config, is_printed_as_a_file_that_says_where_all_comes_from)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    set("worker.slots=7");
    set("agent.claude.command=claude -p");
    config_print(config, stream);
    cr_assert_eq(fclose(stream), 0);
    cr_assert_str_eq(text, "[worker]\n"
                           "broker = ipc:///run/broker.sock ; default\n"
                           "slots = 7 ; option\n"
                           "grace = 5s ; default\n"
                           "spool = 64M ; default\n"
                           "dry_run = no ; default\n"
                           "; group is not set\n"
                           "\n"
                           "[agent claude]\n"
                           "command = claude -p ; option\n"
                           "timeout = 1h ; default\n");
    free(text);
}

Test(config, asking_for_a_key_that_no_table_knows_is_a_bug, .signal = SIGABRT)
{
    (void)config_text(config, "worker", NULL, "absent");
}

Test(config, a_wrong_default_is_a_bug, .signal = SIGABRT)
{
    static const struct config_key wrong[] = {
        {.section = "worker", .name = "slots", .kind = CONFIG_NUMBER, .fallback = "0", .minimum = 1}, {0}};
    (void)config_free(config_new("ganger-worker", wrong));
}
