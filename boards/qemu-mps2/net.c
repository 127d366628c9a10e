// When the network is looked at: each millisecond, when a frame arrives, and in every wait. The hardware is below:
// lan9118.c and hal.c call nothing here.
//
// There is no default route on purpose: what is not on QEMU's own network, 10.0.2.0/24, cannot be reached. 10.0.2.2 is
// the host's loopback.
#include "py/mphal.h"
#include "lwip/dhcp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"
#include "lan9118.h"

static void net_poll(void) {
    if (net_locked) {
        return;
    }
    net_locked++;
    lan_poll();
    netif_poll_all();
    sys_check_timeouts();
    net_locked--;
}

void poll_now(void) {
    poll_due = false;
    net_poll();
}

u32_t sys_now(void) {
    return mp_hal_ticks_ms();
}

// At power-on: the interface, and up to a second for its address, so that main.py finds the network there.
void net_init(void) {
    lwip_init();
    lan_init();
    lan_start();
    mp_uint_t start = mp_hal_ticks_ms();
    while (lan_started() && !dhcp_supplied_address(&lan_netif) && mp_hal_ticks_ms() - start < 1000) {
        net_poll();
        __asm volatile ("wfi");
    }
}
