#include "common/base/log.h"

#include "common/base/bytes.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define FIELDS_MAX 24

static const char *program_name = "ganger";
static enum log_priority most_wanted = LOG_PRIORITY_INFO;
static bool to_journal;

/* systemd says with JOURNAL_STREAM which file stderr is when it is the journal. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char *end = NULL;
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    unsigned long long device = strtoull(stream, &end, 10);
    return *end == ':' && status.st_dev == device && status.st_ino == strtoull(end + 1, NULL, 10);
}

void log_open(const char *program, enum log_priority most)
{
    program_name = program;
    most_wanted = most;
    to_journal = stderr_is_journal();
}

static void number_format(char *text, size_t size, int64_t number)
{
    (void)snprintf(text, size, "%" PRId64, number);
}

static void add_text(struct buffer *line, const char *text)
{
    buffer_add(line, text, strlen(text));
}

/* One value on a line of text: quoted when it has anything in it that would end it early. */
static void add_value(struct buffer *line, const char *text)
{
    static const char hex[] = "0123456789abcdef";

    if (text[0] != '\0' && strpbrk(text, " \"=\\\n\r\t") == NULL) {
        add_text(line, text);
        return;
    }
    add_text(line, "\"");
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '\n') {
            add_text(line, "\\n");
        } else if (byte < ' ' || byte == 0x7F) {
            char escape[] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
            buffer_add(line, escape, sizeof escape);
        } else {
            if (byte == '"' || byte == '\\')
                add_text(line, "\\");
            buffer_add_u8(line, byte);
        }
    }
    add_text(line, "\"");
}

static void write_line(enum log_priority priority, const char *message, const struct log_field *fields)
{
    CLEANUP(buffer_done)
    struct buffer line = {0};
    char number[24];

    (void)snprintf(number, sizeof number, "<%d>", (int)priority);
    add_text(&line, number);
    add_text(&line, program_name);
    add_text(&line, ": ");
    add_text(&line, message);
    for (const struct log_field *field = fields; field->name != NULL; field++) {
        number_format(number, sizeof number, field->number);
        add_text(&line, " ");
        add_text(&line, field->name);
        add_text(&line, "=");
        add_value(&line, field->text != NULL ? field->text : number);
    }
    buffer_add_u8(&line, '\n');
    /* One write, so that lines of several processes on one file stay whole. There is nowhere to report a failure. */
    ssize_t written = write(STDERR_FILENO, line.data, line.size);
    (void)written;
}

static void add_journal_field(struct buffer *field, const char *name, const char *value)
{
    add_text(field, "GANGER_");
    for (; *name != '\0'; name++)
        buffer_add_u8(field, (uint8_t)toupper((unsigned char)*name));
    add_text(field, "=");
    add_text(field, value);
}

static void write_journal(enum log_priority priority, const char *message, const struct log_field *fields)
{
    struct buffer parts[FIELDS_MAX + 3] = {0};
    struct iovec vectors[FIELDS_MAX + 3];
    int count = 3;
    char number[24];

    add_text(&parts[0], "MESSAGE=");
    add_text(&parts[0], message);
    add_text(&parts[1], "PRIORITY=");
    buffer_add_u8(&parts[1], (uint8_t)('0' + (int)priority));
    add_text(&parts[2], "SYSLOG_IDENTIFIER=");
    add_text(&parts[2], program_name);
    for (const struct log_field *field = fields; field->name != NULL && count < FIELDS_MAX + 3; field++, count++) {
        number_format(number, sizeof number, field->number);
        const char *value = field->text != NULL ? field->text : number;
        add_journal_field(&parts[count], field->name, value);
        /* journalctl shows the message alone: the values belong into it too. */
        add_text(&parts[0], " ");
        add_text(&parts[0], field->name);
        add_text(&parts[0], "=");
        add_value(&parts[0], value);
    }
    for (int i = 0; i < count; i++)
        vectors[i] = (struct iovec){.iov_base = parts[i].data, .iov_len = parts[i].size};
    (void)sd_journal_sendv(vectors, count);
    for (int i = 0; i < count; i++)
        buffer_done(&parts[i]);
}

void log_write(enum log_priority priority, const char *message, const struct log_field *fields)
{
    if (priority > most_wanted)
        return;
    if (to_journal)
        write_journal(priority, message, fields);
    else
        write_line(priority, message, fields);
}
