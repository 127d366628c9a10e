// SPDX-License-Identifier: MIT
// lwipstat's table walk and hooks against a fake lwIP, for a host's compiler with AddressSanitizer. Every list element is
// an allocation of its own and every buffer has its exact size, so that one byte too far ends the test.
// With an argument it runs the test of that name.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/fake.h"
#include "lwipstat.h"
#include "py/runtime.h"

#define MANY 5000
#define CHECK(x) do { if (!(x)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); exit(1); } } while (0)

// What lwIP and MicroPython would have.

struct netif *netif_list, *netif_default;
union tcp_listen_pcbs_t tcp_listen_pcbs;
struct tcp_pcb *tcp_active_pcbs, *tcp_tw_pcbs, *tcp_bound_pcbs;
struct udp_pcb *udp_pcbs;
static netif_ext_callback_t *callbacks;
int fake_lwip_lock, fake_spinlock;
static int tasks_run;
const mp_obj_type_t mp_type_module;
typeof(fake_state) fake_state;
extern const mp_obj_module_t lwipstat_module;

void netif_add_ext_callback(netif_ext_callback_t *callback, netif_ext_callback_fn fn) {
    for (netif_ext_callback_t *c = callbacks; c != NULL; c = c->next) {
        CHECK(c != callback); // twice in the list would make a circle
    }
    callback->callback_fn = fn;
    callback->next = callbacks;
    callbacks = callback;
}

void netif_remove_ext_callback(netif_ext_callback_t *callback) {
    CHECK(callbacks == callback);
    callbacks = callback->next;
}

static void tell(struct netif *netif, netif_nsc_reason_t reason) {
    (void)netif;
    (void)reason;
    for (netif_ext_callback_t *c = callbacks; c != NULL; c = c->next) {
        c->callback_fn(netif, reason, NULL);
    }
}

#if defined(ESP_PLATFORM)
#include "esp_netif.h"
esp_err_t esp_netif_tcpip_exec(esp_netif_callback_fn fn, void *context) {
    tasks_run++;
    return fn(context);
}
#endif

void mp_get_buffer_raise(mp_obj_t object, mp_buffer_info_t *info, int flags) {
    CHECK(flags == MP_BUFFER_WRITE);
    *info = *(mp_buffer_info_t *)object;
}

void *fake_malloc(size_t n, const mp_obj_type_t *type) {
    mp_obj_base_t *object = calloc(1, n);
    object->type = type;
    return object;
}

// A driver, and interfaces that come and go.

static int frames_in, frames_out;
static err_t driver_says = ERR_OK;

static err_t driver_input(struct pbuf *p, struct netif *netif) {
    (void)netif;
    frames_in++;
    memset(p, 0xee, sizeof(*p)); // lwIP has freed it
    return ERR_OK;
}

static err_t driver_output(struct netif *netif, struct pbuf *p) {
    (void)netif;
    (void)p;
    frames_out++;
    return driver_says;
}

static u8_t next_num;

static void add(struct netif *netif) {
    netif->num = next_num++;
    netif->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    netif->input = driver_input;
    netif->linkoutput = driver_output;
    netif->next = netif_list;
    netif_list = netif_default = netif;
    tell(netif, LWIP_NSC_NETIF_ADDED);
}

static struct netif *new_netif(const char *name) {
    struct netif *netif = calloc(1, sizeof(*netif));
    memcpy(netif->name, name, 2);
    add(netif);
    return netif;
}

static void remove_netif(struct netif *netif) {
    tell(netif, LWIP_NSC_NETIF_REMOVED);
    struct netif **at = &netif_list;
    while (*at != netif) {
        at = &(*at)->next;
    }
    *at = netif->next;
    netif_default = netif_list;
}

static void carry(struct netif *netif, int in, int out) {
    struct pbuf p;
    while (in--) {
        p.tot_len = 100;
        CHECK(netif->input(&p, netif) == ERR_OK);
    }
    while (out--) {
        p.tot_len = 60;
        CHECK(netif->linkoutput(netif, &p) == driver_says);
    }
}

// Records.

static uint64_t number(const uint8_t *p, int bytes) {
    uint64_t n = 0;
    while (bytes--) {
        n = n << 8 | p[bytes];
    }
    return n;
}

static uint8_t *buffer(size_t n) {
    return memset(malloc(n), 0xa5, n);
}

