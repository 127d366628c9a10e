#include <stdbool.h>

struct netif;

// The one Ethernet interface. It exists for lwIP while it is up: `lan_start` adds it, `lan_stop` removes it.
extern struct netif lan_netif;
void lan_init(void);
bool lan_started(void);
void lan_start(void);
void lan_stop(void);
// Takes the frames that have arrived.
void lan_poll(void);
