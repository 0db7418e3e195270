#include "cli/text.h"

#include "common/base/check.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

bool text_init(void)
{
    bool known = setlocale(LC_CTYPE, "") != NULL;
    bool utf8 = known && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

    /* wcwidth knows no character beyond ASCII in another locale; text of tasks is UTF-8 wherever it is read. */
    if (!utf8)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    return utf8;
}

enum { NEEDS_MORE = 0, INVALID = -1 };

/* Decodes the character at the begin of size bytes: its length, NEEDS_MORE or INVALID. */
static int decode(const uint8_t *at, size_t size, uint32_t *ret_character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int length = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;
    if (length == 0 || at[0] > 0xf4)
        return INVALID;

    uint32_t character = length == 1 ? at[0] : at[0] & (0x7fU >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size)
            return NEEDS_MORE;
        if ((at[i] & 0xc0) != 0x80)
            return INVALID;
        character = character << 6 | (at[i] & 0x3fU);
    }
    if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
        return INVALID;
    *ret_character = character;
    return length;
}

/* C0, DEL, C1, line and paragraph separators, marks that change the direction of reading, the byte order mark. */
static bool is_dangerous(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x200e || character == 0x200f ||
           (character >= 0x2028 && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069) ||
           character == 0xfeff;
}

/* As C writes it: \n, \x1b, \u202e. */
static void add_escape(struct buffer *out, uint32_t value, bool is_character)
{
    char escape[16];
    const char *letter = value == '\n' ? "\\n" : value == '\r' ? "\\r" : value == '\t' ? "\\t" : NULL;

    if (letter != NULL)
        (void)snprintf(escape, sizeof(escape), "%s", letter);
    else if (is_character && value >= 0x80)
        (void)snprintf(escape, sizeof(escape), "\\u%04x", value);
    else
        (void)snprintf(escape, sizeof(escape), "\\x%02x", value);
    buffer_add(out, escape, strlen(escape));
}

static void add_character(struct buffer *out, uint32_t character, struct bytes encoded, bool lines)
{
    bool is_kept = lines && (character == '\n' || character == '\t');

    if (is_dangerous(character) && !is_kept)
        add_escape(out, character, true);
    else
        buffer_add(out, encoded.data, encoded.size);
}

static void filter_drop(struct text_filter *filter, size_t count)
{
    filter->pending_size -= count;
    memmove(filter->pending, filter->pending + count, filter->pending_size);
}

/* Takes from the pending bytes what is decided; the rest waits for more unless the text is at its end. */
static void filter_drain(struct text_filter *filter, struct buffer *out, bool lines, bool at_end)
{
    while (filter->pending_size > 0) {
        uint32_t character = 0;
        /* A carriage return before a newline is the end of a line; alone it would overwrite what stands there. */
        if (lines && filter->pending[0] == '\r') {
            if (filter->pending_size == 1 && !at_end)
                return;
            if (filter->pending_size > 1 && filter->pending[1] == '\n') {
                filter_drop(filter, 1);
                continue;
            }
        }
        int length = decode(filter->pending, filter->pending_size, &character);
        if (length == NEEDS_MORE && !at_end)
            return;
        if (length > 0)
            add_character(out, character, (struct bytes){filter->pending, (size_t)length}, lines);
        else
            add_escape(out, filter->pending[0], false);
        filter_drop(filter, length > 0 ? (size_t)length : 1);
    }
}

void text_filter_add(struct text_filter *filter, struct bytes piece, struct buffer *out)
{
    for (size_t i = 0; i < piece.size; i++) {
        filter->pending[filter->pending_size++] = piece.data[i];
        filter_drain(filter, out, true, false);
    }
}

void text_filter_end(struct text_filter *filter, struct buffer *out)
{
    filter_drain(filter, out, true, true);
}

static char *visible(struct bytes text, bool lines)
{
    struct text_filter filter = {0};
    struct buffer out = {0};

    for (size_t i = 0; i < text.size; i++) {
        filter.pending[filter.pending_size++] = text.data[i];
        filter_drain(&filter, &out, lines, false);
    }
    filter_drain(&filter, &out, lines, true);
    buffer_add_u8(&out, '\0');
    return (char *)out.data;
}

char *text_line(struct bytes text)
{
    return visible(text, false);
}

char *text_lines(struct bytes text)
{
    return visible(text, true);
}

size_t text_fitting(const char *text, size_t width)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t used = 0;
    size_t rest = strlen(text);

    while (rest > 0) {
        uint32_t character = 0;
        int length = decode(at, rest, &character);
        int columns = length > 0 ? wcwidth((wchar_t)character) : 1;
        used += columns > 0 ? (size_t)columns : 0;
        if (used > width)
            break;
        at += length > 0 ? length : 1;
        rest -= length > 0 ? (size_t)length : 1;
    }
    return (size_t)(at - (const uint8_t *)text);
}

size_t text_width(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t width = 0;

    while (*at != '\0') {
        uint32_t character = 0;
        int length = decode(at, strlen((const char *)at), &character);
        int columns = length > 0 ? wcwidth((wchar_t)character) : 1;
        width += columns > 0 ? (size_t)columns : 0;
        at += length > 0 ? length : 1;
    }
    return width;
}

size_t text_whole(struct bytes text, size_t most)
{
    if (text.size <= most)
        return text.size;
    while (most > 0 && (text.data[most] & 0xc0) == 0x80)
        most--;
    return most;
}

char *text_base64(struct bytes bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = allocate((bytes.size + 2) / 3 * 4 + 1);
    char *at = text;

    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t three = (uint32_t)bytes.data[i] << 16 | (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                         (left > 2 ? bytes.data[i + 2] : 0);
        for (unsigned digit = 0; digit < 4; digit++)
            at[digit] = alphabet[three >> (18 - 6 * digit) & 63];
        /* What stands for bytes that are not there. */
        if (left < 3)
            at[3] = '=';
        if (left < 2)
            at[2] = '=';
        at += 4;
    }
    *at = '\0';
    return text;
}
