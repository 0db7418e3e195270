#include "broker/convert.h"

#include "broker/core/budget.h"

char *borrowed_text(const char *text)
{
    union {
        const char *borrowed;
        char *text;
    } pointer = {.borrowed = text};

    return pointer.text;
}

ProtobufCBinaryData borrowed_bytes(struct bytes bytes)
{
    return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)borrowed_text((const char *)bytes.data)};
}

struct bytes bytes_of_message(ProtobufCBinaryData data)
{
    return (struct bytes){.data = data.data, .size = data.len};
}

struct label *labels_of_messages(struct arena *arena, Ganger__V1__Label *const *messages, size_t count)
{
    struct label *labels = arena_zero(arena, count, sizeof *labels);

    for (size_t i = 0; i < count; i++)
        labels[i] = (struct label){.key = messages[i]->key, .value = messages[i]->value};
    return labels;
}

uint32_t bits_of_states(const Ganger__V1__TaskState *states, size_t count)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < count; i++)
        if ((unsigned int)states[i] < TASK_STATES)
            bits |= 1U << (unsigned int)states[i];
    return bits;
}

struct budget budget_of_message(const Ganger__V1__Budget *message)
{
    if (message == NULL)
        return (struct budget){0};
    return (struct budget){
        .micro_dollars = message->micro_dollars,
        .tokens = message->tokens,
        .on_breach = message->on_breach != GANGER__V1__BREACH_POLICY__BREACH_POLICY_UNSPECIFIED
                         ? (enum breach_policy)message->on_breach
                         : BREACH_SUSPEND,
    };
}

struct usage usage_of_message(const Ganger__V1__Usage *message)
{
    if (message == NULL)
        return (struct usage){0};
    return (struct usage){.micro_dollars = message->micro_dollars, .tokens = message->tokens};
}

static Ganger__V1__Budget *message_of_bounds(struct arena *arena, const struct budget *budget)
{
    Ganger__V1__Budget *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__budget__init(message);
    message->micro_dollars = budget->micro_dollars;
    message->tokens = budget->tokens;
    message->on_breach = (Ganger__V1__BreachPolicy)budget->on_breach;
    return message;
}

static Ganger__V1__Usage *message_of_usage(struct arena *arena, const struct usage *usage)
{
    Ganger__V1__Usage *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__usage__init(message);
    message->micro_dollars = usage->micro_dollars;
    message->tokens = usage->tokens;
    return message;
}

Ganger__V1__BudgetState *message_of_budget(struct arena *arena, const struct budget_row *row)
{
    Ganger__V1__BudgetState *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__budget_state__init(message);
    message->task_id = row->id;
    message->budget = message_of_bounds(arena, &row->budget);
    message->used = message_of_usage(arena, &row->used);
    message->breached = budget_is_breached(row);
    return message;
}

struct task_spec *specs_of_messages(struct arena *arena, Ganger__V1__TaskSpec *const *messages, size_t count)
{
    struct task_spec *specs = arena_zero(arena, count, sizeof *specs);

    for (size_t i = 0; i < count; i++) {
        const Ganger__V1__TaskSpec *message = messages[i];
        specs[i] = (struct task_spec){
            .namespace = message->namespace_,
            .queue = message->queue,
            .agent_type = message->agent_type,
            .title = message->title,
            .payload = bytes_of_message(message->payload),
            .content_type = message->content_type,
            .labels = labels_of_messages(arena, message->labels, message->n_labels),
            .label_count = message->n_labels,
            .priority = message->priority,
            .not_before_ms = message->not_before_ms,
            .delay_ms = message->delay_ms,
            .run_timeout_ms = message->run_timeout_ms,
            .max_attempts = message->max_attempts,
            .backoff_ms = message->backoff_ms,
            .backoff_max_ms = message->backoff_max_ms,
            .retention_ms = message->retention_ms,
            .depends_on = message->depends_on,
            .depends_on_count = message->n_depends_on,
            .depends_on_index = message->depends_on_index,
            .depends_on_index_count = message->n_depends_on_index,
            .on_lost = (enum lost_policy)message->on_lost,
            .on_dependency_failure = (enum dependency_policy)message->on_dependency_failure,
            .parent_id = message->parent_id,
            .expires_at_ms = message->expires_at_ms,
            .start_timeout_ms = message->start_timeout_ms,
            .max_crashes = message->max_crashes,
            .max_deliveries = message->max_deliveries,
            .non_retryable = (const char *const *)message->non_retryable,
            .non_retryable_count = message->n_non_retryable,
            .limits = (const char *const *)message->limits,
            .limit_count = message->n_limits,
            .fairness_key = message->fairness_key,
            .idempotency_key = message->idempotency_key,
            .on_conflict = (enum conflict_policy)message->on_conflict,
            .budget = budget_of_message(message->budget),
        };
    }
    return specs;
}

