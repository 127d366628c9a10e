// How MicroPython is configured here: the features of a mid-range board (Pico W, ESP32), nothing that needs pins.

#include <stdint.h>
#include <alloca.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

#define MICROPY_HW_BOARD_NAME "qemu-mps2"
#define MICROPY_HW_MCU_NAME "Cortex-M3"
#define MICROPY_PY_SYS_PLATFORM "qemu"

// Code: .mpy files, native and viper code for armv7m.
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_EMIT_THUMB (1)
#define MICROPY_EMIT_INLINE_THUMB (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((mp_uint_t)(p) | 1))

// Memory: one heap, TLS in it too, as on a board.
#define MICROPY_ENABLE_GC (1)
#define MICROPY_TRACKED_ALLOC (1)
#define MICROPY_MEM_STATS (1)
#define MICROPY_MALLOC_USES_ALLOCATED_SIZE (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_PY_MICROPYTHON_HEAP_LOCKED (1)
#define MICROPY_STACK_CHECK_MARGIN (1024)

#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MP_NEED_LOG2 (1)
#define MP_SSIZE_MAX (0x7fffffff)
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;

// Files.
#define MICROPY_VFS (1)
#define MICROPY_READER_VFS (1)
#define MICROPY_MODULE_FROZEN (1)
#define MICROPY_HELPER_REPL (1)
#define MICROPY_PY_SYS_STDIO_BUFFER (1)

// Time and chance come from the host, see hal.c.
#define MICROPY_EPOCH_IS_1970 (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_INCLUDEFILE "time_port.h"
#define MICROPY_PY_OS_UNAME (1)
#define MICROPY_PY_OS_URANDOM (1)
#define MICROPY_PY_OS_INCLUDEFILE "os_port.h"
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC (random_word())
uint32_t random_word(void);

// Network.
#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "qemu-mps2"
#define MICROPY_PORT_NETWORK_INTERFACES { MP_ROM_QSTR(MP_QSTR_LAN), MP_ROM_PTR(&network_lan_type) },
extern const struct _mp_obj_type_t network_lan_type;
#define MICROPY_PY_HASHLIB_SHA1 (1)
#define MICROPY_PY_HASHLIB_MD5 (1)
#define MICROPY_PY_DEFLATE_COMPRESS (1)

#define MICROPY_PY_MACHINE (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE "machine_port.h"
#define MICROPY_PY_MACHINE_RESET (1)
#define MICROPY_PY_MACHINE_PIN_BASE (0)
#define MICROPY_PY_MACHINE_PULSE (0)
#define MICROPY_PY_MACHINE_SIGNAL (0)

#define MICROPY_PY_FRAMEBUF (0)
#define MICROPY_PY_BLUETOOTH (0)

// lwIP is polled, never run from an interrupt. While somebody works on its lists it is not polled.
extern volatile unsigned net_locked;
#define MICROPY_PY_LWIP_ENTER net_locked++;
#define MICROPY_PY_LWIP_REENTER MICROPY_PY_LWIP_ENTER
#define MICROPY_PY_LWIP_EXIT net_locked--;

// Every millisecond a flag asks for a look at the network; see net.c.
extern volatile _Bool poll_due;
void poll_now(void);
#define MICROPY_VM_HOOK_LOOP if (poll_due) { poll_now(); }
#define MICROPY_VM_HOOK_RETURN MICROPY_VM_HOOK_LOOP

static inline uint32_t irq_lock(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\ncpsid i" : "=r" (state) : : "memory");
    return state;
}

static inline void irq_unlock(uint32_t state) {
    __asm volatile ("msr primask, %0" : : "r" (state) : "memory");
}

#define MICROPY_BEGIN_ATOMIC_SECTION() irq_lock()
#define MICROPY_END_ATOMIC_SECTION(state) irq_unlock(state)

#define MP_STATE_PORT MP_STATE_VM
