#include "cli/progress.h"

#include "cli/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void setup(void)
{
    (void)text_init();
}

TestSuite(progress, .init = setup);

static void expect_line(const struct progress *progress, unsigned width, bool unicode, const char *expected)
{
    const struct terminal terminal = {.interactive = true, .unicode = unicode, .width = width};
    char *line = progress_line(progress, &terminal);

    cr_expect_str_eq(line, expected);
    free(line);
}

Test(progress, a_line_says_what_has_ended_and_what_is_under_way)
{
    const struct progress progress = {
        .label = "review",
        .total = 190,
        .completed = 151,
        .failed = 1,
        .running = 3,
        .retrying = 2,
        .elapsed_ms = 160000,
    };

    expect_line(&progress, 120, true,
                "review  ████████████████████░░░░░░  152/190   3 running   2 retrying   1 failed   eta 40s");
}

Test(progress, at_the_begin_there_is_no_guess_and_at_the_end_none_is_needed)
{
    struct progress progress = {.label = "tasks", .total = 4, .elapsed_ms = 5000};

    expect_line(&progress, 80, false, "tasks  ..........................  0/4");
    progress.completed = 4;
    expect_line(&progress, 80, false, "tasks  ##########################  4/4");
}

Test(progress, canceled_and_missing_tasks_count_as_ended)
{
    const struct progress progress = {.label = "tasks", .total = 4, .canceled = 1, .missing = 1};

    expect_line(&progress, 80, false, "tasks  #############.............  2/4   1 canceled   1 missing");
}

Test(progress, a_broker_that_is_away_is_said_instead_of_the_guess)
{
    const struct progress progress = {.label = "tasks", .total = 2, .completed = 1, .elapsed_ms = 9000, .away = true};

    expect_line(&progress, 100, false, "tasks  #############.............  1/2   the broker does not answer, waiting");
}

Test(progress, a_narrow_terminal_gets_a_shorter_bar_and_then_none)
{
    const struct progress progress = {.label = "review", .total = 10, .completed = 5};

    expect_line(&progress, 30, false, "review  #######........  5/10");
    expect_line(&progress, 22, false, "review  5/10");
    expect_line(&progress, 10, false, "review  5");
}

Test(progress, a_line_always_leaves_the_last_column_free)
{
    const struct progress progress = {
        .label = "a label that is long", .total = 1000, .completed = 5, .running = 900, .retrying = 20, .failed = 3};

    for (unsigned width = 20; width < 200; width++) {
        const struct terminal terminal = {.interactive = true, .unicode = true, .width = width};
        char *line = progress_line(&progress, &terminal);
        cr_expect_lt(text_width(line), width);
        free(line);
    }
}

Test(progress, no_task_at_all_is_no_division_by_zero)
{
    const struct progress progress = {.label = "tasks"};

    expect_line(&progress, 80, false, "tasks  ..........................  0/0");
}

Test(progress, control_characters_in_the_label_are_made_visible)
{
    const struct progress progress = {.label = "\033[2J", .total = 1};

    expect_line(&progress, 0, false, "\\x1b[2J  ..........................  0/1");
}

/* What a display writes, into memory. */
struct screen {
    struct terminal terminal;
    struct progress_display display;
    char *text;
    size_t size;
};

static void screen_init(struct screen *screen, bool interactive)
{
    *screen = (struct screen){.terminal = {.interactive = interactive}};
    screen->terminal.stream = open_memstream(&screen->text, &screen->size);
    screen->display.terminal = &screen->terminal;
}

static char *screen_text(struct screen *screen)
{
    (void)fflush(screen->terminal.stream);
    return screen->text;
}

static void screen_done(struct screen *screen)
{
    progress_display_done(&screen->display);
    (void)fclose(screen->terminal.stream);
    free(screen->text);
}

Test(progress, off_a_terminal_a_line_comes_every_ten_seconds_and_only_when_something_changed)
{
    struct screen screen;
    struct progress progress = {.label = "tasks", .total = 3};

    screen_init(&screen, false);
    progress_show(&screen.display, &progress, 1000);
    progress.completed = 1;
    progress_show(&screen.display, &progress, 10999);
    progress_show(&screen.display, &progress, 11000);
    progress_show(&screen.display, &progress, 30000);
    progress.completed = 3;
    progress_finish(&screen.display, &progress);
    cr_expect_str_eq(screen_text(&screen), "tasks  0/3\ntasks  1/3\ntasks  3/3\n");
    screen_done(&screen);
}

Test(progress, on_a_terminal_the_line_is_redrawn_in_place_and_the_last_one_stays)
{
    struct screen screen;
    struct progress progress = {.label = "t", .total = 1};

    screen_init(&screen, true);
    progress_show(&screen.display, &progress, 1000);
    progress_show(&screen.display, &progress, 1099);
    progress.completed = 1;
    progress_finish(&screen.display, &progress);
    cr_expect_str_eq(screen_text(&screen), "\r\033[Kt  ..........................  0/1"
                                           "\r\033[Kt  ##########################  1/1\n");
    screen_done(&screen);
}

Test(progress, a_wiped_line_is_drawn_again_at_once)
{
    struct screen screen;
    const struct progress progress = {.label = "t", .total = 1};

    screen_init(&screen, true);
    progress_show(&screen.display, &progress, 1000);
    progress_wipe(&screen.display);
    progress_wipe(&screen.display);
    progress_show(&screen.display, &progress, 1001);
    cr_expect_str_eq(screen_text(&screen), "\r\033[Kt  ..........................  0/1"
                                           "\r\033[K"
                                           "\r\033[Kt  ..........................  0/1");
    screen_done(&screen);
}

Test(progress, a_quiet_display_says_nothing)
{
    struct screen screen;
    const struct progress progress = {.label = "t", .total = 1};

    screen_init(&screen, true);
    screen.display.silent = true;
    progress_show(&screen.display, &progress, 1000);
    progress_wipe(&screen.display);
    progress_finish(&screen.display, &progress);
    cr_expect_eq((size_t)ftell(screen.terminal.stream), 0);
    screen_done(&screen);
}
