#include "broker/core/holding.h"

#include "broker/core/core.h"

#include <string.h>

/* Adds the tasks in the holder table whose agent begins with this text; is_below tells "build7/" from "build7". */
static enum status gather(struct step *step, const char *agent_id, bool is_below, struct holding *holding)
{
    char text[AGENT_ID_MAX + 2];
    size_t size = strlen(agent_id);
    struct bytes key;
    struct bytes value;

    memcpy(text, agent_id, size + 1);
    text[size] = is_below ? '/' : '\0';
    struct bytes prefix = {.data = (const uint8_t *)text, .size = size + 1};
    enum status status = store_seek(step->txn, TABLE_HOLDER, prefix, &key, &value);
    while (status == STATUS_OK && bytes_have_prefix(key, prefix) && holding->count < holding->max) {
        if (holding->task_ids != NULL)
            holding->task_ids[holding->count] = key_read_id(key);
        holding->count++;
        status = store_next(step->txn, TABLE_HOLDER, &key, &value);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status holding_find(struct step *step, const char *agent_id, struct holding *holding)
{
    TRY(gather(step, agent_id, false, holding));
    return gather(step, agent_id, true, holding);
}
