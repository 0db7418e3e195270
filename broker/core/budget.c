#include "broker/core/budget.h"

#include "broker/core/cancel.h"
#include "broker/core/core.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "broker/core/suspend.h"
#include "common/base/dollars.h"
#include "common/base/id.h"

#include <inttypes.h>
#include <stdio.h>

#define BUDGET_VERSION 1
#define FIGURE_SIZE 96

static void budget_save(struct step *step, const struct budget_row *row)
{
    struct key key = key_of_id(row->id);
    struct buffer *buffer = &step->broker->scratch;

    record_begin(buffer, BUDGET_VERSION);
    buffer_add_u64(buffer, row->parent_id);
    buffer_add_u8(buffer, (uint8_t)row->budget.on_breach);
    buffer_add_u64(buffer, row->budget.micro_dollars);
    buffer_add_u64(buffer, row->budget.tokens);
    buffer_add_u64(buffer, row->used.micro_dollars);
    buffer_add_u64(buffer, row->used.tokens);
    store_put(step->txn, TABLE_BUDGET, key_bytes(&key), record_seal(buffer, row->id));
}

bool budget_read(struct bytes value, uint64_t id, struct budget_row *ret_row)
{
    struct reader reader;

    if (!record_open(value, BUDGET_VERSION, id, &reader))
        return false;
    ret_row->id = id;
    ret_row->parent_id = reader_u64(&reader);
    ret_row->budget.on_breach = (enum breach_policy)reader_u8(&reader);
    ret_row->budget.micro_dollars = reader_u64(&reader);
    ret_row->budget.tokens = reader_u64(&reader);
    ret_row->used.micro_dollars = reader_u64(&reader);
    ret_row->used.tokens = reader_u64(&reader);
    return !reader.failed;
}

enum status budget_load(struct step *step, uint64_t id, struct budget_row *ret_row)
{
    struct key key = key_of_id(id);
    struct bytes value;

    *ret_row = (struct budget_row){0};
    TRY(store_get(step->txn, TABLE_BUDGET, key_bytes(&key), &value));
    if (budget_read(value, id, ret_row))
        return STATUS_OK;
    *ret_row = (struct budget_row){0};
    step->effects->damaged_id = id;
    return STATUS_NOT_FOUND;
}

static bool is_used_up(uint64_t used, uint64_t bound)
{
    return bound > 0 && used >= bound;
}

bool budget_is_breached(const struct budget_row *row)
{
    return is_used_up(row->used.micro_dollars, row->budget.micro_dollars) ||
           is_used_up(row->used.tokens, row->budget.tokens);
}

/* The next one up the chain; its id is 0 at the end of it. */
static enum status climb(struct step *step, uint64_t id, struct budget_row *ret_row)
{
    enum status status = id > 0 ? budget_load(step, id, ret_row) : STATUS_NOT_FOUND;

    if (status == STATUS_NOT_FOUND)
        ret_row->id = 0;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

const char *budget_because(struct step *step, uint64_t id)
{
    char text[ID_TEXT_SIZE];
    char because[64];

    (void)snprintf(because, sizeof because, "the budget of task %s is used up", id_format(id, text));
    return arena_text(&step->effects->arena, bytes_of_text(because));
}

/* "2.51 of 2.50 dollars, 900 of 1000 tokens" */
static const char *figures(const struct budget_row *row, char text[static FIGURE_SIZE * 2])
{
    char used[DOLLARS_SIZE];
    char bound[DOLLARS_SIZE];
    size_t size = 0;

    text[0] = '\0';
    if (row->budget.micro_dollars > 0)
        size = (size_t)snprintf(text, FIGURE_SIZE, "%s of %s dollars", dollars_format(row->used.micro_dollars, used),
                                dollars_format(row->budget.micro_dollars, bound));
    if (row->budget.tokens > 0)
        (void)snprintf(text + size, FIGURE_SIZE, "%s%" PRIu64 " of %" PRIu64 " tokens", size > 0 ? ", " : "",
                       row->used.tokens, row->budget.tokens);
    return text;
}

const char *budget_in_figures(struct step *step, const struct budget_row *breached)
{
    char text[FIGURE_SIZE * 2];
    char sentence[FIGURE_SIZE * 3];

    (void)snprintf(sentence, sizeof sentence, "%s: %s", budget_because(step, breached->id), figures(breached, text));
    return arena_text(&step->effects->arena, bytes_of_text(sentence));
}

/* The moment at which the last of it was used. */
static void note_if_breached(struct step *step, const struct budget_row *row, bool was_breached)
{
    char text[FIGURE_SIZE * 2];
    char id[ID_TEXT_SIZE];

    if (!was_breached && budget_is_breached(row))
        event_note(step, EVENT_BUDGET_BREACHED, id_format(row->id, id), figures(row, text));
}

enum status budget_decide(struct step *step, const struct task_spec *spec, struct error *error)
{
    struct budget_row row = {0};
    struct task parent;
    int depth = 1;

