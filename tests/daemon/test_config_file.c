#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/daemon/config.h"
#include "tests/daemon/child.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct config_key keys[] = {
    {.section = "worker", .name = "broker", .kind = CONFIG_TEXT, .fallback = "ipc://default"},
    {.section = "worker", .name = "slots", .kind = CONFIG_NUMBER, .fallback = "4", .minimum = 1, .maximum = 100},
    {.section = "agent", .name = "command", .kind = CONFIG_TEXT},
    {.section = "agent", .name = "timeout", .kind = CONFIG_DURATION, .fallback = "1h", .minimum = 1000},
    {0}};

static struct child child; /* its directory alone */
static struct config *config;

static void make_config(void)
{
    child_init(&child);
    config = config_new("ganger-worker", keys);
}

static void free_config(void)
{
    config_free(config);
    child_done(&child);
}

TestSuite(config_file, .init = make_config, .fini = free_config, .timeout = 30);

static enum status read_text(const char *text, struct error *error)
{
    CLEANUP(free)
    char *path = format_text("%s/a.conf", child.directory);

    child_write_file(&child, "a.conf", text);
    return config_read_file(config, path, error);
}

static void accept(const char *text)
{
    struct error error = {0};
    cr_assert_eq(read_text(text, &error), STATUS_OK, "%s", error.message);
}

/* message is what follows the path of the file. */
static void refuse(const char *text, const char *message)
{
    CLEANUP(free)
    char *expected = format_text("%s/a.conf%s", child.directory, message);
    struct error error = {0};

    cr_assert_eq(read_text(text, &error), STATUS_INVALID_ARGUMENT, "%s", text);
    cr_assert_str_eq(error.reason, "BAD_CONFIG");
    cr_assert_str_eq(error.message, expected);
}

Test(config_file, is_read_with_its_comments_and_blanks)
{
    accept("\xEF\xBB\xBF# a comment\n"
           "; another\n"
           "\n"
           "[worker]   ; the own section\n"
           "broker : ipc://a;b  ; and a comment\r\n"
           "  slots=7\n"
           "[agent claude]\n"
           "command = claude -p  --output json");
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 7);
    cr_assert_str_eq(config_text(config, "worker", NULL, "broker"), "ipc://a;b");
    cr_assert_str_eq(config_text(config, "agent", "claude", "command"), "claude -p  --output json");
    cr_assert_str_eq(config_section_name(config, "agent", 0), "claude");
}

Test(config_file, names_the_line_that_a_value_came_from)
{
    CLEANUP(free)
    char *origin = format_text("%s/a.conf:3", child.directory);

    accept("[worker]\n\nslots = 7\n");
    cr_assert_str_eq(config_origin(config, "worker", NULL, "slots"), origin);
}

Test(config_file, a_section_without_keys_counts)
{
    accept("[agent one]\n[agent two]\n[worker]\n");
    cr_assert_str_eq(config_section_name(config, "agent", 0), "one");
    cr_assert_str_eq(config_section_name(config, "agent", 1), "two");
}

Test(config_file, a_section_can_be_continued)
{
    accept("[agent one]\ncommand = a\n[worker]\nslots = 2\n[agent one]\ntimeout = 5s\n");
    cr_assert_str_eq(config_text(config, "agent", "one", "command"), "a");
    cr_assert_eq(config_number(config, "agent", "one", "timeout"), 5000);
    cr_assert_null(config_section_name(config, "agent", 1));
}

Test(config_file, is_refused_by_line)
{
    refuse("[worker]\nslotz = 7\n", ":2: unknown key \"slotz\", did you mean \"slots\"?");
    refuse("[worker]\n\n\nslots = 0\n", ":4: slots: is 0, must be 1 to 100");
    refuse("[worker]\nslots =\n", ":2: slots: is \"\", must be a number of 1 to 18 digits");
    refuse("[brokre]\nslots = 7\n", ":1: unknown section \"brokre\"");
    refuse("[brokre]\n", ":1: unknown section \"brokre\"");
    refuse("[worker one]\n", ":1: section [worker] takes no name");
    refuse("[agent]\n", ":1: section [agent] needs a name: [agent NAME]");
    refuse("[]\n", ":1: a section's name has 1 to 49 letters");
    refuse("slots = 7\n", ":1: a key before the first [section]");
    refuse("[worker]\nslots\n", ":2: neither [section] nor key = value");
    refuse("[worker\nslots = 7\n", ":1: a section without its ]");
    refuse("[worker] slots = 7\n", ":1: something behind the section's ]");
    refuse("[worker]\nslots = 7\nslots = 8\n", ":3: slots is set on line 2 already");
    refuse("[worker]\n= 7\n", ":2: unknown key \"\"");
    refuse("[worker]\nbroker = a\tb\n", ":2: broker: is \"...\", must be a text of UTF-8 without control characters");
}

Test(config_file, a_comment_within_quotes_is_refused_and_others_are_not)
{
    accept("[agent a]\ncommand = sh -c \"a; b;c\" \"x\" ; comment \"quoted ; twice\"\n# \"a ; b\"\n ; \"a ; b\"\n");
    cr_assert_str_eq(config_text(config, "agent", "a", "command"), "sh -c \"a; b;c\" \"x\"");
    refuse("[agent a]\ncommand = sh -c \"a ; b\"\n", ":2: a ; behind a space begins a comment, also within quotes");
    refuse("[agent a]\ncommand = sh -c \"a\t; b\"\n", ":2: a ; behind a space begins a comment, also within quotes");
}

