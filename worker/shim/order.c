#include "worker/shim/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The text that begins at *at; moves *at behind it. NULL when no NUL comes before the end. */
static char *next_text(char **at, const char *end)
{
    char *text = *at;
    char *nul = memchr(text, '\0', (size_t)(end - text));
    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return text;
}

static char **read_list(char **at, const char *end, uint32_t count)
{
    char **list = calloc((size_t)count + 1, sizeof *list);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        list[i] = next_text(at, end);
        if (list[i] == NULL) {
            free(list);
            return NULL;
        }
    }
    return list;
}

static bool header_is_good(const struct shim_order *header)
{
    return header->version == SHIM_VERSION && header->size >= sizeof *header && header->size <= SHIM_ORDER_MAX &&
           header->argument_count >= 1 && header->argument_count <= header->size &&
           header->environment_count <= header->size;
}

static bool order_parse(struct order *order)
{
    char *at = order->block;
    const char *end = order->block + (order->header.size - sizeof order->header);

    for (size_t i = 0; i < SHIM_FIXED_TEXTS; i++) {
        order->texts[i] = next_text(&at, end);
        if (order->texts[i] == NULL)
            return false;
    }
    order->arguments = read_list(&at, end, order->header.argument_count);
    if (order->arguments == NULL)
        return false;
    order->environment = read_list(&at, end, order->header.environment_count);
    return order->environment != NULL && at == end;
}

bool order_read(int fd, struct order *ret_order)
{
    struct order order = {0};

    errno = EBADMSG;
    if (pread(fd, &order.header, sizeof order.header, 0) != (ssize_t)sizeof order.header ||
        !header_is_good(&order.header))
        return false;
    size_t size = order.header.size - sizeof order.header;
    order.block = malloc(size + 1);
    if (order.block == NULL)
        return false;
    if (pread(fd, order.block, size, sizeof order.header) != (ssize_t)size || !order_parse(&order)) {
        order_done(&order);
        errno = EBADMSG;
        return false;
    }
    *ret_order = order;
    return true;
}

void order_done(struct order *order)
{
    free(order->arguments);
    free(order->environment);
    free(order->block);
    *order = (struct order){0};
}