    if (spec->budget.on_breach == 0 || spec->parent_id == 0)
        return STATUS_OK;
    TRY(task_load(step, spec->parent_id, &parent));
    TRY(climb(step, parent.budget_id, &row));
    for (; row.id > 0; depth++)
        TRY(climb(step, row.parent_id, &row));
    if (depth <= BUDGETS_DEEP_MAX)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED_PRECONDITION, "BUDGETS_TOO_DEEP",
                     "budget: there are %d budgets around this task already, one within the other; bring none",
                     BUDGETS_DEEP_MAX);
}

enum status budget_attach(struct step *step, struct task *task, const struct task_spec *spec)
{
    struct task parent = {0};

    if (spec->parent_id > 0)
        TRY(task_load(step, spec->parent_id, &parent));
    task->budget_id = parent.budget_id;
    if (spec->budget.on_breach == 0)
        return STATUS_OK;
    task->budget_id = task->id;
    budget_save(step, &(struct budget_row){.id = task->id, .parent_id = parent.budget_id, .budget = spec->budget});
    return STATUS_OK;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return b < UINT64_MAX - a ? a + b : UINT64_MAX;
}

static void add(struct usage *used, const struct usage *more)
{
    used->micro_dollars = sum(used->micro_dollars, more->micro_dollars);
    used->tokens = sum(used->tokens, more->tokens);
}

static uint64_t above(uint64_t said, uint64_t before)
{
    return said > before ? said - before : 0;
}

enum status budget_settle(struct step *step, struct task *task, const struct usage *said, bool *ret_changed)
{
    struct budget_row row = {0};
    const struct usage more = {
        .micro_dollars = above(said->micro_dollars, task->used_by_run.micro_dollars),
        .tokens = above(said->tokens, task->used_by_run.tokens),
    };
    bool changed = more.micro_dollars > 0 || more.tokens > 0;

    if (ret_changed != NULL)
        *ret_changed = changed;
    if (!changed)
        return STATUS_OK;
    TRY(climb(step, task->budget_id, &row));
    while (row.id > 0) {
        bool was_breached = budget_is_breached(&row);
        add(&row.used, &more);
        budget_save(step, &row);
        note_if_breached(step, &row, was_breached);
        TRY(climb(step, row.parent_id, &row));
    }
    add(&task->used_by_run, &more);
    add(&task->used, &more);
    return STATUS_OK;
}

enum status budget_find_breach(struct step *step, uint64_t id, struct budget_row *ret_breached)
{
    struct budget_row row = {0};

    *ret_breached = row;
    TRY(climb(step, id, &row));
    while (row.id > 0) {
        bool is_breached = budget_is_breached(&row);
        if (is_breached && (ret_breached->id == 0 || row.budget.on_breach == BREACH_CANCEL))
            *ret_breached = row;
        if (is_breached && row.budget.on_breach == BREACH_CANCEL)
            return STATUS_OK;
        TRY(climb(step, row.parent_id, &row));
    }
    return STATUS_OK;
}

enum status budget_check_room(struct step *step, const struct task *task)
{
    struct budget_row breached;
    char text[ID_TEXT_SIZE];

    TRY(budget_find_breach(step, task->budget_id, &breached));
    if (breached.id == 0)
        return STATUS_OK;
    return error_set(&step->error, STATUS_FAILED_PRECONDITION, "BUDGET_BREACHED",
                     "%s: raise it first, with SetBudget of task %s", budget_in_figures(step, &breached),
                     id_format(breached.id, text));
}

void budget_stop(struct step *step, struct task *task, const struct budget_row *breached)
{
    const char *because = budget_because(step, breached->id);
    const char *who = step->who;

    if (task->canceling || task->reaping)
        return;
    step->who = "";
    if (breached->budget.on_breach == BREACH_CANCEL) {
        (void)task_cancel(step, task, because);
    } else if (!task->suspending) {
        task->now.withheld_by = breached->id;
        suspend_ask(step, task, because);
    }
    step->who = who;
}

void budget_withhold(struct step *step, struct task *task, const struct budget_row *breached)
{
    const char *because = budget_because(step, breached->id);

    if (breached->budget.on_breach == BREACH_CANCEL) {
        (void)task_cancel(step, task, because);
        return;
    }
    task->now.withheld_by = breached->id;
    task_move(task, MOVE_WITHHOLD, TASK_SUSPENDED);
    task->why = because;
    task_write(step, task);
}

/* The budget that kept it back has room: it is READY, or kept back by another one. */
static enum status let_go(struct step *step, struct task *task)
{
    struct budget_row breached;

    TRY(budget_find_breach(step, task->budget_id, &breached));
    if (breached.id == 0) {
        task_resume(step, task, "its budget was raised");
    } else if (breached.budget.on_breach == BREACH_CANCEL) {
        (void)task_cancel(step, task, budget_because(step, breached.id));
    } else if (breached.id != task->now.withheld_by) {
        task->now.withheld_by = breached.id;
        task_write_quietly(step, task);
    }
    return STATUS_OK;
}

