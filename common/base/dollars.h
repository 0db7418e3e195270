/* Amounts of money, counted in micro-dollars, as people write them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DOLLARS_SIZE 32

/* "2.50", "0.000001": two decimals at least, more where there is more. Writes into text and returns it. */
const char *dollars_format(uint64_t micro_dollars, char text[static DOLLARS_SIZE]);
/* "5", "2.5", "0.000001"; false when it is no amount, or has parts of a micro-dollar. Then the output is untouched. */
bool dollars_parse(const char *text, uint64_t *ret_micro_dollars);
