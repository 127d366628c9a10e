#include <stdbool.h>
#include <string.h>

#include "lwipstat.h"
#include "lwip/init.h"
#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "lwip/priv/tcp_priv.h"

#if LWIP_VERSION_MAJOR < 2 || (LWIP_VERSION_MAJOR == 2 && LWIP_VERSION_MINOR < 1)
#error "lwipstat needs lwIP 2.1"
#endif

// On ESP-IDF a driver calls netif->input from its own task, so 64-bit counters need a lock of their own. Everywhere else
// frames are handled under the lock that the readers hold.
#if defined(ESP_PLATFORM)
#include "freertos/FreeRTOS.h"
static portMUX_TYPE counters_lock = portMUX_INITIALIZER_UNLOCKED;
#define LOCK_COUNTERS() portENTER_CRITICAL_SAFE(&counters_lock)
#define UNLOCK_COUNTERS() portEXIT_CRITICAL_SAFE(&counters_lock)
#else
#define LOCK_COUNTERS()
#define UNLOCK_COUNTERS()
#endif

#ifndef ETH_PAD_SIZE
#define ETH_PAD_SIZE 0
#endif

static uint8_t *put16(uint8_t *p, uint16_t n) {
    p[0] = (uint8_t)n;
    p[1] = (uint8_t)(n >> 8);
    return p + 2;
}

static uint8_t *put64(uint8_t *p, uint64_t n) {
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(n >> (8 * i));
    }
    return p + 8;
}

static struct netif *first_netif(void) {
    #if LWIP_SINGLE_NETIF
    return netif_default;
    #else
    return netif_list;
    #endif
}

static struct netif *next_netif(const struct netif *netif) {
    #if LWIP_SINGLE_NETIF
    (void)netif;
    return NULL;
    #else
    return netif->next;
    #endif
}

// Sockets.

static uint8_t family(const ip_addr_t *address) {
    #if LWIP_IPV6 && LWIP_IPV4
    return IP_IS_ANY_TYPE_VAL(*address) ? 46 : IP_IS_V6_VAL(*address) ? 6 : 4;
    #else
    (void)address;
    return LWIP_IPV6 ? 6 : 4;
    #endif
}

static void put_address(uint8_t *out, const ip_addr_t *address) {
    switch (family(address)) {
        #if LWIP_IPV4
        case 4: {
            uint32_t word = ip_2_ip4(address)->addr; // in network order
            memcpy(out, &word, 4);
            break;
        }
        #endif
        #if LWIP_IPV6
        case 6:
            memcpy(out, ip_2_ip6(address)->addr, 16);
            break;
        #endif
        default:
            break;
    }
}

static bool lives_on(const struct netif *netif, const ip_addr_t *address) {
    #if LWIP_IPV4
    if (IP_IS_V4(address) && ip4_addr_cmp(ip_2_ip4(address), netif_ip4_addr(netif))) {
        return true;
    }
    #endif
    #if LWIP_IPV6
    for (int i = 0; IP_IS_V6(address) && i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (!ip6_addr_isinvalid(netif_ip6_addr_state(netif, i))
            && ip6_addr_cmp(ip_2_ip6(address), netif_ip6_addr(netif, i))) {
            return true;
        }
    }
    #endif
    return false;
}

static uint8_t interface_of(const ip_addr_t *local) {
    if (!ip_addr_isany(local)) {
        for (struct netif *netif = first_netif(); netif != NULL; netif = next_netif(netif)) {
            if (lives_on(netif, local)) {
                return netif_get_index(netif);
            }
        }
    }
    return 0;
}

typedef struct {
    uint8_t *out;
    size_t room; // records that still fit
    size_t total;
} table_t;

static void put_socket(table_t *table, uint8_t state, uint8_t bound_to, const ip_addr_t *local, uint16_t local_port,
    const ip_addr_t *remote, uint16_t remote_port) {
    table->total++;
    if (table->room == 0) {
        return;
    }
    table->room--;
    uint8_t *p = table->out;
    table->out += LWIPSTAT_SOCKET;
    memset(p, 0, LWIPSTAT_SOCKET);
    p[0] = state;
    p[1] = family(local);
    p[2] = bound_to ? bound_to : interface_of(local);
    put16(p + 4, local_port);
    put16(p + 6, remote_port);
    put_address(p + 8, local);
    if (remote != NULL) {
        put_address(p + 24, remote);
    }
}

