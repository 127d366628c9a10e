// lwIP as MicroPython's ports have it, with room for the many sockets that a full table is tested with.

#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_IPV4 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_LOOPBACK_MAX_PBUFS 16

#define MEMP_NUM_TCP_PCB 64
#define MEMP_NUM_TCP_PCB_LISTEN 32

#include <stdint.h>
uint32_t random_word(void);
#define LWIP_RAND() random_word()

#include "extmod/lwip-include/lwipopts_common.h"

// No responder is started, so none is built.
#undef LWIP_MDNS_RESPONDER
#define LWIP_MDNS_RESPONDER 0
#undef MEMP_NUM_UDP_PCB
#define MEMP_NUM_UDP_PCB 16
#undef MEM_SIZE
#define MEM_SIZE (32000)
#undef MEMP_NUM_TCP_SEG
#define MEMP_NUM_TCP_SEG (64)
