#include "cli/streams.h"

#include "cli/daemon.h"
#include "common/base/check.h"

#include <string.h>

#define PAGE_STREAMS 1000
#define PAGES_MOST 100

static void take_page(struct streams *streams, Ganger__V1__ListStreamsResponse *page)
{
    streams->pages = reallocate(streams->pages, (streams->page_count + 1) * sizeof(Ganger__V1__ListStreamsResponse *));
    streams->pages[streams->page_count++] = page;
    if (page->n_streams == 0)
        return;
    streams->items = reallocate(streams->items, (streams->count + page->n_streams) * sizeof(Ganger__V1__StreamInfo *));
    memcpy(streams->items + streams->count, page->streams, page->n_streams * sizeof(Ganger__V1__StreamInfo *));
    streams->count += page->n_streams;
}

enum ganger_status streams_list(struct cli *cli, const Ganger__V1__Task *task, struct streams *ret_streams,
                                struct ganger_error *error)
{
    CLEANUP(streams_done)
    struct streams streams = {0};
    Ganger__V1__ListStreamsRequest request = GANGER__V1__LIST_STREAMS_REQUEST__INIT;

    request.namespace_ = task->spec->namespace_;
    request.task_id = task->task_id;
    request.page_size = PAGE_STREAMS;
    do {
        Ganger__V1__ListStreamsResponse *page = NULL;
        enum ganger_status status =
            ganger_list_streams(cli->daemons[GANGER_CONTEXT], &request, daemon_timeout_ms(cli), &page, error);
        if (status != GANGER_OK)
            return status;
        take_page(&streams, page);
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0' && streams.page_count < PAGES_MOST);
    *ret_streams = streams;
    streams = (struct streams){0};
    return GANGER_OK;
}

void streams_done(struct streams *streams)
{
    for (size_t i = 0; i < streams->page_count; i++)
        ganger_free(streams->pages[i]);
    free(streams->pages);
    free(streams->items);
    *streams = (struct streams){0};
}

const Ganger__V1__StreamInfo *streams_find(const struct streams *streams, uint64_t fence, const char *name)
{
    for (size_t i = 0; i < streams->count; i++)
        if (streams->items[i]->stream->fence == fence && strcmp(streams->items[i]->stream->name, name) == 0)
            return streams->items[i];
    return NULL;
}

uint64_t streams_next_fence(const struct streams *streams, uint64_t fence)
{
    uint64_t next = 0;

    for (size_t i = 0; i < streams->count; i++) {
        uint64_t other = streams->items[i]->stream->fence;
        if (other > fence && (next == 0 || other < next))
            next = other;
    }
    return next;
}
