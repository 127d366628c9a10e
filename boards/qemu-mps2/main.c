// Power-on, soft resets, and the garbage collector's view of the stack.
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modnetwork.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "options.h"

#define HEAP_MAX (1024 * 1024)

extern uint32_t _stack_top, _stack_size;
static uint8_t heap[HEAP_MAX] __attribute__((aligned(16)));

// boot.py, then main.py unless a tool has asked for the raw REPL. False when one of them ended in a soft reset.
static bool run_scripts(void) {
    int result = pyexec_file_if_exists("boot.py");
    if (!(result & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && result != 0) {
        result = pyexec_file_if_exists("main.py");
    }
    return !(result & PYEXEC_FORCED_EXIT);
}

int main(void) {
    hal_init();
    uint32_t size = heap_size(HEAP_DEFAULT) & ~15u;
    if (size == 0 || size > HEAP_MAX) {
        size = HEAP_DEFAULT;
    }
    mp_cstack_init_with_top(&_stack_top, (size_t)&_stack_size);
    gc_init(heap, heap + size);
    net_init();

    for (;;) {
        mp_init();
        mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib));
        readline_init0();
        mod_network_init();
        pyexec_frozen_module("_boot.py", false);
        if (run_scripts()) {
            while ((pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl()) == 0) {
            }
        }
        mp_printf(&mp_plat_print, "MPY: soft reboot\n");
        mod_network_deinit();
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *value) {
    (void)value;
    static const char text[] = "FATAL: uncaught exception\r\n";
    mp_hal_stdout_tx_strn(text, sizeof(text) - 1);
    quit(1);
}
