// SPDX-License-Identifier: MIT
// The TCP and UDP tables, read from lwIP's lists of control blocks.
#include <stdbool.h>
#include <string.h>

#include "lists.h"
#include "lwipstat.h"
#include "lwip/ip_addr.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "lwip/priv/tcp_priv.h"

static void put16(uint8_t *p, uint16_t n) {
    p[0] = (uint8_t)n;
    p[1] = (uint8_t)(n >> 8);
}

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
        // DHCP's client is connected to a port only, and takes what any address sends from there.
        bool connected = (pcb->flags & UDP_FLAGS_CONNECTED) != 0 && !ip_addr_isany(&pcb->remote_ip);
        put_socket(&table, connected, pcb->netif_idx, &pcb->local_ip, pcb->local_port,
            connected ? &pcb->remote_ip : NULL, connected ? pcb->remote_port : 0);
    }
    return table.total;
}
