/* Proves the budgets: each is that of a task that brought it, and no task has used more than its budget has paid. */
#include "broker/core/budget.h"
#include "broker/core/verify.h"
#include "common/base/id.h"

static enum status find_row(struct scan *scan, uint64_t id, struct budget_row *ret_row)
{
    struct key key = key_of_id(id);
    struct bytes value;

    TRY(store_get(scan->txn, TABLE_BUDGET, key_bytes(&key), &value));
    return budget_read(value, id, ret_row) ? STATUS_OK : STATUS_DATA_LOSS;
}

enum status check_budget_of_task(struct scan *scan, const struct task *task)
{
    struct budget_row row;
    char text[ID_TEXT_SIZE];

    if (task->now.withheld_by > 0 && task->budget_id == 0)
        problem(scan, "task %s draws on no budget, and is kept back by one", id_format(task->id, text));
    if (task->budget_id == 0)
        return STATUS_OK;
    if (task->budget_id > task->id)
        problem(scan, "task %s draws on the budget of a younger task", id_format(task->id, text));
    enum status status = find_row(scan, task->budget_id, &row);
    bool is_its_own = task->budget_id == task->id;
    if (status == STATUS_DATA_LOSS || (status == STATUS_NOT_FOUND && is_its_own))
        problem(scan, "the budget of task %s is missing or damaged", id_format(task->budget_id, text));
    else if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    else if (status == STATUS_OK &&
             (row.used.micro_dollars < task->used.micro_dollars || row.used.tokens < task->used.tokens))
        problem(scan, "task %s has used more than its budget knows of", id_format(task->id, text));
    if (is_its_own && status == STATUS_OK && row.parent_id >= row.id)
        problem(scan, "the budget of task %s is a part of a younger one", id_format(task->id, text));
    scan->expected[TABLE_BUDGET] += is_its_own && status != STATUS_NOT_FOUND;
    return STATUS_OK;
}
