#include "cli/content.h"

static void write_all(const struct terminal *output, struct bytes content)
{
    /* A failed write stays in the stream's error flag, which is looked at before the end. */
    if (content.size > 0)
        (void)fwrite(content.data, 1, content.size, output->stream);
}

void content_piece(const struct terminal *output, struct text_filter *filter, struct bytes piece)
{
    CLEANUP(buffer_done)
    struct buffer visible = {0};

    if (!output->interactive) {
        write_all(output, piece);
        return;
    }
    text_filter_add(filter, piece, &visible);
    write_all(output, buffer_view(&visible));
}

void content_end(const struct terminal *output, struct text_filter *filter)
{
    CLEANUP(buffer_done)
    struct buffer visible = {0};

    text_filter_end(filter, &visible);
    write_all(output, buffer_view(&visible));
}

void content_print(const struct terminal *output, struct bytes content)
{
    struct text_filter filter = {0};

    content_piece(output, &filter, content);
    content_end(output, &filter);
    /* The prompt of a shell belongs on a line of its own; a file gets what was stored and nothing else. */
    if (output->interactive && content.size > 0 && content.data[content.size - 1] != '\n')
        (void)fputc('\n', output->stream);
}
