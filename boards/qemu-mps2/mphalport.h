#include <stddef.h>
#include "shared/runtime/interrupt_char.h"

void hal_init(void);
uint32_t heap_size(uint32_t otherwise);
uint64_t clock_cycles(void);
void random_bytes(void *out, size_t n);
void quit(int status) __attribute__((noreturn));

uint32_t wall_seconds(void);
void wall_set(uint32_t seconds);

void net_init(void);

#define MICROPY_INTERNAL_EVENT_HOOK poll_now()
#define MICROPY_INTERNAL_WFE(timeout_ms) __asm volatile ("wfi")

#define CLOCK_HZ 25000000
