// Included by extmod/modos.c.
static mp_obj_t mp_os_urandom(mp_obj_t size_in) {
    vstr_t out;
    vstr_init_len(&out, mp_obj_get_int(size_in));
    random_bytes(out.buf, out.len);
    return mp_obj_new_bytes_from_vstr(&out);
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_os_urandom_obj, mp_os_urandom);
