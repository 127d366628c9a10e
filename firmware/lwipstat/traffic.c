// SPDX-License-Identifier: MIT
// What each interface carries, counted by hooks around its input and linkoutput.
#include <stdbool.h>
#include <string.h>

#include "lists.h"
#include "lwipstat.h"
#include "lwip/pbuf.h"

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

static void put64(uint8_t *p, uint64_t n) {
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(n >> (8 * i));
    }
}

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
        slot->num = netif->num;
        slot->netif = netif;
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
    if (!started) {
        slot->num = netif->num; // a new count, under the present name
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
static void changed(struct netif *netif, netif_nsc_reason_t reason, const netif_ext_callback_args_t *args) {
    (void)args;
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
    netif_add_ext_callback(&callback, changed);
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
    #endif
    // The slots stay as they are: on ESP-IDF a frame may be on its way through one of them.
    for (struct netif *netif = first_netif(); netif != NULL; netif = next_netif(netif)) {
        slot_t *slot = slot_of(netif);
        if (slot != NULL && unhook(netif, slot)) {
            slot->added = false;
        }
    }
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
    for (int i = 0; i < 4; i++) {
        put64(p + 16 + 8 * i, values[i]);
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
