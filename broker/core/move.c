/* Tasks that an operator moves to another queue of their namespace. */
#include "broker/core/core.h"
#include "broker/core/limits.h"
#include "common/base/id.h"

/* One that may be moved, and the lane that it goes to. */
struct move {
    struct task task;
    struct lane *lane;
    const char *fairness_key;
};

static enum status load(struct step *step, uint64_t task_id, struct move *move)
{
    struct task_view *view = NULL;
    char text[ID_TEXT_SIZE];

    TRY(task_load(step, task_id, &move->task));
    enum task_state state = move->task.now.state;
    if (!task_is_waiting(state) && state != TASK_SUSPENDED)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE",
                         "task %s is %s: only a task that nobody holds and that has not ended can be moved",
                         id_format(task_id, text), task_state_name(state));
    TRY(task_view(step, &move->task, false, &view));
    move->fairness_key = view->spec.fairness_key;
    return STATUS_OK;
}

static enum status find_lane(struct step *step, const char *queue_name, struct move *move)
{
    const struct lane *lane = lanes_by_number(&step->broker->lanes, move->task.now.lane);
    const char *limits[LIMITS_PER_TASK_MAX];
    struct lane_name name = lane_name(lane, limits);

    name.queue = queue_name;
    const struct queue *queue = lanes_queue(&step->broker->lanes, name.namespace, name.queue);
    if (queue != lane->type->queue)
        TRY(queue_admits(queue, 0, &step->error));
    return lanes_obtain(step->broker, &name, &move->lane, &step->error);
}

static enum status move_task(struct step *step, const struct command_move *command, uint64_t task_id)
{
    struct move move = {0};

    TRY(load(step, task_id, &move));
    TRY(find_lane(step, command->queue, &move));
    if (move.lane->number == move.task.now.lane)
        return STATUS_OK;
    move.task.now.lane = move.lane->number;
    move.task.now.turn =
        turn_give(&step->broker->lanes.turns, move.lane->type->queue, move.task.now.priority, move.fairness_key);
    task_note(&move.task, EVENT_MOVED, command->reason);
    task_write(step, &move.task);
    return STATUS_OK;
}

/* Each on its own: what is refused does not keep the others back. */
enum status step_move(struct step *step, const struct command *command)
{
    const struct command_move *move = &command->move;

    TRY(limits_check_move(move, &step->error));
    struct submit_outcome *outcomes = arena_zero(&step->effects->arena, move->task_count, sizeof *outcomes);
    for (size_t i = 0; i < move->task_count; i++) {
        outcomes[i].task_id = move->task_ids[i];
        enum status status = move_task(step, move, move->task_ids[i]);
        if (status == STATUS_OK)
            continue;
        if (step->error.status != status)
            return status;
        struct error *refusal = arena_zero(&step->effects->arena, 1, sizeof *refusal);
        *refusal = step->error;
        outcomes[i].refusal = refusal;
        step->error = (struct error){0};
    }
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->submit.outcomes = outcomes;
    answer->submit.count = move->task_count;
    return STATUS_OK;
}
