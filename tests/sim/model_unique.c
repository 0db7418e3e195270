/* Idempotency keys: a key holds while its task lives, and for a window from the submit in any case. */
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <string.h>

struct model_key *model_unique(struct model *model, const char *text)
{
    for (size_t i = 0; i < model->unique_count; i++)
        if (strcmp(model->uniques[i].text, text) == 0)
            return &model->uniques[i];
    CHECK(model->unique_count < MODEL_UNIQUES_MAX);
    model->uniques[model->unique_count] = (struct model_key){.text = text};
    return &model->uniques[model->unique_count++];
}

int model_unique_holds(const struct judgement *judgement, const struct model_key *key)
{
    const struct model_task *task = model_find(judgement->model, key->task_id);

    if (key->task_id == 0)
        return KEY_IS_FREE;
    if (task != NULL && !model_has_ended(task))
        return KEY_IS_TAKEN;
    if (judgement->now.store_ms < key->since_ms + judgement->model->settings.idempotency_window_ms)
        return KEY_IS_TAKEN;
    return KEY_IS_ANY;
}

void model_unique_take(struct judgement *judgement, const char *text, uint64_t task_id)
{
    struct model_key *key = model_unique(judgement->model, text);

    model_keep(judgement->model, key, sizeof *key);
    key->task_id = task_id;
    key->since_ms = judgement->now.store_ms;
}
