# SPDX-License-Identifier: MIT
"""A bounded table of the sockets at one moment: listening ports, and a random sample of the connections.

Nothing here knows a platform or a report. The tables grow with what a platform has, and keep their memory.
"""

import random
from array import array
from ..port import const
from .names import Names
from .ports import PortTable

# A connection's record: slot, family (4 or 6), local port, remote port (big-endian), remote address.
RECORD = const(22)
# The state that a collector's scanner shares: see ../collect/layout.py.
_TOTAL = const(0)
_CAPACITY = const(1)
# The two multiply-with-carry generators have this many states, from 1 on. Their products stay under 2**30.
_STATES_A = const((16275 << 16) - 2)
_STATES_B = const((15963 << 16) - 2)


class SocketTable:
    """Listening TCP and UDP ports and established TCP connections of one moment.

    `records` contains the connections, RECORD bytes each. If there are more than `connections`, it is a uniform random
    sample of them (reservoir sampling), and the property `connections` still is the true number. `tcp_read` and
    `udp_read` say which of the tables the collector has read.
    """

    def __init__(self, connections=50, ports=128):
        self.names = Names()
        self.tcp_ports = PortTable(ports)
        self.udp_ports = PortTable(ports)
        self.tcp_total = self.udp_total = 0
        self.tcp_read = self.udp_read = False
        self.records = bytearray()
        # Each generator starts at any of its states: after a small odd number its first output would always be odd.
        a, b = [random.getrandbits(30) % states + 1 for states in (_STATES_A, _STATES_B)]
        self.state = array("i", (0, connections, a, b))

    def begin(self):
        self.names.begin()
        self.begin_tcp()
        self.udp_ports.begin()
        self.udp_total = 0
        self.udp_read = False

    def begin_tcp(self):
        """Empties the TCP half of the table."""
        self.tcp_ports.begin()
        self.tcp_total = 0
        self.tcp_read = False
        self.state[_TOTAL] = 0

    def reserve(self):
        """Makes room for all records that may be kept. A collector that writes to `records` itself calls it first."""
        missing = RECORD * self.state[_CAPACITY] - len(self.records)
        if missing > 0:
            self.records.extend(bytes(missing))

    def add(self, slot, family, local_port, remote_port, address, at):
        """Adds a connection to the remote address at address[at:]. `local_port` is 0 if the platform does not know
        it."""
        total = self.state[_TOTAL]
        place = total if total < self.state[_CAPACITY] else random.getrandbits(30) % (total + 1)
        record = place * RECORD
        out = self.records
        if place < self.state[_CAPACITY] and record == len(out):
            out.extend(bytes(RECORD))
        self.state[_TOTAL] = total + 1
        if place >= self.state[_CAPACITY]:
            return
        out[record] = slot
        out[record + 1] = family
        out[record + 2] = local_port >> 8
        out[record + 3] = local_port & 255
        out[record + 4] = remote_port >> 8
        out[record + 5] = remote_port & 255
        for i in range(4 if family == 4 else 16):
            out[record + 6 + i] = address[at + i]

    @property
    def connections(self):
        return self.state[_TOTAL]

    @property
    def kept(self):
        return min(self.state[_TOTAL], self.state[_CAPACITY])
