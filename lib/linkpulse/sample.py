"""What a collector fills: interface counters with their differences, and a bounded table of sockets.

Nothing here knows a platform or a report. Everything is allocated at construction; only an interface seen for the
first time allocates, once.
"""

import random
from array import array
from linkpulse.names import NAMES, NO_INTERFACE, Names
from linkpulse.ports import PortTable
from micropython import const

# A counter is kept modulo 2**54 in two small ints, 24 + 30 bits, so that a 64-bit counter costs no heap where ints
# have 31 bits. Differences are exact all the same; a total is never reported.
LOW_BITS = const(24)
LOW_MASK = const(0xFFFFFF)
HIGH_MASK = const(0x3FFFFFFF)

BYTES_IN, PACKETS_IN, BYTES_OUT, PACKETS_OUT = range(4)

_ZEROS = array("i", (0,) * 8)


class Counters:
    """Bytes and packets of each interface, and their differences since the last report that was accepted.

    `width` is the counters' size in bits where the platform lets them wrap (32 or 64). `from_start` says that they
    began at zero with this process, so that the first difference is a true one.

    A collector calls `begin()`, then `put()` once an interface; or `missing()` when it could not, or not to the end.
    Its caller calls `end()` when it is done.
    """

    def __init__(self, width=64, from_start=False):
        self.width = width
        self.from_start = from_start
        self.names = Names()
        self.resets = 0  # interfaces whose difference was left out because a counter went backwards
        self._now = array("i")
        self._base = array("i")
        self._samples = 0
        self._collected = self._open = False

    def begin(self):
        self.names.begin()
        self._collected = self._open = True
        self._samples += self._samples < 2

    def end(self):
        self._open = False

    def missing(self):
        if self._open:
            self.names.again()
        self._collected = self._open = False

    def available(self):
        """True when there is a difference to report."""
        return self._collected and (self._samples > 1 or self.from_start)

    def put(self, buf, start, end, values):
        """Interface buf[start:end] stands at `values`: low and high part of each counter, BYTES_IN to PACKETS_OUT.

        False when there is no room for another interface.
        """
        known = self._grow()
        slot = self.names.find(buf, start, end)
        if slot == NO_INTERFACE:
            return False
        at = slot << 3
        for i in range(8):
            self._now[at + i] = values[i]
        if self.names.fresh:
            # It may bring totals from before it was ours to watch, unless all counting began with this process.
            if not (slot == known and self.from_start):
                self._rebase(at)
            return True
        for which in range(4):
            if self._difference(at + 2 * which) < 0:
                # A reset: what came before it cannot be known, so this interface starts again from here.
                self.resets += 1
                self._rebase(at)
                break
        return True

    def difference(self, which):
        """The sum over all interfaces of the last sample, since the last `commit()`."""
        total = 0
        for slot in range(self.names.known()):
            if self.names.seen(slot):
                total += self._difference((slot << 3) + 2 * which)
        return total

    def commit(self):
        """The report of the last sample was accepted: the next differences count from it."""
        if self._collected:
            for slot in range(self.names.known()):
                if self.names.seen(slot):
                    self._rebase(slot << 3)

    def baseline(self):
        """(name, eight values) of each interface of the last sample: what `restore` takes after a restart."""
        for slot in range(self.names.known()):
            if self.names.seen(slot):
                yield self.names.name(slot), self._base[slot << 3 : (slot << 3) + 8]

    def restore(self, name, values):
        """Before the first sample: the interface stood at `values` when the last report was accepted."""
        self._grow()
        slot = self.names.find(name, 0, len(name))
        if slot != NO_INTERFACE:
            for i in range(8):
                self._base[(slot << 3) + i] = values[i]
            self._samples = 1

    def _grow(self):
        # Room for one more interface before it gets a name: were it named and memory ran out then, the next sample
        # would take its whole total for a difference. Returns the number of names.
        known = self.names.known()
        if known < NAMES:
            if len(self._now) >> 3 == known:
                self._now.extend(_ZEROS)
            if len(self._base) >> 3 == known:
                self._base.extend(_ZEROS)
        return known

    def _rebase(self, at):
        for i in range(8):
            self._base[at + i] = self._now[at + i]

    def _difference(self, at):
        # Negative for a reset. A wrap is believed only where the width says that one is possible and where the
        # difference it gives is under half the range: a radio that restarts shows small packet counters, whose wrap
        # would be nearly a whole range.
        low = self._now[at] - self._base[at]
        high = self._now[at + 1] - self._base[at + 1]
        if low < 0:
            low += LOW_MASK + 1
            high -= 1
        if high < 0:
            high = (high + 256) if self.width == 32 else (high & HIGH_MASK)
            if high < 0 or high >= (128 if self.width == 32 else 0x20000000):
                return -1
        return (high << LOW_BITS) | low


# A connection's record: slot, family (4 or 6), local port, remote port (big-endian), remote address.
RECORD = const(22)
# The state that a collector's scanner shares: see SocketTable.
TOTAL, CAPACITY, RANDOM_A, RANDOM_B = range(4)


class SocketTable:
    """Listening TCP and UDP ports and established TCP connections of one moment.

    `records` holds the connections, RECORD bytes each; past its capacity they are a uniform random sample of all
    (reservoir sampling), and `connections` stays the true number. `tcp_read`, `udp_read` say what was collected.
    """

    def __init__(self, connections=50, ports=128):
        self.names = Names()
        self.tcp_ports = PortTable(ports)
        self.udp_ports = PortTable(ports)
        self.tcp_total = self.udp_total = 0
        self.tcp_read = self.udp_read = False
        self.records = bytearray(RECORD * connections)
        seed = random.getrandbits(30)
        # Two multiply-with-carry generators whose products stay under 2**30.
        self.state = array("i", (0, connections, seed & 0x7FFF | 1, seed >> 15 | 1))

    def begin(self):
        self.names.begin()
        self.begin_tcp()
        self.udp_ports.begin()
        self.udp_total = 0
        self.udp_read = False

    def begin_tcp(self):
        """Starts the TCP half over."""
        self.tcp_ports.begin()
        self.tcp_total = 0
        self.tcp_read = False
        self.state[TOTAL] = 0

    def add(self, slot, family, local_port, remote_port, address, at):
        """One more connection, to address[at:]; `local_port` 0 where the platform does not know it."""
        total = self.state[TOTAL]
        self.state[TOTAL] = total + 1
        place = total if total < self.state[CAPACITY] else random.getrandbits(30) % (total + 1)
        if place >= self.state[CAPACITY]:
            return
        record = place * RECORD
        out = self.records
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
        return self.state[TOTAL]

    @property
    def kept(self):
        return min(self.state[TOTAL], self.state[CAPACITY])
