#include "broker/core/effect.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>

void effects_done(struct effects *effects)
{
    arena_done(&effects->arena);
    free(effects->changed);
    *effects = (struct effects){0};
}

void effects_reset(struct effects *effects)
{
    arena_reset(&effects->arena);
    effects->answers = NULL;
    effects->answers_end = NULL;
    effects->pushes = NULL;
    effects->pushes_end = NULL;
    effects->changed_count = 0;
    effects->damaged_id = 0;
}

struct answer *effects_answer(struct effects *effects, uint64_t token, enum command_kind kind)
{
    struct answer *answer = arena_zero(&effects->arena, 1, sizeof *answer);

    answer->token = token;
    answer->kind = kind;
    if (effects->answers_end == NULL)
        effects->answers_end = &effects->answers;
    *effects->answers_end = answer;
    effects->answers_end = &answer->next;
    return answer;
}

void effects_refuse(struct effects *effects, uint64_t token, enum command_kind kind, const struct error *error)
{
    struct error *copy = arena_zero(&effects->arena, 1, sizeof *copy);

    *copy = *error;
    effects_answer(effects, token, kind)->refusal = copy;
}

void effects_push(struct effects *effects, const char *agent_id, struct run_name run, enum verdict verdict,
                  const char *reason)
{
    struct push *push = arena_zero(&effects->arena, 1, sizeof *push);

    push->agent_id = arena_text(&effects->arena, bytes_of_text(agent_id));
    push->run = run;
    push->verdict = verdict;
    push->reason = arena_text(&effects->arena, bytes_of_text(reason));
    if (effects->pushes_end == NULL)
        effects->pushes_end = &effects->pushes;
    *effects->pushes_end = push;
    effects->pushes_end = &push->next;
}

void effects_change(struct effects *effects, uint64_t task_id)
{
    if (effects->changed_count == effects->changed_capacity) {
        effects->changed_capacity = effects->changed_capacity == 0 ? 64 : effects->changed_capacity * 2;
        effects->changed = reallocate(effects->changed, effects->changed_capacity * sizeof effects->changed[0]);
    }
    effects->changed[effects->changed_count++] = task_id;
}
