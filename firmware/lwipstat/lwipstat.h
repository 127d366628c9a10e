// SPDX-License-Identifier: MIT
// lwIP's own tables and each interface's traffic, as fixed records. Nothing here knows MicroPython.
//
// Every function expects lwIP's lock to be held, or to run in lwIP's task (modlwipstat.c sees to both), except the two
// hooks, which lwIP and its drivers call.
//
// Numbers are little-endian. Addresses are in network order; IPv4 is the first four bytes, the other twelve are zero.
//
// A socket, 40 bytes:
//    0  u8   state     TCP: lwIP's enum tcp_state (0 bound only, 1 LISTEN, 2 SYN_SENT, 3 SYN_RCVD, 4 ESTABLISHED,
//                      5 FIN_WAIT_1, 6 FIN_WAIT_2, 7 CLOSE_WAIT, 8 CLOSING, 9 LAST_ACK, 10 TIME_WAIT);
//                      UDP: 0, or 1 when it is connected to the remote end
//    1  u8   family    4, 6, or 46 for a wildcard that takes both
//    2  u8   interface the index of the interface that the local address lives on or the socket is bound to; 0 none
//    3  u8   0
//    4  u16  local port
//    6  u16  remote port, 0 none
//    8  16   local address, zeros for a wildcard
//   24  16   remote address, zeros for none
//
// An interface, 48 bytes:
//    0  8    name      zero padded: two letters and a number, as lwIP prints it. One that is counted keeps its name when
//                      it is added again, where lwIP gives it another number
//    8  u8   index     1 to 255: what a socket's record names
//    9  u8   flags     1 up, 2 link up, 4 counted (traffic that neither comes through `input` nor leaves through
//                      `linkoutput` is not: loopback, PPP, SLIP)
//   10  6    0
//   16  u64  bytes in, whole frames without checksum
//   24  u64  packets in
//   32  u64  bytes out
//   40  u64  packets out
#ifndef LWIPSTAT_H
#define LWIPSTAT_H

#include <stddef.h>
#include <stdint.h>

#define LWIPSTAT_SOCKET 40
#define LWIPSTAT_INTERFACE 48

#define LWIPSTAT_UP 1
#define LWIPSTAT_LINK_UP 2
#define LWIPSTAT_COUNTED 4

// Interfaces that can be counted at a time.
#ifndef LWIPSTAT_INTERFACES
#define LWIPSTAT_INTERFACES 8
#endif

// Each writes whole records into out[0:size] until it is full, and returns how many records there are in all.
size_t lwipstat_tcp(uint8_t *out, size_t size);
size_t lwipstat_udp(uint8_t *out, size_t size);
size_t lwipstat_interfaces(uint8_t *out, size_t size);

// Counting from zero, on all interfaces there are and will be; and no more. Starting twice changes nothing.
void lwipstat_start(void);
void lwipstat_stop(void);

#endif
