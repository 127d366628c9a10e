// SPDX-License-Identifier: MIT
// Just enough of lwIP 2's declarations to compile lwipstat on a host: the names and meanings that it uses, no code.
// LWIP_IPV4, LWIP_IPV6, LWIP_SINGLE_NETIF and LWIP_NETIF_EXT_STATUS_CALLBACK come from the command line.
#ifndef FAKE_LWIP_H
#define FAKE_LWIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LWIP_VERSION_MAJOR 2
#define LWIP_VERSION_MINOR 2

typedef uint8_t u8_t;
typedef uint16_t u16_t;
typedef int8_t err_t;
#define ERR_OK 0
#define ERR_MEM (-1)
#define ERR_IF (-12)

typedef struct { uint32_t addr; } ip4_addr_t;
typedef struct { uint32_t addr[4]; } ip6_addr_t;
#define ip4_addr_cmp(a, b) ((a)->addr == (b)->addr)
#define ip6_addr_cmp(a, b) (memcmp((a)->addr, (b)->addr, 16) == 0)

#define IPADDR_TYPE_V4 0
#define IPADDR_TYPE_V6 6
#define IPADDR_TYPE_ANY 46
#if LWIP_IPV4 && LWIP_IPV6
typedef struct { union { ip6_addr_t ip6; ip4_addr_t ip4; } u_addr; uint8_t type; } ip_addr_t;
#define IP_IS_ANY_TYPE_VAL(a) ((a).type == IPADDR_TYPE_ANY)
#define IP_IS_V6_VAL(a) ((a).type == IPADDR_TYPE_V6)
#define IP_IS_V4(a) ((a)->type == IPADDR_TYPE_V4)
#define IP_IS_V6(a) ((a)->type == IPADDR_TYPE_V6)
#define ip_2_ip4(a) (&(a)->u_addr.ip4)
#define ip_2_ip6(a) (&(a)->u_addr.ip6)
#elif LWIP_IPV4
typedef ip4_addr_t ip_addr_t;
#define IP_IS_V4(a) 1
#define ip_2_ip4(a) (a)
#else
typedef ip6_addr_t ip_addr_t;
#define IP_IS_V6(a) 1
#define ip_2_ip6(a) (a)
#endif

static inline bool ip_addr_isany(const ip_addr_t *a) {
    #if LWIP_IPV4 && LWIP_IPV6
    if (a->type != IPADDR_TYPE_V6) {
        return a->u_addr.ip4.addr == 0;
    }
    #endif
    #if LWIP_IPV6
    static const uint32_t zeros[4];
    return memcmp(ip_2_ip6(a)->addr, zeros, 16) == 0;
    #else
    return a->addr == 0;
    #endif
}

struct pbuf { u16_t tot_len; };

struct netif;
typedef err_t (*netif_input_fn)(struct pbuf *p, struct netif *inp);
typedef err_t (*netif_linkoutput_fn)(struct netif *netif, struct pbuf *p);

#define LWIP_IPV6_NUM_ADDRESSES 3
struct netif {
    struct netif *next;
    ip_addr_t ip_addr;
    ip6_addr_t ip6_addr[LWIP_IPV6_NUM_ADDRESSES];
    u8_t ip6_addr_state[LWIP_IPV6_NUM_ADDRESSES];
    netif_input_fn input;
    netif_linkoutput_fn linkoutput;
    char name[2];
    u8_t num;
    u8_t flags;
};
#define NETIF_FLAG_UP 1
#define NETIF_FLAG_LINK_UP 4
#define netif_is_up(n) (((n)->flags & NETIF_FLAG_UP) != 0)
#define netif_is_link_up(n) (((n)->flags & NETIF_FLAG_LINK_UP) != 0)
#define netif_get_index(n) ((u8_t)((n)->num + 1))
#define netif_ip4_addr(n) ((const ip4_addr_t *)ip_2_ip4(&(n)->ip_addr))
#define netif_ip6_addr(n, i) ((const ip6_addr_t *)&(n)->ip6_addr[i])
#define netif_ip6_addr_state(n, i) ((n)->ip6_addr_state[i])
#define ip6_addr_isinvalid(state) ((state) == 0)
extern struct netif *netif_list, *netif_default;

typedef u16_t netif_nsc_reason_t;
typedef union { int unused; } netif_ext_callback_args_t;
typedef void (*netif_ext_callback_fn)(struct netif *, netif_nsc_reason_t, const netif_ext_callback_args_t *);
typedef struct netif_ext_callback { netif_ext_callback_fn callback_fn; struct netif_ext_callback *next; } netif_ext_callback_t;
#define NETIF_DECLARE_EXT_CALLBACK(name) static netif_ext_callback_t name;
#define LWIP_NSC_NETIF_ADDED 1
#define LWIP_NSC_NETIF_REMOVED 2
void netif_add_ext_callback(netif_ext_callback_t *callback, netif_ext_callback_fn fn);
void netif_remove_ext_callback(netif_ext_callback_t *callback);

enum tcp_state { CLOSED, LISTEN, SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT };
struct tcp_pcb {
    ip_addr_t local_ip, remote_ip;
    u8_t netif_idx;
    struct tcp_pcb *next;
    enum tcp_state state;
    u16_t local_port, remote_port;
};
struct tcp_pcb_listen {
    ip_addr_t local_ip, remote_ip;
    u8_t netif_idx;
    struct tcp_pcb_listen *next;
    enum tcp_state state;
    u16_t local_port;
};
union tcp_listen_pcbs_t { struct tcp_pcb_listen *listen_pcbs; struct tcp_pcb *pcbs; };
extern union tcp_listen_pcbs_t tcp_listen_pcbs;
extern struct tcp_pcb *tcp_active_pcbs, *tcp_tw_pcbs, *tcp_bound_pcbs;

#define UDP_FLAGS_CONNECTED 4
struct udp_pcb {
    ip_addr_t local_ip, remote_ip;
    u8_t netif_idx;
    struct udp_pcb *next;
    u8_t flags;
    u16_t local_port, remote_port;
};
extern struct udp_pcb *udp_pcbs;

#endif