Test(config_file, names_the_first_wrong_line)
{
    refuse("[worker]\nnonsense\nslotz = 7\n", ":2: neither [section] nor key = value");
    refuse("[worker]\nslotz = 7\nnonsense\n", ":2: unknown key \"slotz\", did you mean \"slots\"?");
    refuse("[worker]\nslotz = 7\n[nowhere]\n", ":2: unknown key \"slotz\", did you mean \"slots\"?");
}

Test(config_file, that_is_no_text_is_refused)
{
    CLEANUP(free)
    char *path = format_text("%s/a.conf", child.directory);
    struct error error = {0};
    FILE *file = fopen(path, "w");

    refuse("[worker]\nbroker = \xFF\n", ": not a text in UTF-8");
    cr_assert(file != NULL && fwrite("[worker]\n\0slots = 7\n", 1, 20, file) == 20 && fclose(file) == 0);
    cr_assert_eq(config_read_file(config, path, &error), STATUS_INVALID_ARGUMENT);
}

static char *text_with_value(size_t size)
{
    static const char begin[] = "[worker]\nbroker = ";
    char *text = allocate(sizeof begin + size + 1);

    memcpy(text, begin, sizeof begin - 1);
    memset(text + sizeof begin - 1, 'x', size);
    memcpy(text + sizeof begin - 1 + size, "\n", 2);
    return text;
}

Test(config_file, takes_lines_up_to_16_kibibytes)
{
    size_t most = 16 * 1024 - 1 - strlen("broker = \n");
    CLEANUP(free)
    char *fits = text_with_value(most);
    CLEANUP(free)
    char *does_not = text_with_value(most + 1);

    accept(fits);
    cr_assert_eq(strlen(config_text(config, "worker", NULL, "broker")), most);
    refuse(does_not, ":2: a line that is too long");
}

Test(config_file, takes_section_names_up_to_49_letters)
{
    accept("[agent 0123456789012345678901234567890123456789012]\n");
    refuse("[agent 01234567890123456789012345678901234567890123]\n", ":1: a section's name has 1 to 49 letters");
}

Test(config_file, takes_files_up_to_a_mebibyte)
{
    static char text[1048576 + 2];

    memset(text, '\n', sizeof text - 2);
    accept(text);
    text[sizeof text - 2] = '\n';
    refuse(text, ": larger than 1048576 bytes");
}

Test(config_file, that_is_missing_is_told_apart)
{
    CLEANUP(free)
    char *path = format_text("%s/absent", child.directory);
    struct error error = {0};

    cr_assert_eq(config_read_file(config, path, &error), STATUS_NOT_FOUND);
    cr_assert_str_eq(error.reason, "NO_CONFIG");
    cr_assert_eq(config_read_directory(config, path, &error), STATUS_NOT_FOUND);
    cr_assert_str_eq(error.reason, "NO_CONFIG");
}

Test(config_file, that_is_no_file_is_refused)
{
    CLEANUP(free)
    char *socket = format_text("%s/notify", child.directory);
    CLEANUP(free)
    char *pipe = format_text("%s/pipe", child.directory);
    struct error error = {0};

    cr_assert_eq(mkfifo(pipe, 0600), 0);
    cr_assert_eq(config_read_file(config, child.directory, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(config_read_file(config, socket, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_eq(config_read_file(config, pipe, &error), STATUS_INVALID_ARGUMENT, "and does not wait for a writer");
}

Test(config_file, a_directory_is_read_in_the_order_of_names)
{
    struct error error = {0};

    child_write_file(&child, "20-b.conf", "[worker]\nslots = 20\n");
    child_write_file(&child, "10-a.conf", "[worker]\nslots = 10\nbroker = ipc://ten\n");
    /* These are none, or they would be refused. */
    child_write_file(&child, "30-c.conf.bak", "nonsense\n");
    child_write_file(&child, ".40-d.conf", "nonsense\n");
    child_write_file(&child, ".conf", "nonsense\n");
    cr_assert_eq(config_read_directory(config, child.directory, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(config_number(config, "worker", NULL, "slots"), 20);
    cr_assert_str_eq(config_text(config, "worker", NULL, "broker"), "ipc://ten");
}

Test(config_file, a_wrong_file_in_a_directory_is_named)
{
    struct error error = {0};

    child_write_file(&child, "20-b.conf", "[worker]\nslots = 20\n");
    child_write_file(&child, "10-a.conf", "[worker]\nslots = none\n");
    cr_assert_eq(config_read_directory(config, child.directory, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "/10-a.conf:2: slots: ") != NULL, "%s", error.message);
    cr_assert_not(config_is_set(config, "worker", NULL, "slots"), "nothing behind it was read");
}

/* Whatever is in a file, it is taken or refused by its name; the sanitizers see to the rest. */
Test(config_file, any_bytes_are_taken_or_refused)
{
    static const char whole[] =
        "[worker]\nslots = 7 ; more\nbroker = ipc://x\n[agent one]\ntimeout = 5s\ncommand = \"a\"\n";
    static const char letters[] = "[]=;: \t\n\r\"#a7\xC3\xBC";
    const char *wanted = getenv("GANGER_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : clock_boot_us();
    struct random random = {.state = seed};
    struct error error = {0};
    char text[sizeof whole];

    (void)fprintf(stderr, "GANGER_SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 2000; i++) {
        memcpy(text, whole, sizeof whole);
        for (uint64_t change = random_below(&random, 8) + 1; change > 0; change--)
            text[random_below(&random, sizeof whole - 1)] = letters[random_below(&random, sizeof letters - 1)];
        config_free(config);
        config = config_new("ganger-worker", keys);
        enum status status = read_text(text, &error);
        cr_assert(status == STATUS_OK || status == STATUS_INVALID_ARGUMENT);
        cr_assert(status == STATUS_OK || strncmp(error.message, child.directory, strlen(child.directory)) == 0, "%s",
                  error.message);
    }
}
