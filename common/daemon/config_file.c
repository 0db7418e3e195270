/* Reading the files, by libinih. It calls back for key = value only and without a line, so the reader that feeds it
 * line by line counts them and looks at the section headers itself. */
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/daemon/config.h"
#include "common/daemon/config_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX ((size_t)1024 * 1024)
#define LINE_SIZE_MAX (16 * 1024)
/* libinih keeps a section's name in 50 bytes and cuts off the rest in silence. */
#define SECTION_LENGTH_MAX 49

struct file {
    struct config *config;
    const char *path;
    struct bytes rest; /* of its text */
    int line;
    char section[SECTION_LENGTH_MAX + 1]; /* its first word, and behind a NUL its second */
    char *section_name;                   /* NULL when there is no second word */
    struct buffer seen;                   /* the keys of this file so far: place, key and line, to find doubles */
    enum status status;
    struct error *error;
};

static enum status fail_at(struct file *file, enum status status)
{
    CLEANUP(free)
    char *where = format_text("%s:%d", file->path, file->line);

    file->status = status;
    return config_locate(file->error, where);
}

static enum status refuse(struct file *file, const char *what)
{
    return fail_at(file, error_set(file->error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s", what));
}

/* "[agent claude]": remembers its words. */
static enum status read_header(struct file *file, const char *line)
{
    const char *end = strchr(line, ']');

    if (end == NULL)
        return refuse(file, "a section without its ]");
    size_t length = (size_t)(end - line - 1);
    const char *behind = end + 1 + strspn(end + 1, " \t");
    if (*behind != '\0' && *behind != ';' && *behind != '#')
        return refuse(file, "something behind the section's ]");
    if (length == 0 || length > SECTION_LENGTH_MAX)
        return refuse(file, "a section's name has 1 to 49 letters");
    memcpy(file->section, line + 1, length);
    file->section[length] = '\0';
    file->section_name = strchr(file->section, ' ');
    if (file->section_name != NULL)
        *file->section_name++ = '\0';
    struct config_place place = {.section = file->section, .name = file->section_name};
    enum status status = config_enter(file->config, place, file->error);
    return status == STATUS_OK ? STATUS_OK : fail_at(file, status);
}

/* libinih knows no quotes: in `command = sh -c "a ; b"` the comment would begin behind the a, in silence. */
static bool comment_is_quoted(const char *line)
{
    bool quoted = false;

    if (*line == ';' || *line == '#')
        return false;
    for (const char *at = line; *at != '\0'; at++) {
        if (*at == '"')
            quoted = !quoted;
        if (*at == ';' && at > line && (at[-1] == ' ' || at[-1] == '\t'))
            return quoted;
    }
    return false;
}

/* For libinih: the next line into text, NULL at the end. */
static char *next_line(char *text, int capacity, void *state)
{
    struct file *file = state;
    const uint8_t *newline = file->rest.size > 0 ? memchr(file->rest.data, '\n', file->rest.size) : NULL;
    size_t size = newline != NULL ? (size_t)(newline - file->rest.data) + 1 : file->rest.size;

    if (file->status != STATUS_OK || size == 0)
        return NULL;
    file->line++;
    if (size >= (size_t)capacity) {
        (void)refuse(file, "a line that is too long");
        return NULL;
    }
    memcpy(text, file->rest.data, size);
    text[size] = '\0';
    file->rest = bytes_slice(file->rest, size, file->rest.size);
    char *trimmed = text + strspn(text, " \t");
    if (comment_is_quoted(trimmed)) {
        (void)refuse(file, "a ; behind a space begins a comment, also within quotes");
        return NULL;
    }
    if (*trimmed != '[')
        return text;
    CLEANUP(free)
    char *header = format_text("%.*s", (int)strcspn(trimmed, "\r\n"), trimmed);
    return read_header(file, header) == STATUS_OK ? text : NULL;
}

/* The line that set this key before in this file, 0 when none did. */
static uint32_t line_of(const struct file *file, struct bytes key)
{
    struct reader reader = reader_over(buffer_view(&file->seen));

    while (reader.rest.size > 0) {
        struct bytes other = reader_sized(&reader);
        uint32_t line = reader_u32(&reader);
        if (bytes_equal(other, key))
            return line;
    }
    return 0;
}

static enum status take_value(struct file *file, const char *key, const char *text)
{
    struct config_place place = {.section = file->section, .name = file->section_name};
    CLEANUP(free)
    char *origin = format_text("%s:%d", file->path, file->line);
    CLEANUP(free)
    char *full = format_text("%s %s %s", place.section, place.name != NULL ? place.name : "", key);
    uint32_t line = line_of(file, bytes_of_text(full));

    if (file->section[0] == '\0')
        return refuse(file, "a key before the first [section]");
    if (line > 0) {
        CLEANUP(free)
        char *what = format_text("%s is set on line %u already", key, line);
        return refuse(file, what);
    }
    buffer_add_sized(&file->seen, bytes_of_text(full));
    buffer_add_u32(&file->seen, (uint32_t)file->line);
    enum status status = config_store(file->config, place, key, text, origin, file->error);
    return status == STATUS_OK ? STATUS_OK : fail_at(file, status);
}

/* For libinih: 1 to go on. */
static int take_pair(void *state, const char *section, const char *key, const char *text)
{
    struct file *file = state;

    (void)section;
    return file->status == STATUS_OK && take_value(file, key, text) == STATUS_OK;
}

static enum status parse(struct file *file)
{
    /* Debian builds it with these to be set at run time: whole lines, and no values that go on by an indented line,
     * which would swallow an indented key. */
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_initial_alloc = LINE_SIZE_MAX;
    ini_max_line = LINE_SIZE_MAX;
    ini_allow_multiline = false;

    int wrong_line = ini_parse_stream(next_line, file, take_pair, file);
    CHECK(wrong_line >= 0);
    if (wrong_line > 0 && (file->status == STATUS_OK || wrong_line < file->line)) {
        file->line = wrong_line;
        return refuse(file, "neither [section] nor key = value");
    }
    return file->status;
}

static enum status fail_system(const char *path, struct error *error)
{
    if (errno == ENOENT)
        return error_set(error, STATUS_NOT_FOUND, "NO_CONFIG", "%s: there is no such file", path);
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s: %s", path, strerror(errno));
}

static enum status read_all(const char *path, struct buffer *text, struct error *error)
{
    CLEANUP(fd_close)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat file;

    if (fd < 0 || fstat(fd, &file) != 0)
        return fail_system(path, error);
    if (!S_ISREG(file.st_mode))
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s: not a file", path);
    for (;;) {
        ssize_t size = read(fd, buffer_reserve(text, 4096), 4096);
        if (size < 0)
            return fail_system(path, error);
        if (size == 0)
            return STATUS_OK;
        text->size += (size_t)size;
        if (text->size > FILE_SIZE_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s: larger than %zu bytes", path,
                             FILE_SIZE_MAX);
    }
}

enum status config_read_file(struct config *config, const char *path, struct error *error)
{
    CLEANUP(buffer_done)
    struct buffer text = {0};
    struct file file = {.config = config, .path = path, .error = error};

    TRY(read_all(path, &text, error));
    if (!text_is_valid(buffer_view(&text)))
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "%s: not a text in UTF-8", path);
    file.rest = buffer_view(&text);
    enum status status = parse(&file);
    buffer_done(&file.seen);
    return status;
}

static int is_config(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

enum status config_read_directory(struct config *config, const char *path, struct error *error)
{
    enum status status = STATUS_OK;
    struct dirent **entries = NULL;

    int count = scandir(path, &entries, is_config, by_name);
    if (count < 0)
        return fail_system(path, error);
    for (int i = 0; i < count; i++) {
        CLEANUP(free)
        char *file = format_text("%s/%s", path, entries[i]->d_name);
        if (status == STATUS_OK)
            status = config_read_file(config, file, error);
        free(entries[i]);
    }
    free(entries);
    return status;
}
