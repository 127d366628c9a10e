// SPDX-License-Identifier: MIT
// lwIP as both halves of lwipstat need it: which one, and its list of interfaces.
#ifndef LWIPSTAT_LISTS_H
#define LWIPSTAT_LISTS_H

#include <stddef.h>

#include "lwip/init.h"
#include "lwip/netif.h"

#if LWIP_VERSION_MAJOR < 2 || (LWIP_VERSION_MAJOR == 2 && LWIP_VERSION_MINOR < 1)
#error "lwipstat needs lwIP 2.1"
#endif

static inline struct netif *first_netif(void) {
    #if LWIP_SINGLE_NETIF
    return netif_default;
    #else
    return netif_list;
    #endif
}

static inline struct netif *next_netif(const struct netif *netif) {
    #if LWIP_SINGLE_NETIF
    (void)netif;
    return NULL;
    #else
    return netif->next;
    #endif
}

#endif
