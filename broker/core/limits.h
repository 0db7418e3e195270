/* The bounds of what a command may say. Errors are INVALID_ARGUMENT/BAD_FIELD and name the field. */
#pragma once

#include "broker/core/command.h"
#include "common/base/status.h"

#define NAME_MAX_BYTES 63
#define SPECS_MAX 1000
#define PAYLOAD_MAX 65536
#define TITLE_MAX 255
#define CONTENT_TYPE_MAX 127
#define LABELS_MAX 16
#define LABEL_KEY_MAX 63
#define LABEL_VALUE_MAX 255
#define PRIORITY_LAST 9
#define DAY_MS (24ULL * 60 * 60 * 1000)
#define SCHEDULE_MAX_MS (366 * DAY_MS)
#define RUN_TIMEOUT_MAX_MS (30 * DAY_MS)
#define RETENTION_MAX_MS (366 * DAY_MS)
#define DELAY_MAX_MS (366 * DAY_MS)
#define ATTEMPTS_MAX 100
#define CRASHES_MAX 100
#define CRASHES_DEFAULT 3 /* a poison task must not kill the fleet */
#define DELIVERIES_MAX 1000
#define DELIVERIES_DEFAULT 20 /* that were not charged as attempts */
#define NON_RETRYABLE_MAX 16
#define ERROR_TYPE_MAX 63
#define START_TIMEOUT_MIN_MS 1000
#define START_TIMEOUT_MAX_MS DAY_MS
#define RESULT_MAX 65536
#define MESSAGE_MAX 1023
#define REASON_MAX 255
#define QUEUES_MAX 64
#define CLAIM_MAX 256
#define BEATS_MAX 1000
#define HELD_MAX 1000
#define PAGE_MAX 1000
#define MOVED_MAX 1000 /* tasks of one command */
#define MAX_RUNNING_MAX 1000000
#define RATE_COUNT_MAX 1000000
#define RATE_INTERVAL_MAX_MS DAY_MS
#define PAUSE_MAX_MS (366 * DAY_MS)
#define HOLDER_PAUSE_MAX_MS (7 * DAY_MS) /* that a holder may ask for */
#define DEPENDENCIES_MAX 64              /* of one task, by id and by index together */

enum status limits_check_spec(const struct task_spec *spec, struct error *error) NODISCARD;
enum status limits_check_dependencies(const struct task_spec *spec, struct error *error) NODISCARD;
/* The request as a whole, without its tasks. */
enum status limits_check_submit(const struct command_submit *submit, struct error *error) NODISCARD;
enum status limits_check_order(const struct job_order *order, struct error *error) NODISCARD;
enum status limits_check_list(const struct command_list *list, struct error *error) NODISCARD;
/* A checkpoint or an answer. */
enum status limits_check_checkpoint(const char *field, struct bytes content, struct error *error) NODISCARD;
enum status limits_check_reason(const char *reason, struct error *error) NODISCARD;
enum status limits_check_cancel(const struct command_cancel *cancel, struct error *error) NODISCARD;
enum status limits_check_register(const struct command_register *registration, struct error *error) NODISCARD;
enum status limits_check_claim(const struct command_claim *claim, struct error *error) NODISCARD;
enum status limits_check_start(const struct command_start *start, struct error *error) NODISCARD;
enum status limits_check_heartbeat(const struct command_heartbeat *heartbeat, struct error *error) NODISCARD;
enum status limits_check_outcome(const struct outcome *outcome, struct error *error) NODISCARD;
/* Of a named limit. */
enum status limits_check_limit(const char *field, const char *name, struct error *error) NODISCARD;
enum status limits_check_set_limit(const struct command_set_limit *set, struct error *error) NODISCARD;
enum status limits_check_pause_limit(const struct command_pause_limit *pause, struct error *error) NODISCARD;
enum status limits_check_set_budget(const struct command_set_budget *set, struct error *error) NODISCARD;
enum status limits_check_move(const struct command_move *move, struct error *error) NODISCARD;
enum status limits_check_drain(const struct command_drain *drain, struct error *error) NODISCARD;
enum status limits_check_pause_queue(const struct command_pause_queue *pause, struct error *error) NODISCARD;
enum status limits_check_set_queue(const struct command_set_queue *set, struct error *error) NODISCARD;
enum status limits_check_page(uint32_t page_size, struct error *error) NODISCARD;
enum status limits_check_exit(const struct command_report_exit *report, struct error *error) NODISCARD;
/* A namespace, queue or agent type that may be empty. */
enum status limits_check_name(const char *field, const char *name, struct error *error) NODISCARD;
