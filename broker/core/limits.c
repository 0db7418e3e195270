#include "broker/core/limits.h"

#include "broker/core/agent.h"
#include "broker/core/checkpoint.h"
#include "broker/core/keys.h"
#include "broker/core/limit.h"
#include "broker/core/turn.h"

#include "broker/core/unique.h"

#include <string.h>

#define BAD_FIELD(error, ...) error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", __VA_ARGS__)

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool has_only(const char *text, const char *others)
{
    for (; *text != '\0'; text++)
        if (!is_letter_or_digit(*text) && strchr(others, *text) == NULL)
            return false;
    return true;
}

enum status limits_check_name(const char *field, const char *name, struct error *error)
{
    if (strlen(name) <= NAME_MAX_BYTES && has_only(name, "._-"))
        return STATUS_OK;
    return BAD_FIELD(error, "%s: at most %d of a-z A-Z 0-9 . _ - are allowed", field, NAME_MAX_BYTES);
}

enum status limits_check_limit(const char *field, const char *name, struct error *error)
{
    size_t size = strlen(name);

    if (size > 0 && size <= LIMIT_NAME_MAX && has_only(name, "._-/:@"))
        return STATUS_OK;
    return BAD_FIELD(error, "%s: 1 to %d of a-z A-Z 0-9 . _ - / : @ are needed", field, LIMIT_NAME_MAX);
}

static enum status check_agent_id(const char *agent_id, struct error *error)
{
    size_t size = strlen(agent_id);

    if (size > 0 && size <= AGENT_ID_MAX && has_only(agent_id, "._-/@:"))
        return STATUS_OK;
    return BAD_FIELD(error, "agent_id: 1 to %d of a-z A-Z 0-9 . _ - / @ : are needed", AGENT_ID_MAX);
}

static enum status check_size(const char *field, size_t size, size_t most, struct error *error)
{
    if (size <= most)
        return STATUS_OK;
    return BAD_FIELD(error, "%s: at most %zu bytes are allowed, these are %zu", field, most, size);
}

static enum status check_count(const char *field, size_t count, size_t most, struct error *error)
{
    if (count <= most)
        return STATUS_OK;
    return BAD_FIELD(error, "%s: at most %zu are allowed, these are %zu", field, most, count);
}

static enum status check_duration(const char *field, uint64_t value_ms, uint64_t most_ms, struct error *error)
{
    if (value_ms <= most_ms)
        return STATUS_OK;
    return BAD_FIELD(error, "%s: at most %llu days are allowed", field, (unsigned long long)(most_ms / DAY_MS));
}

static enum status check_labels(const struct label *labels, size_t count, struct error *error)
{
    TRY(check_count("labels", count, LABELS_MAX, error));
    for (size_t i = 0; i < count; i++) {
        TRY(check_size("labels.key", strlen(labels[i].key), LABEL_KEY_MAX, error));
        TRY(check_size("labels.value", strlen(labels[i].value), LABEL_VALUE_MAX, error));
        if (labels[i].key[0] == '\0')
            return BAD_FIELD(error, "labels.key: it must not be empty");
    }
    return STATUS_OK;
}

static enum status check_limit_names(const struct task_spec *spec, struct error *error)
{
    TRY(check_count("limits", spec->limit_count, LIMITS_PER_TASK_MAX, error));
    for (size_t i = 0; i < spec->limit_count; i++)
        TRY(limits_check_limit("limits", spec->limits[i], error));
    return STATUS_OK;
}

static enum status check_retries(const struct task_spec *spec, struct error *error)
{
    if (spec->max_attempts > ATTEMPTS_MAX)
        return BAD_FIELD(error, "max_attempts: at most %d are allowed", ATTEMPTS_MAX);
    if (spec->max_crashes > CRASHES_MAX)
        return BAD_FIELD(error, "max_crashes: at most %d are allowed", CRASHES_MAX);
    if (spec->max_deliveries > DELIVERIES_MAX)
        return BAD_FIELD(error, "max_deliveries: at most %d are allowed", DELIVERIES_MAX);
    TRY(check_count("non_retryable", spec->non_retryable_count, NON_RETRYABLE_MAX, error));
    for (size_t i = 0; i < spec->non_retryable_count; i++) {
        TRY(check_size("non_retryable", strlen(spec->non_retryable[i]), ERROR_TYPE_MAX, error));
        if (spec->non_retryable[i][0] == '\0')
            return BAD_FIELD(error, "non_retryable: a type must not be empty");
    }
    return STATUS_OK;
}

