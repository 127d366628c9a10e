// SPDX-License-Identifier: MIT
// Just enough of MicroPython's macros to compile modlwipstat.c on a host and to call it.
#ifndef FAKE_RUNTIME_H
#define FAKE_RUNTIME_H

#include <stdint.h>
#include <stddef.h>

typedef void *mp_obj_t;
#define MP_OBJ_NULL ((mp_obj_t)0)
#define MP_OBJ_FROM_PTR(p) ((mp_obj_t)(p))
#define MP_OBJ_NEW_SMALL_INT(n) ((mp_obj_t)(intptr_t)(n))
#define mp_const_none ((mp_obj_t)1)

enum { MP_QSTR___name__, MP_QSTR___init__, MP_QSTR___del__, MP_QSTR_lwipstat, MP_QSTR_guard, MP_QSTR_tcp, MP_QSTR_udp,
    MP_QSTR_interfaces, MP_QSTR_SOCKET, MP_QSTR_INTERFACE };
typedef struct { const void *key, *value; } mp_rom_map_elem_t;
#define MP_ROM_QSTR(q) ((const void *)(intptr_t)(q))
#define MP_ROM_PTR(p) (p)
#define MP_ROM_INT(n) ((const void *)(intptr_t)(n))
typedef struct { const mp_rom_map_elem_t *table; size_t n; } mp_obj_dict_t;
#define MP_DEFINE_CONST_DICT(name, table) const mp_obj_dict_t name = { table, sizeof(table) / sizeof(table[0]) }

typedef struct { const mp_obj_dict_t *locals_dict; } mp_obj_type_t;
typedef struct { const mp_obj_type_t *type; } mp_obj_base_t;
typedef struct { mp_obj_base_t base; mp_obj_dict_t *globals; } mp_obj_module_t;
extern const mp_obj_type_t mp_type_module;
#define MP_TYPE_FLAG_NONE 0
#define MP_DEFINE_CONST_OBJ_TYPE(name, qstr, flags, slot, dict) const mp_obj_type_t name = { dict }

typedef struct { mp_obj_t (*fun)(void); } fake_fun_0_t;
typedef struct { mp_obj_t (*fun)(mp_obj_t); } fake_fun_1_t;
#define MP_DEFINE_CONST_FUN_OBJ_0(name, f) const fake_fun_0_t name = { f }
#define MP_DEFINE_CONST_FUN_OBJ_1(name, f) const fake_fun_1_t name = { f }

#define MICROPY_MODULE_BUILTIN_INIT 1
#define MICROPY_ENABLE_FINALISER 1
#define MP_REGISTER_MODULE(name, module)
#define MP_REGISTER_ROOT_POINTER(declaration) struct fake_root_pointer
extern struct { mp_obj_t lwipstat_guard; } fake_state;
#define MP_STATE_VM(name) (fake_state.name)

typedef struct { void *buf; size_t len; } mp_buffer_info_t;
#define MP_BUFFER_WRITE 2
void mp_get_buffer_raise(mp_obj_t object, mp_buffer_info_t *info, int flags);
void *fake_malloc(size_t n, const mp_obj_type_t *type);
#define mp_obj_malloc_with_finaliser(struct_type, obj_type) ((struct_type *)fake_malloc(sizeof(struct_type), obj_type))

#if !defined(ESP_PLATFORM)
extern int fake_lwip_lock;
#define MICROPY_PY_LWIP_ENTER fake_lwip_lock++;
#define MICROPY_PY_LWIP_EXIT fake_lwip_lock--;
#endif

#endif
