// Vectors, reset and faults. RAM is loaded whole, so only .bss is cleared.
#include <stdint.h>

#include "py/mpconfig.h"
#include "py/mphal.h"

extern uint32_t _stack_top, _bss_start, _bss_end;
int main(void);
void systick_irq(void);
void uart_rx_irq(void);
void lan_irq(void);

#define WORD(address) (*(volatile uint32_t *)(address))

__attribute__((naked)) void reset_handler(void) {
    for (uint32_t *p = &_bss_start; p < &_bss_end; p++) {
        *p = 0;
    }
    main();
    quit(0);
}

static void print_word(const char *name, uint32_t value) {
    char text[11];
    for (int i = 0; i < 8; i++) {
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    }
    text[8] = '\r';
    text[9] = '\n';
    mp_hal_stdout_tx_strn(name, 6);
    mp_hal_stdout_tx_strn(text, 10);
}

// A fault ends QEMU with status 1, after the registers that `arm-none-eabi-addr2line -e firmware.elf` wants.
__attribute__((used)) void report_fault(const uint32_t *frame) {
    mp_hal_stdout_tx_strn("\r\nFAULT\r\n", 9);
    print_word("pc    ", frame[6]);
    print_word("lr    ", frame[5]);
    print_word("cfsr  ", WORD(0xe000ed28));
    print_word("bfar  ", WORD(0xe000ed38));
    quit(1);
}

__attribute__((naked)) static void fault_handler(void) {
    __asm volatile ("mov r0, sp\nb report_fault");
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16 + 32] = {
    &_stack_top, reset_handler,
    [2 ... 14] = fault_handler,
    [15] = systick_irq,
    [16 + 0] = uart_rx_irq,
    [16 + 13] = lan_irq,
};
