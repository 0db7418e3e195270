#include "cli/input.h"

#include "common/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES 65536

enum exit_status input_open(const char *path, int *ret_fd)
{
    int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return problem(EXIT_USAGE, strerror(errno), NULL, "cannot read %.200s", path);
    *ret_fd = fd;
    return EXIT_DONE;
}

/* Adds what can be read now: 0 at the end, -1 with errno. */
static ssize_t read_piece(int fd, struct buffer *buffer)
{
    ssize_t size = 0;

    do
        size = read(fd, buffer_reserve(buffer, PIECE_BYTES), PIECE_BYTES);
    while (size < 0 && errno == EINTR);
    if (size > 0)
        buffer->size += (size_t)size;
    return size;
}

enum exit_status input_read(const char *path, const char *thing, size_t most_bytes, struct buffer *content)
{
    CLEANUP(fd_close)
    int fd = -1;
    ssize_t size = 0;

    TRY_DONE(input_open(path, &fd));
    do
        size = read_piece(fd, content);
    while (size > 0 && content->size <= most_bytes);
    if (size < 0)
        return problem(EXIT_USAGE, strerror(errno), NULL, "cannot read %.200s", path);
    if (content->size <= most_bytes)
        return EXIT_DONE;

    CLEANUP(free)
    char *why = format_text("%s has at most %zu bytes", thing, most_bytes);
    return problem(EXIT_USAGE, why, "put what is larger where the agent can read it, and pass its address",
                   "%.200s is too large", path);
}

void line_reader_done(struct line_reader *reader)
{
    fd_close(reader->fd);
    buffer_done(&reader->buffer);
    *reader = (struct line_reader){.fd = -1};
}

static bool can_be_read(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) > 0;
}

/* Gives out the line of size bytes behind what was taken, without the return that may come before its newline. */
static enum line_event give_line(struct line_reader *reader, size_t size, size_t most_bytes, struct bytes *ret_line)
{
    const uint8_t *line = reader->buffer.data + reader->taken;
    bool has_newline = reader->taken + size < reader->buffer.size;

    reader->number++;
    reader->taken += size + (has_newline ? 1 : 0);
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size > most_bytes)
        return LINE_TOO_LONG;
    *ret_line = (struct bytes){line, size};
    return LINE_READY;
}

enum line_event line_reader_next(struct line_reader *reader, size_t most_bytes, int wait_ms, struct bytes *ret_line)
{
    struct buffer *buffer = &reader->buffer;

    for (;;) {
        size_t rest = buffer->size - reader->taken;
        const uint8_t *newline = rest > 0 ? memchr(buffer->data + reader->taken, '\n', rest) : NULL;
        if (newline != NULL)
            return give_line(reader, (size_t)(newline - buffer->data) - reader->taken, most_bytes, ret_line);
        /* One more byte may be the return before a newline that has not come yet. */
        if (rest > most_bytes + 1)
            return give_line(reader, rest, most_bytes, ret_line);
        if (reader->ended)
            return rest > 0 ? give_line(reader, rest, most_bytes, ret_line) : LINE_END;

        if (rest > 0)
            memmove(buffer->data, buffer->data + reader->taken, rest);
        buffer->size = rest;
        reader->taken = 0;
        if (!can_be_read(reader->fd, wait_ms))
            return LINE_LATER;
        ssize_t got = read_piece(reader->fd, buffer);
        if (got < 0)
            return LINE_FAILED;
        reader->ended = got == 0;
    }
}