enum status budget_recheck(struct step *step, struct task *task)
{
    return task->now.state == TASK_SUSPENDED && task->now.withheld_by > 0 ? let_go(step, task) : STATUS_OK;
}

static enum status resume_one(struct step *step, uint64_t budget_id, uint64_t task_id)
{
    struct key row = key_withheld(budget_id, task_id);
    struct task task;
    enum status status = task_load(step, task_id, &task);

    if (status == STATUS_OK && task.now.state == TASK_SUSPENDED && task.now.withheld_by == budget_id)
        return let_go(step, &task);
    if (status != STATUS_OK && status != STATUS_DATA_LOSS && status != STATUS_NOT_FOUND)
        return status;
    /* What cannot be read must not keep those behind it. */
    store_delete(step->txn, TABLE_WITHHELD, key_bytes(&row));
    return STATUS_OK;
}

enum status budget_resume(struct step *step, uint64_t id, uint32_t *work, uint64_t *done, bool *ret_is_over)
{
    struct budget_row row;
    enum status status = budget_load(step, id, &row);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    *ret_is_over = status == STATUS_OK && budget_is_breached(&row);
    while (!*ret_is_over && *work > 0) {
        uint64_t task_id = 0;
        status = pair_first(step->txn, TABLE_WITHHELD, key_withheld(id, 0), &task_id);
        *ret_is_over = status == STATUS_NOT_FOUND;
        if (*ret_is_over)
            return STATUS_OK;
        TRY(status);
        TRY(resume_one(step, id, task_id));
        *work -= WORK_OF_CHANGE < *work ? WORK_OF_CHANGE : *work;
        ++*done;
    }
    return STATUS_OK;
}

/* What a budget that has room again keeps back, by a job; none where there is nothing. */
static enum status begin_to_resume(struct step *step, uint64_t id, uint64_t *ret_job_id)
{
    const struct job_order order = {
        .kind = JOB_BUDGET,
        .filter = {.namespace = "", .queue = "", .agent_type = ""},
        .root_id = id,
        .reason = "",
    };
    struct job job;

    TRY(job_begin(step, &order, &job));
    *ret_job_id = job.id;
    return STATUS_OK;
}

static void note_set(struct step *step, const struct budget_row *row)
{
    char text[FIGURE_SIZE * 2];
    char why[FIGURE_SIZE * 3];
    char id[ID_TEXT_SIZE];

    (void)snprintf(why, sizeof why, "%s; then the tree is %s", figures(row, text),
                   row->budget.on_breach == BREACH_CANCEL ? "canceled" : "suspended");
    event_note(step, EVENT_BUDGET_SET, id_format(row->id, id), why);
}

/* The budget that a task has brought, as it is to be. */
static enum status decide_set(struct step *step, const struct command_set_budget *set, struct budget_row *ret_row)
{
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(limits_check_set_budget(set, &step->error));
    TRY(task_load(step, set->task_id, &task));
    if (task.budget_id != task.id)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "NO_BUDGET",
                         "task %s was submitted without a budget of its own%s", id_format(task.id, text),
                         task.budget_id > 0 ? ": set that of the task whose budget it draws on" : "");
    enum status status = budget_load(step, task.id, ret_row);
    if (status == STATUS_NOT_FOUND)
        return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                         "the budget of task %s is damaged in the store; restore it from a backup",
                         id_format(task.id, text));
    TRY(status);
    if (set->has_micro_dollars)
        ret_row->budget.micro_dollars = set->micro_dollars;
    if (set->has_tokens)
        ret_row->budget.tokens = set->tokens;
    if (set->on_breach > 0)
        ret_row->budget.on_breach = set->on_breach;
    if (ret_row->budget.micro_dollars > 0 || ret_row->budget.tokens > 0)
        return STATUS_OK;
    return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                     "micro_dollars: a bound for them or for tokens is needed");
}

enum status step_set_budget(struct step *step, const struct command *command)
{
    const struct command_set_budget *set = &command->set_budget;
    struct budget_row before = {0};
    struct budget_row row = {0};
    uint64_t withheld_id = 0;
    uint64_t job_id = 0;

    TRY(decide_set(step, set, &row));
    TRY(budget_load(step, row.id, &before));
    enum status status = pair_first(step->txn, TABLE_WITHHELD, key_withheld(row.id, 0), &withheld_id);
    bool lets_go = status == STATUS_OK && !budget_is_breached(&row);
    if (status != STATUS_NOT_FOUND)
        TRY(status);
    if (lets_go)
        TRY(jobs_check_room(step));
    budget_save(step, &row);
    note_set(step, &row);
    note_if_breached(step, &row, budget_is_breached(&before));
    if (lets_go)
        TRY(begin_to_resume(step, row.id, &job_id));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->budget = row;
    answer->job_id = job_id;
    return STATUS_OK;
}