struct outcome outcome_of_message(const Ganger__V1__Outcome *message)
{
    if (message == NULL)
        return (struct outcome){.content_type = "", .message = "", .error_type = "", .exit_status = -1};
    return (struct outcome){
        .result = bytes_of_message(message->result),
        .content_type = message->content_type,
        .message = message->message,
        .error_type = message->error_type,
        .exit_status = message->exit_status,
        .signal = message->signal,
        .usage = usage_of_message(message->usage),
    };
}

struct run_name *runs_of_messages(struct arena *arena, Ganger__V1__Lease *const *messages, size_t count)
{
    struct run_name *runs = arena_zero(arena, count, sizeof *runs);

    for (size_t i = 0; i < count; i++)
        runs[i] = (struct run_name){.task_id = messages[i]->task_id, .fence = messages[i]->fence};
    return runs;
}

struct profile *profiles_of_messages(struct arena *arena, Ganger__V1__Profile *const *messages, size_t count)
{
    struct profile *profiles = arena_zero(arena, count, sizeof *profiles);

    for (size_t i = 0; i < count; i++)
        profiles[i] = (struct profile){
            .agent_type = messages[i]->agent_type,
            .max = messages[i]->max,
            .running = messages[i]->running,
            .available = messages[i]->available,
            .problem = messages[i]->problem,
        };
    return profiles;
}

Ganger__V1__Profile **messages_of_profiles(struct arena *arena, const struct profile *profiles, size_t count)
{
    Ganger__V1__Profile **pointers = arena_zero(arena, count, sizeof(Ganger__V1__Profile *));
    Ganger__V1__Profile *messages = arena_zero(arena, count, sizeof *messages);

    for (size_t i = 0; i < count; i++) {
        ganger__v1__profile__init(&messages[i]);
        messages[i].agent_type = borrowed_text(profiles[i].agent_type);
        messages[i].max = profiles[i].max;
        messages[i].running = profiles[i].running;
        messages[i].available = profiles[i].available;
        messages[i].problem = borrowed_text(profiles[i].problem);
        pointers[i] = &messages[i];
    }
    return pointers;
}

Ganger__V1__Label **messages_of_labels(struct arena *arena, const struct label *labels, size_t count)
{
    Ganger__V1__Label **pointers = arena_zero(arena, count, sizeof(Ganger__V1__Label *));
    Ganger__V1__Label *messages = arena_zero(arena, count, sizeof *messages);

    for (size_t i = 0; i < count; i++) {
        ganger__v1__label__init(&messages[i]);
        messages[i].key = borrowed_text(labels[i].key);
        messages[i].value = borrowed_text(labels[i].value);
        pointers[i] = &messages[i];
    }
    return pointers;
}

static uint64_t *ids_of_spec(struct arena *arena, const struct task_spec *spec)
{
    uint64_t *ids = arena_zero(arena, spec->depends_on_count, sizeof *ids);

    for (size_t i = 0; i < spec->depends_on_count; i++)
        ids[i] = spec->depends_on[i];
    return ids;
}

static char **messages_of_texts(struct arena *arena, const char *const *texts, size_t count)
{
    char **pointers = arena_zero(arena, count, sizeof(char *));

    for (size_t i = 0; i < count; i++)
        pointers[i] = borrowed_text(texts[i]);
    return pointers;
}