static ip_addr_t make_address(uint32_t n, int v6) {
    ip_addr_t a;
    memset(&a, 0, sizeof(a));
    #if LWIP_IPV6
    if (v6) {
        ip_2_ip6(&a)->addr[0] = 0x000080fe; // fe80::, in network order here
        ip_2_ip6(&a)->addr[3] = n;
    }
    #endif
    #if LWIP_IPV4
    if (!v6) {
        ip_2_ip4(&a)->addr = n;
    }
    #endif
    #if LWIP_IPV4 && LWIP_IPV6
    a.type = v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4;
    #endif
    return a;
}

static int family_of(int i) {
    return LWIP_IPV4 && LWIP_IPV6 ? (i & 1 ? 6 : 4) : LWIP_IPV6 ? 6 : 4;
}

static ip_addr_t nth(int i) {
    return make_address(0x0200000a + ((uint32_t)i << 24), family_of(i) == 6);
}

static struct tcp_pcb *new_tcp(struct tcp_pcb **list, enum tcp_state state, int i) {
    struct tcp_pcb *pcb = calloc(1, sizeof(*pcb));
    pcb->state = state;
    pcb->local_ip = nth(0);
    pcb->remote_ip = nth(i);
    pcb->local_port = 0x1234;
    pcb->remote_port = (u16_t)i;
    pcb->next = *list;
    *list = pcb;
    return pcb;
}

static void check_tcp(size_t room, size_t total, uint8_t state) {
    uint8_t *out = buffer(room);
    CHECK(lwipstat_tcp(out, room) == total);
    size_t whole = room / LWIPSTAT_SOCKET < total ? room / LWIPSTAT_SOCKET : total;
    for (size_t i = 0; i < whole; i++) {
        const uint8_t *p = out + i * LWIPSTAT_SOCKET;
        CHECK(p[0] == state && p[3] == 0 && number(p + 4, 2) == 0x1234);
    }
    for (size_t i = whole * LWIPSTAT_SOCKET; i < room; i++) {
        CHECK(out[i] == 0xa5);
    }
    free(out);
}

static void test_many_connections(void) {
    check_tcp(0, 0, 0);
    for (int i = 0; i < MANY; i++) {
        new_tcp(&tcp_active_pcbs, ESTABLISHED, i);
    }
    static const size_t rooms[] = { 0, 1, 39, 40, 41, 79, 80, 50 * 40, MANY * 40 - 1, MANY * 40, MANY * 40 + 39, MANY * 41 };
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        check_tcp(rooms[i], MANY, ESTABLISHED);
    }
    uint8_t *out = buffer(MANY * LWIPSTAT_SOCKET);
    lwipstat_tcp(out, MANY * LWIPSTAT_SOCKET);
    for (int i = 0; i < MANY; i++) {
        int n = MANY - 1 - i; // lwIP adds at the head
        const uint8_t *p = out + i * LWIPSTAT_SOCKET;
        ip_addr_t remote = nth(n);
        uint8_t raw[16] = { 0 };
        memcpy(raw, &remote, family_of(n) == 6 ? 16 : 4);
        CHECK(number(p + 6, 2) == (uint64_t)n && memcmp(p + 24, raw, 16) == 0 && p[1] == family_of(0));
    }
    free(out);
}

static void test_every_list(void) {
    struct tcp_pcb_listen *listener = calloc(1, sizeof(*listener));
    listener->state = LISTEN;
    listener->local_port = 80;
    listener->netif_idx = 7;
    #if LWIP_IPV4 && LWIP_IPV6
    listener->local_ip.type = IPADDR_TYPE_ANY;
    #endif
    tcp_listen_pcbs.listen_pcbs = listener;
    new_tcp(&tcp_active_pcbs, SYN_SENT, 1);
    new_tcp(&tcp_tw_pcbs, TIME_WAIT, 1);
    new_tcp(&tcp_bound_pcbs, CLOSED, 1)->remote_port = 9;
    uint8_t *out = buffer(4 * LWIPSTAT_SOCKET);
    CHECK(lwipstat_tcp(out, 4 * LWIPSTAT_SOCKET) == 4);
    CHECK(out[0] == 1 && out[1] == (LWIP_IPV4 && LWIP_IPV6 ? 46 : family_of(0)) && out[2] == 7 && number(out + 4, 2) == 80);
    for (int i = 6; i < LWIPSTAT_SOCKET; i++) {
        CHECK(out[i] == 0);
    }
    CHECK(out[40] == 2 && out[80] == 10 && out[120] == 0);
    CHECK(number(out + 46, 2) == 1 && number(out + 126, 2) == 0); // one that is only bound has no remote end
    free(out);
}