static enum status check_times(const struct task_spec *spec, struct error *error)
{
    if (spec->not_before_ms > 0 && spec->delay_ms > 0)
        return BAD_FIELD(error, "delay_ms: it cannot be given together with not_before_ms");
    TRY(check_duration("delay_ms", spec->delay_ms, DELAY_MAX_MS, error));
    if (spec->expires_at_ms > 0 && spec->expires_at_ms <= spec->not_before_ms)
        return BAD_FIELD(error, "expires_at_ms: it must be after not_before_ms");
    if (spec->start_timeout_ms > 0 && spec->start_timeout_ms < START_TIMEOUT_MIN_MS)
        return BAD_FIELD(error, "start_timeout_ms: at least %d are needed", START_TIMEOUT_MIN_MS);
    TRY(check_duration("start_timeout_ms", spec->start_timeout_ms, START_TIMEOUT_MAX_MS, error));
    TRY(check_duration("run_timeout_ms", spec->run_timeout_ms, RUN_TIMEOUT_MAX_MS, error));
    return check_duration("retention_ms", spec->retention_ms, RETENTION_MAX_MS, error);
}

static enum status check_budget(const struct budget *budget, struct error *error)
{
    if (budget->on_breach == 0)
        return STATUS_OK;
    if (budget->on_breach > BREACH_CANCEL)
        return BAD_FIELD(error, "budget.on_breach: SUSPEND_TREE or CANCEL_TREE is needed");
    if (budget->micro_dollars == 0 && budget->tokens == 0)
        return BAD_FIELD(error, "budget: a bound for micro_dollars or for tokens is needed");
    return STATUS_OK;
}

enum status limits_check_spec(const struct task_spec *spec, struct error *error)
{
    TRY(limits_check_name("namespace", spec->namespace, error));
    TRY(limits_check_name("queue", spec->queue, error));
    TRY(limits_check_name("agent_type", spec->agent_type, error));
    TRY(check_size("title", strlen(spec->title), TITLE_MAX, error));
    TRY(check_size("payload", spec->payload.size, PAYLOAD_MAX, error));
    TRY(check_size("content_type", strlen(spec->content_type), CONTENT_TYPE_MAX, error));
    TRY(check_labels(spec->labels, spec->label_count, error));
    TRY(check_limit_names(spec, error));
    TRY(check_size("fairness_key", strlen(spec->fairness_key), FAIRNESS_KEY_MAX, error));
    if (spec->priority > PRIORITY_LAST)
        return BAD_FIELD(error, "priority: 1 (first) to %d (last) are allowed", PRIORITY_LAST);
    TRY(check_times(spec, error));
    TRY(check_budget(&spec->budget, error));
    TRY(check_size("idempotency_key", strlen(spec->idempotency_key), IDEMPOTENCY_KEY_MAX, error));
    return check_retries(spec, error);
}

enum status limits_check_dependencies(const struct task_spec *spec, struct error *error)
{
    return check_count("depends_on", spec->depends_on_count + spec->depends_on_index_count, DEPENDENCIES_MAX, error);
}

enum status limits_check_submit(const struct command_submit *submit, struct error *error)
{
    if (submit->spec_count == 0)
        return BAD_FIELD(error, "tasks: at least one is needed");
    TRY(check_count("tasks", submit->spec_count, SPECS_MAX, error));
    if (submit->session.size == 0)
        return STATUS_OK;
    if (submit->session.size != SESSION_SIZE)
        return BAD_FIELD(error, "session: %d bytes are needed, or none", SESSION_SIZE);
    if (submit->sequence == 0)
        return BAD_FIELD(error, "sequence: it counts from 1");
    if (submit->acked_below > submit->sequence)
        return BAD_FIELD(error, "acked_below: it cannot be above the sequence");
    return STATUS_OK;
}

