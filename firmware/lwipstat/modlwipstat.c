// SPDX-License-Identifier: MIT
// The MicroPython module `lwipstat`: lwipstat.h with each port's way to keep lwIP still meanwhile.
#include "py/runtime.h"
#include "lwipstat.h"

// What one call does in lwIP's context.
typedef struct {
    size_t (*read)(uint8_t *out, size_t size);
    uint8_t *out;
    size_t size;
    size_t total;
} job_t;

static size_t start(uint8_t *out, size_t size) {
    (void)out;
    (void)size;
    lwipstat_start();
    return 0;
}

static size_t stop(uint8_t *out, size_t size) {
    (void)out;
    (void)size;
    lwipstat_stop();
    return 0;
}

#if defined(ESP_PLATFORM)
// ESP-IDF: lwIP has a task of its own; a function runs in it and we wait.
#include "esp_err.h"
#include "esp_netif.h"

static esp_err_t in_lwip_task(void *job_in) {
    job_t *job = job_in;
    job->total = job->read(job->out, job->size);
    return ESP_OK;
}

static void run(job_t *job) {
    esp_netif_tcpip_exec(in_lwip_task, job);
}
#else
// Ports on extmod/modlwip.c: lwIP runs from PendSV or is polled, and these keep it out. Nothing between them raises.
#ifndef MICROPY_PY_LWIP_ENTER
#define MICROPY_PY_LWIP_ENTER
#define MICROPY_PY_LWIP_EXIT
#endif

static void run(job_t *job) {
    MICROPY_PY_LWIP_ENTER
    job->total = job->read(job->out, job->size);
    MICROPY_PY_LWIP_EXIT
}
#endif

static mp_obj_t read_into(mp_obj_t buffer, size_t (*read)(uint8_t *, size_t)) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_WRITE);
    job_t job = { read, info.buf, info.len, 0 };
    run(&job);
    return MP_OBJ_NEW_SMALL_INT(job.total);
}

static mp_obj_t mod_tcp(mp_obj_t buffer) {
    return read_into(buffer, lwipstat_tcp);
}
static MP_DEFINE_CONST_FUN_OBJ_1(mod_tcp_obj, mod_tcp);

static mp_obj_t mod_udp(mp_obj_t buffer) {
    return read_into(buffer, lwipstat_udp);
}
static MP_DEFINE_CONST_FUN_OBJ_1(mod_udp_obj, mod_udp);

static mp_obj_t mod_interfaces(mp_obj_t buffer) {
    return read_into(buffer, lwipstat_interfaces);
}
static MP_DEFINE_CONST_FUN_OBJ_1(mod_interfaces_obj, mod_interfaces);

// A user module is not told of a soft reset. An object with a finaliser is: it lives until the heap is swept. One block
// of the heap, at the first import; nothing after that.
static mp_obj_t guard_del(mp_obj_t self) {
    (void)self;
    job_t job = { stop, NULL, 0, 0 };
    run(&job);
    MP_STATE_VM(lwipstat_guard) = MP_OBJ_NULL;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(guard_del_obj, guard_del);

static const mp_rom_map_elem_t guard_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&guard_del_obj) },
};
static MP_DEFINE_CONST_DICT(guard_locals, guard_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(guard_type, MP_QSTR_guard, MP_TYPE_FLAG_NONE, locals_dict, &guard_locals);

static mp_obj_t mod_init(void) {
    if (MP_STATE_VM(lwipstat_guard) == MP_OBJ_NULL) {
        MP_STATE_VM(lwipstat_guard) = MP_OBJ_FROM_PTR(mp_obj_malloc_with_finaliser(mp_obj_base_t, &guard_type));
        job_t job = { start, NULL, 0, 0 };
        run(&job);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(mod_init_obj, mod_init);

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_lwipstat) },
    { MP_ROM_QSTR(MP_QSTR___init__), MP_ROM_PTR(&mod_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_tcp), MP_ROM_PTR(&mod_tcp_obj) },
    { MP_ROM_QSTR(MP_QSTR_udp), MP_ROM_PTR(&mod_udp_obj) },
    { MP_ROM_QSTR(MP_QSTR_interfaces), MP_ROM_PTR(&mod_interfaces_obj) },
    { MP_ROM_QSTR(MP_QSTR_SOCKET), MP_ROM_INT(LWIPSTAT_SOCKET) },
    { MP_ROM_QSTR(MP_QSTR_INTERFACE), MP_ROM_INT(LWIPSTAT_INTERFACE) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t lwipstat_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};

#if !MICROPY_MODULE_BUILTIN_INIT || !MICROPY_ENABLE_FINALISER
#error "lwipstat needs MICROPY_MODULE_BUILTIN_INIT and MICROPY_ENABLE_FINALISER"
#endif

MP_REGISTER_MODULE(MP_QSTR_lwipstat, lwipstat_module);
MP_REGISTER_ROOT_POINTER(mp_obj_t lwipstat_guard);