static void test_udp(void) {
    for (int i = 0; i < 3; i++) {
        struct udp_pcb *pcb = calloc(1, sizeof(*pcb));
        pcb->flags = i < 2 ? UDP_FLAGS_CONNECTED : 0;
        pcb->local_port = 68;
        pcb->remote_port = 67;
        pcb->remote_ip = i == 0 ? make_address(0, 0) : nth(2); // to any address, as DHCP's client is
        pcb->next = udp_pcbs;
        udp_pcbs = pcb;
    }
    uint8_t *out = buffer(3 * LWIPSTAT_SOCKET);
    CHECK(lwipstat_udp(out, LWIPSTAT_SOCKET) == 3 && out[LWIPSTAT_SOCKET] == 0xa5);
    CHECK(lwipstat_udp(out, 3 * LWIPSTAT_SOCKET) == 3);
    CHECK(out[0] == 0 && number(out + 6, 2) == 0);
    CHECK(out[40] == 1 && number(out + 46, 2) == 67 && out[64] != 0);
    CHECK(out[80] == 0 && number(out + 86, 2) == 0 && out[104] == 0);
    free(out);
}

static void test_interface_of_an_address(void) {
    new_netif("aa");
    struct netif *netif = new_netif("bb");
    ip_addr_t local = nth(0);
    #if LWIP_IPV4
    *ip_2_ip4(&netif->ip_addr) = *ip_2_ip4(&local);
    #else
    netif->ip6_addr[2] = local;
    netif->ip6_addr_state[2] = 0x30;
    #endif
    new_tcp(&tcp_active_pcbs, ESTABLISHED, 1);
    new_tcp(&tcp_active_pcbs, ESTABLISHED, 1)->local_ip = nth(8);
    new_tcp(&tcp_bound_pcbs, CLOSED, 1)->local_ip = make_address(0, 0);
    uint8_t *out = buffer(3 * LWIPSTAT_SOCKET);
    CHECK(lwipstat_tcp(out, 3 * LWIPSTAT_SOCKET) == 3);
    CHECK(out[2] == 0 && out[42] == netif_get_index(netif) && out[82] == 0);
    free(out);
}

// One interface's record: {flags, bytes in, packets in, bytes out, packets out}.
typedef struct { uint64_t v[5]; } counts_t;

static counts_t counts_of(const struct netif *netif) {
    uint8_t *out = buffer(300 * LWIPSTAT_INTERFACE);
    size_t n = lwipstat_interfaces(out, 300 * LWIPSTAT_INTERFACE);
    counts_t found = { { 0 } };
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = out + i * LWIPSTAT_INTERFACE;
        if (p[8] == netif_get_index(netif)) {
            CHECK(memcmp(p, netif->name, 2) == 0);
            found.v[0] = p[9];
            for (int j = 0; j < 4; j++) {
                found.v[1 + j] = number(p + 16 + 8 * j, 8);
            }
        }
    }
    free(out);
    return found;
}

static void check_counts(const struct netif *netif, uint64_t in, uint64_t out) {
    counts_t c = counts_of(netif);
    CHECK(c.v[0] == (LWIPSTAT_UP | LWIPSTAT_LINK_UP | LWIPSTAT_COUNTED));
    CHECK(c.v[1] == 100 * in && c.v[2] == in && c.v[3] == 60 * out && c.v[4] == out);
}

static void test_counting(void) {
    struct netif *netif = new_netif("en");
    carry(netif, 5, 5);
    CHECK(counts_of(netif).v[0] == (LWIPSTAT_UP | LWIPSTAT_LINK_UP));
    lwipstat_start();
    lwipstat_start();
    check_counts(netif, 0, 0);
    carry(netif, 3, 2);
    check_counts(netif, 3, 2);
    driver_says = ERR_MEM; // what the driver did not take did not leave
    carry(netif, 0, 4);
    check_counts(netif, 3, 2);
    driver_says = ERR_OK;
    CHECK(frames_in == 8 && frames_out == 11);
    lwipstat_stop();
    CHECK(netif->input == driver_input && netif->linkoutput == driver_output && callbacks == NULL);
    lwipstat_stop();
    lwipstat_start();
    check_counts(netif, 0, 0);
}