static enum status check_filter(const struct task_filter *filter, struct error *error)
{
    TRY(limits_check_name("namespace", filter->namespace, error));
    TRY(limits_check_name("queue", filter->queue, error));
    TRY(limits_check_name("agent_type", filter->agent_type, error));
    return check_labels(filter->labels, filter->label_count, error);
}

enum status limits_check_order(const struct job_order *order, struct error *error)
{
    TRY(check_filter(&order->filter, error));
    return check_size("reason", strlen(order->reason), REASON_MAX, error);
}

enum status limits_check_list(const struct command_list *list, struct error *error)
{
    TRY(check_filter(&list->filter, error));
    return check_count("page_size", list->page_size, PAGE_MAX, error);
}

enum status limits_check_checkpoint(const char *field, struct bytes content, struct error *error)
{
    return check_size(field, content.size, CHECKPOINT_MAX, error);
}

enum status limits_check_reason(const char *reason, struct error *error)
{
    return check_size("reason", strlen(reason), REASON_MAX, error);
}

enum status limits_check_cancel(const struct command_cancel *cancel, struct error *error)
{
    return limits_check_reason(cancel->reason, error);
}

enum status limits_check_register(const struct command_register *registration, struct error *error)
{
    TRY(check_agent_id(registration->agent_id, error));
    TRY(check_size("host", strlen(registration->host), REASON_MAX, error));
    TRY(check_size("version", strlen(registration->version), NAME_MAX_BYTES, error));
    TRY(check_count("held", registration->held_count, HELD_MAX, error));
    TRY(check_count("profiles", registration->profile_count, PROFILES_MAX, error));
    for (size_t i = 0; i < registration->profile_count; i++) {
        TRY(limits_check_name("profiles.agent_type", registration->profiles[i].agent_type, error));
        TRY(check_size("profiles.problem", strlen(registration->profiles[i].problem), REASON_MAX, error));
    }
    return STATUS_OK;
}

enum status limits_check_claim(const struct command_claim *claim, struct error *error)
{
    TRY(limits_check_name("namespace", claim->namespace, error));
    TRY(check_count("queues", claim->queue_count, QUEUES_MAX, error));
    for (size_t i = 0; i < claim->queue_count; i++)
        TRY(limits_check_name("queues", claim->queues[i], error));
    TRY(limits_check_name("agent_type", claim->agent_type, error));
    TRY(check_agent_id(claim->agent_id, error));
    if (claim->claim_seq == 0)
        return BAD_FIELD(error, "claim_seq: it counts from 1");
    return check_count("max", claim->max, CLAIM_MAX, error);
}

enum status limits_check_start(const struct command_start *start, struct error *error)
{
    return start->agent_id[0] == '\0' ? STATUS_OK : check_agent_id(start->agent_id, error);
}

enum status limits_check_heartbeat(const struct command_heartbeat *heartbeat, struct error *error)
{
    TRY(check_agent_id(heartbeat->agent_id, error));
    TRY(check_count("beats", heartbeat->beat_count, BEATS_MAX, error));
    for (size_t i = 0; i < heartbeat->beat_count; i++) {
        if (heartbeat->beats[i].progress_percent > 100)
            return BAD_FIELD(error, "beats.progress_percent: at most 100 is allowed");
        TRY(check_size("beats.progress_text", strlen(heartbeat->beats[i].progress_text), REASON_MAX, error));
        TRY(limits_check_checkpoint("beats.checkpoint", heartbeat->beats[i].checkpoint, error));
    }
    return STATUS_OK;
}

/* Its message is cut, not refused: it is often the tail of somebody else's output. */
enum status limits_check_outcome(const struct outcome *outcome, struct error *error)
{
    TRY(check_size("outcome.result", outcome->result.size, RESULT_MAX, error));
    TRY(check_size("outcome.error_type", strlen(outcome->error_type), ERROR_TYPE_MAX, error));
    return check_size("outcome.content_type", strlen(outcome->content_type), CONTENT_TYPE_MAX, error);
}

enum status limits_check_page(uint32_t page_size, struct error *error)
{
    return check_count("page_size", page_size, PAGE_MAX, error);
}