static Ganger__V1__TaskSpec *message_of_spec(struct arena *arena, const struct task_spec *spec)
{
    Ganger__V1__TaskSpec *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__task_spec__init(message);
    message->namespace_ = borrowed_text(spec->namespace);
    message->queue = borrowed_text(spec->queue);
    message->agent_type = borrowed_text(spec->agent_type);
    message->title = borrowed_text(spec->title);
    message->payload = borrowed_bytes(spec->payload);
    message->content_type = borrowed_text(spec->content_type);
    message->labels = messages_of_labels(arena, spec->labels, spec->label_count);
    message->n_labels = spec->label_count;
    message->priority = spec->priority;
    message->not_before_ms = spec->not_before_ms;
    message->delay_ms = spec->delay_ms;
    message->run_timeout_ms = spec->run_timeout_ms;
    message->max_attempts = spec->max_attempts;
    message->backoff_ms = spec->backoff_ms;
    message->backoff_max_ms = spec->backoff_max_ms;
    message->retention_ms = spec->retention_ms;
    message->limits = messages_of_texts(arena, spec->limits, spec->limit_count);
    message->n_limits = spec->limit_count;
    message->fairness_key = borrowed_text(spec->fairness_key);
    message->depends_on = ids_of_spec(arena, spec);
    message->n_depends_on = spec->depends_on_count;
    message->on_lost = (Ganger__V1__LostPolicy)spec->on_lost;
    message->on_dependency_failure = (Ganger__V1__DependencyPolicy)spec->on_dependency_failure;
    message->parent_id = spec->parent_id;
    message->expires_at_ms = spec->expires_at_ms;
    message->idempotency_key = borrowed_text(spec->idempotency_key);
    if (spec->budget.on_breach > 0)
        message->budget = message_of_bounds(arena, &spec->budget);
    message->start_timeout_ms = spec->start_timeout_ms;
    message->max_crashes = spec->max_crashes;
    message->max_deliveries = spec->max_deliveries;
    message->non_retryable = messages_of_texts(arena, spec->non_retryable, spec->non_retryable_count);
    message->n_non_retryable = spec->non_retryable_count;
    return message;
}

Ganger__V1__Outcome *message_of_outcome(struct arena *arena, const struct outcome *outcome)
{
    Ganger__V1__Outcome *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__outcome__init(message);
    message->result = borrowed_bytes(outcome->result);
    message->content_type = borrowed_text(outcome->content_type);
    message->message = borrowed_text(outcome->message);
    message->error_type = borrowed_text(outcome->error_type);
    message->exit_status = outcome->exit_status;
    message->signal = outcome->signal;
    message->fence = outcome->fence;
    return message;
}

Ganger__V1__Task *message_of_task(struct arena *arena, const struct task_view *view)
{
    Ganger__V1__Task *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__task__init(message);
    message->task_id = view->id;
    message->withheld_by = view->withheld_by;
    if (view->used.micro_dollars > 0 || view->used.tokens > 0)
        message->used = message_of_usage(arena, &view->used);
    if (view->budget.id > 0)
        message->budget = message_of_budget(arena, &view->budget);
    message->state = (Ganger__V1__TaskState)view->state;
    message->canceling = view->canceling;
    message->reaping = view->reaping;
    message->finishing = view->finishing;
    message->output_incomplete = view->output_incomplete;
    message->spec = message_of_spec(arena, &view->spec);
    message->attempts = view->attempts;
    message->crashes = view->crashes;
    message->interruptions = view->interruptions;
    message->deliveries = view->deliveries;
    message->open_dependencies = view->open_dependencies;
    message->fence = view->fence;
    message->agent_id = borrowed_text(view->agent_id);
    message->submitted_ms = view->submitted_ms;
    message->claimed_ms = view->claimed_ms;
    message->started_ms = view->started_ms;
    message->ended_ms = view->ended_ms;
    message->due_in_ms = view->due_in_ms;
    if (view->has_outcome)
        message->outcome = message_of_outcome(arena, &view->outcome);
    message->revision = view->revision;
    message->progress_percent = view->progress_percent;
    message->progress_text = borrowed_text(view->progress_text);
    message->cancel_reason = borrowed_text(view->cancel_reason);
    message->suspending = view->suspending;
    message->suspend_reason = borrowed_text(view->suspend_reason);
    return message;
}

static char *text_of(struct arena *arena, struct bytes text)
{
    return text.size > 0 ? arena_text(arena, text) : borrowed_text("");
}

Ganger__V1__Event **messages_of_events(struct arena *arena, const struct event *events, size_t count)
{
    Ganger__V1__Event **pointers = arena_zero(arena, count, sizeof(Ganger__V1__Event *));
    Ganger__V1__Event *messages = arena_zero(arena, count, sizeof *messages);

    for (size_t i = 0; i < count; i++) {
        ganger__v1__event__init(&messages[i]);
        messages[i].revision = events[i].revision;
        messages[i].previous = events[i].previous;
        messages[i].task_id = events[i].task_id;
        messages[i].kind = borrowed_text(event_name(events[i].kind));
        messages[i].from = (Ganger__V1__TaskState)events[i].from;
        messages[i].to = (Ganger__V1__TaskState)events[i].to;
        messages[i].fence = events[i].fence;
        messages[i].who = text_of(arena, events[i].who);
        messages[i].why = text_of(arena, events[i].why);
        messages[i].subject = text_of(arena, events[i].subject);
        messages[i].wall_ms = events[i].wall_ms;
        messages[i].store_ms = events[i].store_ms;
        pointers[i] = &messages[i];
    }
    return pointers;
}