static void test_64_bits(void) {
    struct netif *netif = new_netif("en");
    lwipstat_start();
    struct pbuf p = { 65535 };
    for (int i = 0; i < 70000; i++) {
        CHECK(netif->linkoutput(netif, &p) == ERR_OK);
    }
    counts_t c = counts_of(netif);
    CHECK(c.v[3] == 70000ull * 65535 && c.v[4] == 70000);
}

static void test_added_again(void) {
    struct netif *netif = new_netif("en");
    lwipstat_start();
    carry(netif, 1, 1);
    for (int i = 1; i < 20; i++) {
        remove_netif(netif);
        counts_of(netif);
        add(netif);
        counts_of(netif);
        carry(netif, 1, 1);
        check_counts(netif, 1 + (uint64_t)i, 1 + (uint64_t)i);
    }
    uint8_t *out = buffer(LWIPSTAT_INTERFACE);
    CHECK(lwipstat_interfaces(out, LWIPSTAT_INTERFACE) == 1);
    CHECK(memcmp(out, "en0\0\0\0\0", 8) == 0 && out[8] == 20); // the name stays
    free(out);
    lwipstat_stop();
    CHECK(netif->input == driver_input && netif->linkoutput == driver_output);
}

#if !LWIP_NETIF_EXT_STATUS_CALLBACK
static void test_added_again_unseen(void) {
    // Not even asked in between; and a driver that sets its linkoutput only once.
    struct netif *netif = new_netif("en");
    lwipstat_start();
    carry(netif, 1, 1);
    netif_linkoutput_fn held = netif->linkoutput;
    remove_netif(netif);
    add(netif);
    netif->linkoutput = held;
    carry(netif, 1, 1);
    counts_of(netif);
    carry(netif, 1, 1);
    CHECK(counts_of(netif).v[2] == 2 && counts_of(netif).v[4] == 3);
}
#endif

static netif_input_fn below_input;
static netif_linkoutput_fn below_output;

static err_t other_input(struct pbuf *p, struct netif *netif) {
    return below_input(p, netif);
}

static err_t other_output(struct netif *netif, struct pbuf *p) {
    return below_output(netif, p);
}

static void test_somebody_elses_hook(void) {
    struct netif *netif = new_netif("en");
    lwipstat_start();
    below_input = netif->input;
    below_output = netif->linkoutput;
    netif->input = other_input;
    netif->linkoutput = other_output;
    for (int i = 0; i < 3; i++) {
        counts_of(netif); // must not hook again: that would go round for ever
        carry(netif, 1, 1);
    }
    check_counts(netif, 3, 3);
    lwipstat_stop();
    CHECK(netif->input == other_input);
    carry(netif, 1, 1);
    CHECK(frames_in == 4 && frames_out == 4);
    lwipstat_start();
    carry(netif, 2, 2);
    check_counts(netif, 2, 2);
}

static void test_more_interfaces_than_slots(void) {
    struct netif *netifs[250];
    lwipstat_start();
    for (int i = 0; i < 250; i++) {
        netifs[i] = new_netif("en");
        counts_of(netifs[i]);
    }
    int counted = 0;
    for (int i = 0; i < 250; i++) {
        carry(netifs[i], 1, 1);
        counts_t c = counts_of(netifs[i]);
        counted += (c.v[0] & LWIPSTAT_COUNTED) != 0;
        CHECK(c.v[2] == ((c.v[0] & LWIPSTAT_COUNTED) != 0));
    }
    CHECK(counted == LWIPSTAT_INTERFACES && frames_in == 250 && frames_out == 250);
    uint8_t *out = buffer(LWIPSTAT_INTERFACE + 1);
    CHECK(lwipstat_interfaces(out, LWIPSTAT_INTERFACE + 1) == 250 && out[LWIPSTAT_INTERFACE] == 0xa5);
    CHECK(memcmp(out, "en249\0\0", 8) == 0);
    free(out);
}

