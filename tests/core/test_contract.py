"""The contract notices what a collector does wrong: one fault each in a collector that is otherwise good."""

from array import array
from check import equal, without_heap
from contract import check
from linkpulse.sample.names import NO_INTERFACE

ROWS = ((b"\xc6\x33\x64\x07", 4), (b"\x7f\0\0\1", 4), (b"\x20\1\x0d\xb8" + bytes(11) + b"\7", 6))


class Good:
    width = 64
    counts_from_start = True
    source = "memory"
    skipped = 0

    def __init__(self, loopback):
        self.loopback = loopback
        self.values = array("i", range(8))
        self.ports = 3

    def counters(self, into):
        into.begin()
        self.put(into)

    def put(self, into):
        into.put(b"eth0", 0, 4, self.values)

    def sockets(self, into):
        into.begin()
        self.connections(into)
        into.tcp_total = self.listening(into.tcp_ports)
        into.tcp_read = into.udp_read = True

    def connections(self, into):
        for address, family in ROWS:
            if self.loopback or address[0] != 127:
                into.add(NO_INTERFACE, family, 40000, 443, address, 0)

    def listening(self, ports):
        total = 0
        table = ports
        while table is not None:
            for i in range(self.ports):
                table.add(80 + i, NO_INTERFACE)
            total += table.kept
            table = table.rest(ports)
        return total


def noticed(kind):
    try:
        check(kind)
    except Exception:  # an assertion, or what the fault itself raises
        return True
    return False


def test_a_good_collector_passes():
    without, with_loopback = check(Good)
    equal((without[4], with_loopback[4]), (2, 3))


def fault(**methods):
    """Good with other methods."""
    return type("Faulty", (Good,), methods)


def _raises(self, into):
    raise OSError(5)


def _twice(self, into):
    into.begin()
    self.put(into)
    self.put(into)


def _wide(self, into):
    self.values[0] = 1 << 24
    into.put(b"eth0", 0, 4, self.values)


def _no_begin(self, into):
    self.put(into)


def _grows(self, into):
    self.values[0] += 1
    into.put(b"eth0", 0, 4, self.values)


def _unbegun(self, into):
    self.connections(into)
    into.tcp_total = self.listening(into.tcp_ports)


def _loopback(self, into):
    for address, family in ROWS:
        into.add(NO_INTERFACE, family, 40000, 443, address, 0)


def _nowhere(self, into):
    Good.connections(self, into)
    into.add(NO_INTERFACE, 4, 1, 1, bytes(4), 0)


def _no_remote_port(self, into):
    Good.connections(self, into)
    into.add(NO_INTERFACE, 4, 1, 0, b"\1\2\3\4", 0)


def _family(self, into):
    Good.connections(self, into)
    into.add(NO_INTERFACE, 46, 1, 1, bytes(15) + b"\2", 0)


def _mapped(self, into):
    Good.connections(self, into)
    into.add(NO_INTERFACE, 6, 1, 1, bytes(10) + b"\xff\xff\1\2\3\4", 0)


def _what_fits(self, ports):
    for i in range(self.ports):
        ports.add(80 + i, NO_INTERFACE)
    return ports.kept


def _none(self, ports):
    _what_fits(self, ports)
    return 0


def _port_0(self, ports):
    ports.add(0, NO_INTERFACE)
    return ports.kept


def _more_each_time(self, ports):
    self.ports += 1
    return Good.listening(self, ports)


FAULTS = (
    fault(counters=_raises), fault(sockets=_raises), fault(counters=_twice), fault(put=_wide),
    fault(counters=_no_begin), fault(put=_grows), fault(sockets=_unbegun), fault(connections=_loopback),
    fault(connections=_nowhere),
    fault(connections=_no_remote_port), fault(connections=_family), fault(connections=_mapped),
    fault(listening=_what_fits), fault(listening=_none), fault(listening=_port_0), fault(listening=_more_each_time),
    fault(width=16), fault(source=None), fault(skipped=None), fault(counts_from_start=None),
)  # fmt: skip


def test_each_fault_is_noticed():
    for i, faulty in enumerate(FAULTS):
        assert noticed(faulty), "fault %d" % i


def test_garbage_is_noticed():
    def sockets(self, into):
        bytearray(100)
        Good.sockets(self, into)

    equal(noticed(fault(sockets=sockets)), _locks())


def _locks():
    # CPython's heap cannot be locked.
    try:
        without_heap(lambda: bytearray(100))
    except MemoryError:
        return True
    return False
