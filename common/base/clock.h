/* The clocks, for shells; cores get the time as an argument. */
#pragma once

#include <stdint.h>

/* Since the boot, also through suspend: for durations. */
uint64_t clock_boot_ms(void);
uint64_t clock_boot_us(void);
/* Unix time: only for what people mean as wall time. */
uint64_t clock_wall_ms(void);