static void test_interfaces_that_come_and_go(void) {
    lwipstat_start();
    for (int i = 0; i < 100; i++) {
        struct netif *netif = new_netif("pp");
        counts_of(netif);
        carry(netif, 1, 1);
        #if LWIP_NETIF_EXT_STATUS_CALLBACK
        check_counts(netif, 1, 1);
        #endif
        remove_netif(netif);
        free(netif);
        uint8_t none;
        CHECK(lwipstat_interfaces(&none, 0) == 0);
    }
    lwipstat_stop();
}

static void test_interface_without_linkoutput(void) {
    struct netif *netif = new_netif("lo");
    netif->linkoutput = NULL;
    netif->flags = NETIF_FLAG_UP;
    lwipstat_start();
    counts_t c = counts_of(netif);
    CHECK(c.v[0] == LWIPSTAT_UP && netif->input == driver_input);
    lwipstat_stop();
}

// The module, as MicroPython would call it.

static const void *find(const mp_obj_dict_t *dict, int key) {
    for (size_t i = 0; i < dict->n; i++) {
        if (dict->table[i].key == MP_ROM_QSTR(key)) {
            return dict->table[i].value;
        }
    }
    return NULL;
}

static err_t input_looks_at_the_lock(struct pbuf *p, struct netif *netif) {
    (void)p;
    (void)netif;
    CHECK(fake_spinlock == 0); // never held over a call into lwIP
    return ERR_OK;
}

static void test_module(void) {
    const mp_obj_dict_t *globals = lwipstat_module.globals;
    const fake_fun_0_t *init = find(globals, MP_QSTR___init__);
    const fake_fun_1_t *tcp = find(globals, MP_QSTR_tcp);
    const fake_fun_1_t *interfaces = find(globals, MP_QSTR_interfaces);
    CHECK(find(globals, MP_QSTR_SOCKET) == (void *)40 && find(globals, MP_QSTR_INTERFACE) == (void *)48);
    struct netif *netif = new_netif("en");
    netif->input = input_looks_at_the_lock;
    init->fun();
    mp_obj_base_t *guard = fake_state.lwipstat_guard;
    init->fun(); // a second import
    CHECK(guard != NULL && fake_state.lwipstat_guard == guard && netif->input != input_looks_at_the_lock);
    carry(netif, 1, 1);
    for (int i = 0; i < 3; i++) {
        new_tcp(&tcp_active_pcbs, ESTABLISHED, i);
    }
    mp_buffer_info_t info = { buffer(2 * LWIPSTAT_SOCKET), 2 * LWIPSTAT_SOCKET };
    CHECK(tcp->fun(&info) == MP_OBJ_NEW_SMALL_INT(3));
    CHECK(interfaces->fun(&info) == MP_OBJ_NEW_SMALL_INT(1));
    const fake_fun_1_t *del = find(guard->type->locals_dict, MP_QSTR___del__);
    del->fun(guard); // a soft reset
    free(guard);
    CHECK(netif->input == input_looks_at_the_lock && fake_state.lwipstat_guard == MP_OBJ_NULL);
    init->fun();
    check_counts(netif, 0, 0);
    #if defined(ESP_PLATFORM)
    CHECK(tasks_run == 5);
    #else
    CHECK(tasks_run == 0);
    #endif
    CHECK(fake_lwip_lock == 0 && fake_spinlock == 0);
    free(info.buf);
}

static const struct { const char *name; void (*run)(void); } tests[] = {
    { "many_connections", test_many_connections },
    { "every_list", test_every_list },
    { "udp", test_udp },
    { "interface_of_an_address", test_interface_of_an_address },
    { "counting", test_counting },
    { "64_bits", test_64_bits },
    { "added_again", test_added_again },
    #if !LWIP_NETIF_EXT_STATUS_CALLBACK
    { "added_again_unseen", test_added_again_unseen },
    #endif
    { "somebody_elses_hook", test_somebody_elses_hook },
    { "more_interfaces_than_slots", test_more_interfaces_than_slots },
    { "interfaces_that_come_and_go", test_interfaces_that_come_and_go },
    { "interface_without_linkoutput", test_interface_without_linkoutput },
    { "module", test_module },
};

// Without an argument: the names. lwipstat's state is static, so each test is a process of its own.
int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (argc < 2) {
            puts(tests[i].name);
        } else if (strcmp(argv[1], tests[i].name) == 0) {
            tests[i].run();
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
