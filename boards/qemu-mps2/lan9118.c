// lwIP over SMSC's LAN9118 as QEMU's mps2-an385 has it (SMSC, "LAN9118 datasheet"), polled by net.c.
#include <string.h>

#include "py/mphal.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/netif.h"
#include "netif/ethernet.h"
#include "extmod/modnetwork.h"
#include "lan9118.h"

#define REG(offset) (*(volatile uint32_t *)(0x40200000 + (offset)))

#define RX_DATA REG(0x00)
#define TX_DATA REG(0x20)
#define RX_STATUS REG(0x40)
#define TX_STATUS REG(0x48)
#define IRQ_CFG REG(0x54)
#define INT_STS REG(0x58)
#define INT_EN REG(0x5c)
#define BYTE_TEST REG(0x64)
#define TX_CFG REG(0x70)
#define RX_FIFO_INF REG(0x7c) // 23..16: frames waiting
#define TX_FIFO_INF REG(0x80) // 23..16: statuses waiting, 15..0: bytes free
#define MAC_CMD REG(0xa4)
#define MAC_DATA REG(0xa8)

#define RX_ERROR (1 << 15)
#define TX_ON (1 << 1)
#define INT_RECEIVED (1 << 3)
#define MAC_BUSY (1u << 31)
#define MAC_READ (1 << 30)
#define MAC_CR 1
#define MAC_ADDRESS_HIGH 2
#define MAC_ADDRESS_LOW 3
#define MAC_CR_ON (1 << 3 | 1 << 2)
#define MAC_CR_ALL_MULTICAST (1 << 19)

#define LAN_IRQ 13
#define NVIC_ENABLE (*(volatile uint32_t *)0xe000e100)
#define NVIC_DISABLE (*(volatile uint32_t *)0xe000e180)

#define FRAME_MAX 1518
#define FRAMES_A_POLL 8

struct netif lan_netif;
static bool present;
static bool started;

static uint32_t mac_read(uint32_t index) {
    MAC_CMD = MAC_BUSY | MAC_READ | index;
    while (MAC_CMD & MAC_BUSY) {
    }
    return MAC_DATA;
}

static void mac_write(uint32_t index, uint32_t value) {
    MAC_DATA = value;
    MAC_CMD = MAC_BUSY | index;
    while (MAC_CMD & MAC_BUSY) {
    }
}

// A frame ends a wait early. What to do about it is for lan_poll() to find out, which also lets the next one interrupt.
void lan_irq(void) {
    NVIC_DISABLE = 1 << LAN_IRQ;
    poll_due = true;
}

static err_t send(struct netif *netif, struct pbuf *p) {
    static uint32_t frame[(FRAME_MAX + 3) / 4];
    uint32_t n = p->tot_len;
    if (n > FRAME_MAX) {
        return ERR_BUF;
    }
    if ((TX_FIFO_INF & 0xffff) < n + 12) {
        return ERR_MEM;
    }
    pbuf_copy_partial(p, frame, n, 0);
    TX_DATA = 1 << 13 | 1 << 12 | n; // first and last part of a frame, at no offset
    TX_DATA = n;
    for (uint32_t i = 0; i < (n + 3) / 4; i++) {
        TX_DATA = frame[i];
    }
    while (TX_FIFO_INF >> 16 & 0xff) {
        (void)TX_STATUS;
    }
    return ERR_OK;
}

static void receive(void) {
    static uint32_t frame[(FRAME_MAX + 4 + 3) / 4];
    uint32_t status = RX_STATUS;
    uint32_t n = status >> 16 & 0x3fff; // with the checksum of four bytes
    for (uint32_t i = 0; i < (n + 3) / 4; i++) {
        uint32_t word = RX_DATA;
        if (i < MP_ARRAY_SIZE(frame)) {
            frame[i] = word;
        }
    }
    if ((status & RX_ERROR) || n <= 4 || n > sizeof(frame)) {
        return;
    }
    struct pbuf *p = pbuf_alloc(PBUF_RAW, n - 4, PBUF_POOL);
    if (p == NULL) {
        return;
    }
    pbuf_take(p, frame, n - 4);
    if (lan_netif.input(p, &lan_netif) != ERR_OK) {
        pbuf_free(p);
    }
}

static err_t init(struct netif *netif) {
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    uint32_t low = mac_read(MAC_ADDRESS_LOW);
    uint32_t high = mac_read(MAC_ADDRESS_HIGH);
    for (int i = 0; i < 4; i++) {
        netif->hwaddr[i] = low >> 8 * i;
    }
    netif->hwaddr[4] = high;
    netif->hwaddr[5] = high >> 8;
    netif->output = etharp_output;
    #if LWIP_IPV6
    netif->output_ip6 = ethip6_output;
    #endif
    netif->linkoutput = send;
    netif->hostname = mod_network_hostname_data;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    return ERR_OK;
}

bool lan_started(void) {
    return started;
}

void lan_start(void) {
    if (started || !present) {
        return;
    }
    MICROPY_PY_LWIP_ENTER
    TX_CFG = TX_ON;
    mac_write(MAC_CR, MAC_CR_ON | MAC_CR_ALL_MULTICAST);
    netif_add_noaddr(&lan_netif, NULL, init, netif_input);
    #if LWIP_IPV6
    netif_create_ip6_linklocal_address(&lan_netif, 1);
    struct netif *netif = &lan_netif; // the macro tests it
    netif_set_ip6_autoconfig_enabled(netif, 1);
    #endif
    netif_set_up(&lan_netif);
    netif_set_link_up(&lan_netif);
    dhcp_start(&lan_netif);
    started = true;
    MICROPY_PY_LWIP_EXIT
}

void lan_stop(void) {
    if (!started) {
        return;
    }
    MICROPY_PY_LWIP_ENTER
    mac_write(MAC_CR, 0);
    dhcp_release_and_stop(&lan_netif);
    netif_remove(&lan_netif);
    started = false;
    MICROPY_PY_LWIP_EXIT
}

void lan_poll(void) {
    if (!started) {
        return;
    }
    INT_STS = INT_RECEIVED;
    for (int i = 0; i < FRAMES_A_POLL && (RX_FIFO_INF >> 16 & 0xff); i++) {
        receive();
    }
    NVIC_ENABLE = 1 << LAN_IRQ;
}

void lan_init(void) {
    present = BYTE_TEST == 0x87654321;
    IRQ_CFG = 1 << 8 | 1 << 4 | 1; // on, active high, push-pull
    INT_EN = INT_RECEIVED;
}
