// Included by extmod/modmachine.c.
#include "py/mphal.h"

extern const mp_obj_type_t machine_rtc_type;

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    { MP_ROM_QSTR(MP_QSTR_RTC), MP_ROM_PTR(&machine_rtc_type) },

static void mp_machine_idle(void) {
    mp_event_wait_ms(1);
}

NORETURN static void mp_machine_reset(void) {
    quit(0);
}

static mp_int_t mp_machine_reset_cause(void) {
    return 0;
}
