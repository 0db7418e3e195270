/* What is read from files and stdin: all of it, or line by line as it comes. */
#pragma once

#include "cli/problem.h"
#include "common/base/bytes.h"

/* Everything in the file, "-" meaning stdin, into content. More than most_bytes is EXIT_USAGE, naming the limit of
 * thing ("a payload"). */
enum exit_status input_read(const char *path, const char *thing, size_t most_bytes, struct buffer *content);
/* Opens for reading, "-" meaning stdin; the descriptor is the caller's. */
enum exit_status input_open(const char *path, int *ret_fd);

struct line_reader {
    int fd;
    struct buffer buffer;
    size_t taken; /* of the buffer, by lines that were given out */
    bool ended;
    uint64_t number; /* of the last line, from 1 */
};

enum line_event { LINE_READY, LINE_LATER, LINE_END, LINE_TOO_LONG, LINE_FAILED };

void line_reader_done(struct line_reader *reader);
DEFINE_CLEANUP_EMBEDDED(struct line_reader, line_reader_done)
/* The next line without its end, borrowed until the next call. LINE_LATER when none has come within wait_ms (-1 = for
 * ever). LINE_FAILED leaves errno. */
enum line_event line_reader_next(struct line_reader *reader, size_t most_bytes, int wait_ms, struct bytes *ret_line);
