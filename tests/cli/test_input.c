#include "cli/input.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A reader over what was written into a pipe; its end stays open where the writer is not done. */
static struct line_reader reader_over_text(const char *text, int *ret_writer)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    if (ret_writer != NULL)
        *ret_writer = ends[1];
    else
        (void)close(ends[1]);
    return (struct line_reader){.fd = ends[0]};
}

static void expect_line(struct line_reader *reader, const char *expected)
{
    struct bytes line = {0};

    cr_assert_eq(line_reader_next(reader, 100, 1000, &line), LINE_READY);
    cr_expect(bytes_equal(line, bytes_of_text(expected)), "%.*s", (int)line.size, (const char *)line.data);
}

static void expect_event(struct line_reader *reader, enum line_event expected)
{
    struct bytes line = {0};

    cr_expect_eq(line_reader_next(reader, 100, 10, &line), expected);
}

Test(input, lines_come_one_by_one_and_the_last_needs_no_newline)
{
    struct line_reader reader = reader_over_text("one\n\ntwo\r\nthree", NULL);

    expect_line(&reader, "one");
    expect_line(&reader, "");
    expect_line(&reader, "two");
    expect_line(&reader, "three");
    expect_event(&reader, LINE_END);
    expect_event(&reader, LINE_END);
    cr_expect_eq(reader.number, 4);
    line_reader_done(&reader);
}

Test(input, a_line_that_is_not_finished_is_waited_for)
{
    int writer = -1;
    struct line_reader reader = reader_over_text("one\ntw", &writer);

    expect_line(&reader, "one");
    expect_event(&reader, LINE_LATER);
    cr_assert_eq(write(writer, "o\n", 2), 2);
    expect_line(&reader, "two");
    expect_event(&reader, LINE_LATER);
    (void)close(writer);
    expect_event(&reader, LINE_END);
    line_reader_done(&reader);
}

Test(input, a_line_may_be_as_long_as_the_limit_and_no_longer)
{
    char text[210];

    memset(text, 'x', 201);
    text[100] = '\n';
    text[202] = '\0';
    text[201] = 'x';
    struct line_reader reader = reader_over_text(text, NULL);
    struct bytes line = {0};
    cr_expect_eq(line_reader_next(&reader, 100, 1000, &line), LINE_READY);
    cr_expect_eq(line.size, 100);
    expect_event(&reader, LINE_TOO_LONG);
    cr_expect_eq(reader.number, 2, "the line that is too long is the one that is named");
    line_reader_done(&reader);
}

Test(input, a_directory_cannot_be_read)
{
    struct line_reader reader = {.fd = open("/", O_RDONLY | O_CLOEXEC)};

    expect_event(&reader, LINE_FAILED);
    line_reader_done(&reader);
}

static char *write_file(size_t size)
{
    char *path = strdup("/tmp/ganger-input-XXXXXX");
    int fd = mkstemp(path);
    char *content = calloc(1, size + 1);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content, size), (ssize_t)size);
    (void)close(fd);
    free(content);
    return path;
}

static void expect_read(size_t size, enum exit_status expected)
{
    char *path = write_file(size);
    struct buffer content = {0};

    cr_expect_eq(input_read(path, "a payload", 65536, &content), expected);
    if (expected == EXIT_DONE)
        cr_expect_eq(content.size, size);
    buffer_done(&content);
    (void)unlink(path);
    free(path);
}

Test(input, a_file_may_be_as_large_as_the_limit_and_no_larger, .init = cr_redirect_stderr)
{
    expect_read(0, EXIT_DONE);
    expect_read(65536, EXIT_DONE);
    expect_read(65537, EXIT_USAGE);
    expect_read(300000, EXIT_USAGE);
}

Test(input, a_file_that_is_not_there_is_a_wrong_argument, .init = cr_redirect_stderr)
{
    struct buffer content = {0};

    cr_expect_eq(input_read("/nonexistent/file", "a payload", 10, &content), EXIT_USAGE);
    buffer_done(&content);
}