Ganger__V1__Limit *message_of_limit(struct arena *arena, const struct limit_view *view)
{
    Ganger__V1__Limit *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__limit__init(message);
    message->name = borrowed_text(view->name);
    message->is_set = view->is_set;
    message->max_running = view->max_running;
    message->running = view->running;
    if (view->rate_count > 0) {
        message->rate = arena_zero(arena, 1, sizeof *message->rate);
        ganger__v1__rate__init(message->rate);
        message->rate->count = view->rate_count;
        message->rate->interval_ms = view->rate_interval_ms;
    }
    message->refill_in_ms = view->refill_in_ms;
    message->paused_until_ms = view->paused_until_ms;
    message->paused_by = borrowed_text(view->paused_by);
    message->pause_reason = borrowed_text(view->pause_reason);
    message->lanes = view->lanes;
    message->ready = view->ready;
    return message;
}

Ganger__V1__WaitReason **messages_of_reasons(struct arena *arena, const struct wait_reason *reasons, size_t count)
{
    Ganger__V1__WaitReason **pointers = arena_zero(arena, count, sizeof(Ganger__V1__WaitReason *));
    Ganger__V1__WaitReason *messages = arena_zero(arena, count, sizeof *messages);

    for (size_t i = 0; i < count; i++) {
        ganger__v1__wait_reason__init(&messages[i]);
        messages[i].kind = (Ganger__V1__WaitKind)reasons[i].kind;
        messages[i].text = borrowed_text(reasons[i].text);
        messages[i].subject = borrowed_text(reasons[i].subject);
        messages[i].task_id = reasons[i].task_id;
        messages[i].until_ms = reasons[i].until_ms;
        messages[i].count = reasons[i].count;
        pointers[i] = &messages[i];
    }
    return pointers;
}

Ganger__V1__StateCount **messages_of_counts(struct arena *arena, const uint64_t counts[static TASK_STATES],
                                            size_t *ret_count)
{
    const size_t count = TASK_STATES - TASK_BLOCKED;
    Ganger__V1__StateCount **pointers = arena_zero(arena, count, sizeof(Ganger__V1__StateCount *));
    Ganger__V1__StateCount *messages = arena_zero(arena, count, sizeof *messages);

    for (size_t i = 0; i < count; i++) {
        ganger__v1__state_count__init(&messages[i]);
        messages[i].state = (Ganger__V1__TaskState)(TASK_BLOCKED + i);
        messages[i].tasks = counts[TASK_BLOCKED + i];
        pointers[i] = &messages[i];
    }
    *ret_count = count;
    return pointers;
}

Ganger__V1__Queue *message_of_queue(struct arena *arena, const struct queue_view *view)
{
    Ganger__V1__Queue *message = arena_zero(arena, 1, sizeof *message);
    Ganger__V1__QueueDefaults *defaults = arena_zero(arena, 1, sizeof *defaults);

    ganger__v1__queue_defaults__init(defaults);
    defaults->priority = view->defaults.priority;
    defaults->max_attempts = view->defaults.max_attempts;
    defaults->run_timeout_ms = view->defaults.run_timeout_ms;
    defaults->retention_ms = view->defaults.retention_ms;
    defaults->backoff_ms = view->defaults.backoff_ms;
    defaults->backoff_max_ms = view->defaults.backoff_max_ms;
    ganger__v1__queue__init(message);
    message->namespace_ = borrowed_text(view->namespace);
    message->queue = borrowed_text(view->queue);
    message->states = messages_of_counts(arena, view->counts, &message->n_states);
    message->oldest_ready_ms = view->oldest_ready_ms;
    message->agent_types = view->agent_types;
    message->n_agent_types = view->agent_type_count;
    message->paused_in = view->paused_in;
    message->paused_out = view->paused_out;
    message->paused_by = borrowed_text(view->paused_by);
    message->pause_reason = borrowed_text(view->pause_reason);
    message->length_max = view->length_max;
    message->defaults = defaults;
    return message;
}

struct queue_defaults defaults_of_message(const Ganger__V1__QueueDefaults *message)
{
    if (message == NULL)
        return (struct queue_defaults){0};
    return (struct queue_defaults){.priority = message->priority,
                                   .max_attempts = message->max_attempts,
                                   .run_timeout_ms = message->run_timeout_ms,
                                   .retention_ms = message->retention_ms,
                                   .backoff_ms = message->backoff_ms,
                                   .backoff_max_ms = message->backoff_max_ms};
}