enum status limits_check_exit(const struct command_report_exit *report, struct error *error)
{
    if (report->how < EXIT_COMPLETED || report->how >= EXIT_KINDS)
        return BAD_FIELD(error, "how: one of the ways in which a run ends is needed");
    return limits_check_outcome(&report->outcome, error);
}

enum status limits_check_set_limit(const struct command_set_limit *set, struct error *error)
{
    bool sets = set->has_max_running || set->has_rate || set->has_pause;

    TRY(limits_check_limit("limit", set->name, error));
    TRY(check_size("reason", strlen(set->reason), REASON_MAX, error));
    if (set->remove && sets)
        return BAD_FIELD(error, "delete: nothing can be set in the same request");
    if (set->max_running > MAX_RUNNING_MAX)
        return BAD_FIELD(error, "max_running: at most %d is allowed", MAX_RUNNING_MAX);
    if (set->rate_count > RATE_COUNT_MAX)
        return BAD_FIELD(error, "rate.count: at most %d is allowed", RATE_COUNT_MAX);
    if (set->rate_count > 0 && set->rate_interval_ms == 0)
        return BAD_FIELD(error, "rate.interval_ms: it is needed with a count");
    TRY(check_duration("rate.interval_ms", set->rate_interval_ms, RATE_INTERVAL_MAX_MS, error));
    if (set->paused_until_ms > 0 && set->pause_for_ms > 0)
        return BAD_FIELD(error, "pause_for_ms: it cannot be given together with paused_until_ms");
    return check_duration("pause_for_ms", set->pause_for_ms, PAUSE_MAX_MS, error);
}

enum status limits_check_pause_limit(const struct command_pause_limit *pause, struct error *error)
{
    TRY(limits_check_limit("limit", pause->limit, error));
    TRY(check_size("reason", strlen(pause->reason), REASON_MAX, error));
    if ((pause->until_ms > 0) == (pause->for_ms > 0))
        return BAD_FIELD(error, "until_ms: either this or for_ms is needed");
    return check_duration("for_ms", pause->for_ms, HOLDER_PAUSE_MAX_MS, error);
}

enum status limits_check_pause_queue(const struct command_pause_queue *pause, struct error *error)
{
    return check_size("reason", strlen(pause->reason), REASON_MAX, error);
}

enum status limits_check_set_queue(const struct command_set_queue *set, struct error *error)
{
    const struct queue_defaults *defaults = &set->defaults;

    if (!set->has_length_max && !set->has_defaults)
        return BAD_FIELD(error, "length_max: something is to be said about the queue");
    if (defaults->priority > PRIORITY_LAST)
        return BAD_FIELD(error, "defaults.priority: 1 (first) to %d (last) are allowed", PRIORITY_LAST);
    if (defaults->max_attempts > ATTEMPTS_MAX)
        return BAD_FIELD(error, "defaults.max_attempts: at most %d are allowed", ATTEMPTS_MAX);
    TRY(check_duration("defaults.run_timeout_ms", defaults->run_timeout_ms, RUN_TIMEOUT_MAX_MS, error));
    return check_duration("defaults.retention_ms", defaults->retention_ms, RETENTION_MAX_MS, error);
}

enum status limits_check_drain(const struct command_drain *drain, struct error *error)
{
    TRY(check_agent_id(drain->agent_id, error));
    return check_size("reason", strlen(drain->reason), REASON_MAX, error);
}

enum status limits_check_set_budget(const struct command_set_budget *set, struct error *error)
{
    if (!set->has_micro_dollars && !set->has_tokens && set->on_breach == 0)
        return BAD_FIELD(error, "micro_dollars: something is to be said about the budget");
    if (set->on_breach > BREACH_CANCEL)
        return BAD_FIELD(error, "on_breach: SUSPEND_TREE or CANCEL_TREE is needed");
    return STATUS_OK;
}

enum status limits_check_move(const struct command_move *move, struct error *error)
{
    if (move->task_count == 0)
        return BAD_FIELD(error, "task_ids: at least one is needed");
    TRY(check_count("task_ids", move->task_count, MOVED_MAX, error));
    if (move->queue[0] == '\0')
        return BAD_FIELD(error, "queue: the name of the queue that they go to is needed");
    TRY(limits_check_name("queue", move->queue, error));
    return check_size("reason", strlen(move->reason), REASON_MAX, error);
}
