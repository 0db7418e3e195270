/* Numbers as people read them. Each writes into text and returns it. */
#pragma once

#include <stdint.h>

#define FORMAT_SIZE 32

/* "12ms", "4.2s", "42s", "4m12s", "3h05m", "2d04h" */
const char *format_duration(uint64_t duration_ms, char text[static FORMAT_SIZE]);
/* One unit: "12s", "4m", "3h", "2d" */
const char *format_age(uint64_t age_ms, char text[static FORMAT_SIZE]);
/* "29 B", "1.2 KiB", "3.4 GiB" */
const char *format_size(uint64_t size_bytes, char text[static FORMAT_SIZE]);
/* "18,220" */
const char *format_count(uint64_t count, char text[static FORMAT_SIZE]);
/* Local time: "2026-11-23 20:13:04" */
const char *format_time(uint64_t unix_ms, char text[static FORMAT_SIZE]);