size_t lwipstat_tcp(uint8_t *out, size_t size) {
    table_t table = { out, size / LWIPSTAT_SOCKET, 0 };
    for (const struct tcp_pcb_listen *pcb = tcp_listen_pcbs.listen_pcbs; pcb != NULL; pcb = pcb->next) {
        put_socket(&table, LISTEN, pcb->netif_idx, &pcb->local_ip, pcb->local_port, NULL, 0);
    }
    struct tcp_pcb *const lists[] = { tcp_active_pcbs, tcp_tw_pcbs, tcp_bound_pcbs };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct tcp_pcb *pcb = lists[i]; pcb != NULL; pcb = pcb->next) {
            put_socket(&table, pcb->state, pcb->netif_idx, &pcb->local_ip, pcb->local_port,
                pcb->state == CLOSED ? NULL : &pcb->remote_ip, pcb->state == CLOSED ? 0 : pcb->remote_port);
        }
    }
    return table.total;
}

size_t lwipstat_udp(uint8_t *out, size_t size) {
    table_t table = { out, size / LWIPSTAT_SOCKET, 0 };
    for (const struct udp_pcb *pcb = udp_pcbs; pcb != NULL; pcb = pcb->next) {
        bool connected = (pcb->flags & UDP_FLAGS_CONNECTED) != 0;
        put_socket(&table, connected, pcb->netif_idx, &pcb->local_ip, pcb->local_port,
            connected ? &pcb->remote_ip : NULL, connected ? pcb->remote_port : 0);
    }
    return table.total;
}

// Interfaces.

typedef struct {
    struct netif *netif; // NULL: free. Only compared, never followed: the interface may be gone.
    bool added;          // it is in lwIP's list, as far as we were told
    uint8_t num;         // of its name: the first that lwIP gave it
    netif_input_fn input; // what was there before our hooks
    netif_linkoutput_fn linkoutput;
    uint64_t bytes_in, packets_in, bytes_out, packets_out;
} slot_t;

static slot_t slots[LWIPSTAT_INTERFACES];
static bool started;

static slot_t *slot_of(const struct netif *netif) {
    for (int i = 0; i < LWIPSTAT_INTERFACES; i++) {
        if (slots[i].netif == netif) {
            return &slots[i];
        }
    }
    return NULL;
}

static uint16_t frame_size(const struct pbuf *p) {
    return p->tot_len > ETH_PAD_SIZE ? p->tot_len - ETH_PAD_SIZE : 0;
}

static err_t count_input(struct pbuf *p, struct netif *netif) {
    slot_t *slot = slot_of(netif);
    if (slot == NULL) {
        return ERR_IF; // cannot be: a hook is taken out before its slot is given away. The caller frees the frame.
    }
    if (started) {
        LOCK_COUNTERS();
        slot->bytes_in += frame_size(p);
        slot->packets_in++;
        UNLOCK_COUNTERS();
    }
    return slot->input(p, netif);
}

static err_t count_output(struct netif *netif, struct pbuf *p) {
    slot_t *slot = slot_of(netif);
    if (slot == NULL) {
        return ERR_IF;
    }
    uint16_t n = frame_size(p);
    err_t result = slot->linkoutput(netif, p);
    if (started && result == ERR_OK) {
        LOCK_COUNTERS();
        slot->bytes_out += n;
        slot->packets_out++;
        UNLOCK_COUNTERS();
    }
    return result;
}

static bool hooked(const struct netif *netif) {
    return netif->input == count_input && netif->linkoutput == count_output;
}

static slot_t *new_slot(struct netif *netif) {
    slot_t *slot = slot_of(NULL);
    #if LWIP_NETIF_EXT_STATUS_CALLBACK
    for (int i = 0; slot == NULL && i < LWIPSTAT_INTERFACES; i++) {
        if (!slots[i].added) {
            slot = &slots[i]; // of an interface that was removed, and our hooks with it
        }
    }
    #endif
    if (slot != NULL) {
        memset(slot, 0, sizeof(*slot));
        slot->netif = netif;
        slot->num = netif->num;
    }
    return slot;
}

// `fresh`: lwIP has just added this interface, so whatever it holds is its driver's.
static void hook(struct netif *netif, bool fresh) {
    if (netif->linkoutput == NULL || netif->input == NULL || hooked(netif)) {
        return;
    }
    slot_t *slot = slot_of(netif);
    if (slot == NULL && (slot = new_slot(netif)) == NULL) {
        return;
    }
    bool input_known = netif->input == count_input || netif->input == slot->input;
    bool output_known = netif->linkoutput == count_output || netif->linkoutput == slot->linkoutput;
    if (slot->added && !fresh && !(input_known && output_known)) {
        // Somebody put a hook of their own over ours. Ours still runs below it; a second one would make a circle.
        return;
    }
    if (netif->input != count_input) {
        slot->input = netif->input;
    }
    if (netif->linkoutput != count_output) {
        slot->linkoutput = netif->linkoutput;
    }
    slot->added = true;
    netif->input = count_input;
    netif->linkoutput = count_output;
}

