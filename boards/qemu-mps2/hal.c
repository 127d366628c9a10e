// The machine under MicroPython: UART 0, two timers and the host behind semihosting.
//
//   0x40000000  CMSDK timer 0, 25 MHz, 32 bits, free running: all times come from it
//   0xe000e010  SysTick, every millisecond: ends a wait for interrupts, asks for a look at the network
//   0x40004000  CMSDK UART 0, interrupt 0 on receiving
#include <string.h>

#include "py/mphal.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"

#define WORD(address) (*(volatile uint32_t *)(address))

#define TIMER_CTRL WORD(0x40000000)
#define TIMER_VALUE WORD(0x40000004)
#define TIMER_RELOAD WORD(0x40000008)
#define SYST_CSR WORD(0xe000e010)
#define SYST_RVR WORD(0xe000e014)
#define NVIC_ENABLE WORD(0xe000e100)
#define NVIC_DISABLE WORD(0xe000e180)
#define UART_DATA WORD(0x40004000)
#define UART_STATE WORD(0x40004004) // bit 0: transmitter full, bit 1: a byte was received
#define UART_CTRL WORD(0x40004008)  // bit 0: transmit, 1: receive, 3: interrupt on receiving
#define UART_INT WORD(0x4000400c)
#define UART_BAUDDIV WORD(0x40004010)
#define UART_RX_IRQ 0

volatile bool poll_due;      // an interrupt asks for a look at the network, see net.c
volatile unsigned net_locked; // somebody works on lwIP's lists

// Semihosting (Arm's "Semihosting for AArch32 and AArch64"): the host's clock, /dev/urandom, command line and exit.

#define SYS_OPEN 0x01
#define SYS_READ 0x06
#define SYS_TIME 0x11
#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT_EXTENDED 0x20

static uint32_t host(uint32_t operation, const void *arguments) {
    register uint32_t r0 __asm__ ("r0") = operation;
    register const void *r1 __asm__ ("r1") = arguments;
    __asm volatile ("bkpt 0xab" : "+r" (r0) : "r" (r1) : "memory");
    return r0;
}

void quit(int status) {
    uint32_t arguments[2] = { 0x20026, status }; // ADP_Stopped_ApplicationExit
    host(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

void random_bytes(void *out, size_t n) {
    static uint32_t handle;
    if (!handle) {
        static const char name[] = "/dev/urandom";
        uint32_t open[3] = { (uint32_t)name, 1, sizeof(name) - 1 }; // "rb"
        handle = host(SYS_OPEN, open);
    }
    uint32_t read[3] = { handle, (uint32_t)out, n };
    if (handle == 0xffffffff || host(SYS_READ, read) != 0) {
        static const char text[] = "no entropy from the host\r\n";
        mp_hal_stdout_tx_strn(text, sizeof(text) - 1);
        quit(1);
    }
}

uint32_t random_word(void) {
    uint32_t word;
    random_bytes(&word, sizeof(word));
    return word;
}

// The number after "heap=" on the command line that QEMU was given (-semihosting-config arg=heap=N).
uint32_t heap_size(uint32_t otherwise) {
    static char line[256];
    uint32_t arguments[2] = { (uint32_t)line, sizeof(line) };
    const char *at;
    if (host(SYS_GET_CMDLINE, arguments) != 0 || (at = strstr(line, "heap=")) == NULL) {
        return otherwise;
    }
    uint32_t n = 0;
    for (at += 5; *at >= '0' && *at <= '9'; at++) {
        n = n * 10 + *at - '0';
    }
    return n;
}

// Time.

uint64_t clock_cycles(void) {
    static uint32_t before;
    static uint64_t cycles;
    uint32_t state = irq_lock();
    uint32_t now = -TIMER_VALUE;
    cycles += now - before;
    before = now;
    uint64_t result = cycles;
    irq_unlock(state);
    return result;
}

void systick_irq(void) {
    static uint16_t count;
    poll_due = true;
    if (++count == 0) {
        clock_cycles(); // each 65 s, so that no wrap at 171 s is missed
    }
}

mp_uint_t mp_hal_ticks_ms(void) {
    return clock_cycles() / (CLOCK_HZ / 1000);
}

mp_uint_t mp_hal_ticks_us(void) {
    return clock_cycles() / (CLOCK_HZ / 1000000);
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return clock_cycles();
}

void mp_hal_delay_ms(mp_uint_t ms) {
    mp_uint_t start = mp_hal_ticks_ms();
    do {
        mp_event_wait_ms(1);
    } while (mp_hal_ticks_ms() - start < ms);
}

void mp_hal_delay_us(mp_uint_t us) {
    mp_uint_t start = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - start < us) {
        mp_event_handle_nowait();
    }
}

static uint32_t wall_start; // what the wall clock showed when clock_cycles() was 0

uint32_t wall_seconds(void) {
    return wall_start + (uint32_t)(clock_cycles() / CLOCK_HZ);
}

void wall_set(uint32_t seconds) {
    wall_start = seconds - (uint32_t)(clock_cycles() / CLOCK_HZ);
}

uint64_t mp_hal_time_ns(void) {
    return wall_start * 1000000000ull + clock_cycles() * (1000000000 / CLOCK_HZ);
}

// The console. A byte that finds the ring full stays in the UART, and QEMU keeps what follows.

static uint8_t rx_space[512];
static ringbuf_t rx = { rx_space, sizeof(rx_space), 0, 0 };

void uart_rx_irq(void) {
    UART_INT = 2;
    while (UART_STATE & 2) {
        if (!ringbuf_free(&rx)) {
            NVIC_DISABLE = 1 << UART_RX_IRQ;
            return;
        }
        uint8_t c = UART_DATA;
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            ringbuf_put(&rx, c);
        }
    }
}

static int rx_byte(void) {
    uint32_t state = irq_lock();
    int c = ringbuf_get(&rx);
    uart_rx_irq(); // a byte may have been waiting for the room
    irq_unlock(state);
    NVIC_ENABLE = 1 << UART_RX_IRQ;
    return c;
}

int mp_hal_stdin_rx_chr(void) {
    int c;
    while ((c = rx_byte()) < 0) {
        mp_event_wait_ms(1);
    }
    return c;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    uintptr_t ready = flags & MP_STREAM_POLL_WR;
    if ((flags & MP_STREAM_POLL_RD) && ringbuf_avail(&rx)) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}

// A console that nobody reads must not stop the board: after half a second its output is thrown away, as a USB console's is.
mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t n) {
    static bool unread;
    for (size_t i = 0; i < n; i++) {
        uint64_t until = clock_cycles() + (unread ? 0 : CLOCK_HZ / 2);
        while (UART_STATE & 1) {
            if (clock_cycles() >= until) {
                unread = true;
                return i;
            }
        }
        unread = false;
        UART_DATA = (uint8_t)text[i];
    }
    return n;
}

void hal_init(void) {
    TIMER_RELOAD = 0xffffffff;
    TIMER_VALUE = 0xffffffff;
    TIMER_CTRL = 1;
    clock_cycles();
    wall_set(host(SYS_TIME, NULL));
    UART_BAUDDIV = 16;
    UART_CTRL = 1 | 2 | 8;
    NVIC_ENABLE = 1 << UART_RX_IRQ;
    SYST_RVR = CLOCK_HZ / 1000 - 1;
    SYST_CSR = 7; // processor clock, interrupt, on
}