// Takes our hooks out; false when somebody's lie over them, so that they have to stay.
static bool unhook(struct netif *netif, slot_t *slot) {
    if (netif->input == count_input) {
        netif->input = slot->input;
    }
    if (netif->linkoutput == count_output) {
        netif->linkoutput = slot->linkoutput;
    }
    return netif->input == slot->input && netif->linkoutput == slot->linkoutput;
}

#if LWIP_NETIF_EXT_STATUS_CALLBACK
static bool listening;

static void changed(struct netif *netif, netif_nsc_reason_t reason, const netif_ext_callback_args_t *args) {
    (void)args;
    if (!started) {
        return;
    }
    if (reason & LWIP_NSC_NETIF_ADDED) {
        hook(netif, true);
    }
    if (reason & LWIP_NSC_NETIF_REMOVED) {
        slot_t *slot = slot_of(netif);
        if (slot != NULL) {
            unhook(netif, slot);
            slot->added = false; // its totals go on if it comes back
        }
    }
}

NETIF_DECLARE_EXT_CALLBACK(callback)
#endif

static bool in_list(const struct netif *wanted) {
    struct netif *netif = first_netif();
    while (netif != NULL && netif != wanted) {
        netif = next_netif(netif);
    }
    return netif != NULL;
}

static void hook_all(void) {
    for (int i = 0; i < LWIPSTAT_INTERFACES; i++) {
        slots[i].added = slots[i].added && in_list(slots[i].netif);
    }
    for (struct netif *netif = first_netif(); netif != NULL; netif = next_netif(netif)) {
        hook(netif, false);
    }
}

void lwipstat_start(void) {
    if (started) {
        return;
    }
    for (int i = 0; i < LWIPSTAT_INTERFACES; i++) {
        slots[i].bytes_in = slots[i].packets_in = slots[i].bytes_out = slots[i].packets_out = 0;
    }
    hook_all();
    #if LWIP_NETIF_EXT_STATUS_CALLBACK
    if (!listening) {
        netif_add_ext_callback(&callback, changed);
        listening = true;
    }
    #endif
    started = true;
}

void lwipstat_stop(void) {
    if (!started) {
        return;
    }
    started = false;
    #if LWIP_NETIF_EXT_STATUS_CALLBACK
    netif_remove_ext_callback(&callback);
    listening = false;
    #endif
    for (struct netif *netif = first_netif(); netif != NULL; netif = next_netif(netif)) {
        slot_t *slot = slot_of(netif);
        if (slot != NULL && unhook(netif, slot)) {
            memset(slot, 0, sizeof(*slot));
        }
    }
    #if LWIP_NETIF_EXT_STATUS_CALLBACK
    // Without the callback an interface may have been removed with our hooks in it, and come back with them.
    for (int i = 0; i < LWIPSTAT_INTERFACES; i++) {
        if (slots[i].netif != NULL && !in_list(slots[i].netif)) {
            memset(&slots[i], 0, sizeof(slots[i]));
        }
    }
    #endif
}

// Our hooks see what this interface carries: they are in place, or right below somebody else's.
static uint8_t counted(const struct netif *netif, const slot_t *slot) {
    return slot != NULL && netif->input != slot->input && netif->linkoutput != slot->linkoutput ? LWIPSTAT_COUNTED : 0;
}

static void put_interface(uint8_t *p, const struct netif *netif) {
    uint64_t values[4] = { 0, 0, 0, 0 };
    const slot_t *slot = slot_of(netif);
    memset(p, 0, LWIPSTAT_INTERFACE);
    p[0] = (uint8_t)netif->name[0];
    p[1] = (uint8_t)netif->name[1];
    uint8_t num = slot != NULL ? slot->num : netif->num;
    uint8_t *digits = p + 2;
    if (num >= 100) {
        *digits++ = '0' + num / 100;
    }
    if (num >= 10) {
        *digits++ = '0' + num / 10 % 10;
    }
    *digits = '0' + num % 10;
    p[8] = netif_get_index(netif);
    p[9] = (netif_is_up(netif) ? LWIPSTAT_UP : 0) | (netif_is_link_up(netif) ? LWIPSTAT_LINK_UP : 0)
        | counted(netif, slot);
    if (slot != NULL) {
        LOCK_COUNTERS();
        values[0] = slot->bytes_in;
        values[1] = slot->packets_in;
        values[2] = slot->bytes_out;
        values[3] = slot->packets_out;
        UNLOCK_COUNTERS();
    }
    p += 16;
    for (int i = 0; i < 4; i++) {
        p = put64(p, values[i]);
    }
}

size_t lwipstat_interfaces(uint8_t *out, size_t size) {
    size_t room = size / LWIPSTAT_INTERFACE;
    size_t total = 0;
    if (started) {
        hook_all();
    }
    for (struct netif *netif = first_netif(); netif != NULL; netif = next_netif(netif)) {
        if (total < room) {
            put_interface(out + total * LWIPSTAT_INTERFACE, netif);
        }
        total++;
    }
    return total;
}
