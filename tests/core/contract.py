"""What every collector must do (docs/porting.md), whatever its platform: `check(make)`.

`make(loopback)` gives a new collector of a machine on which nothing changes while it is looked at.
"""

from check import equal, without_heap
from linkpulse.sample.names import NO_INTERFACE
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import RECORD, SocketTable


class Watched:
    """A sample.Counters that holds the collector to the protocol; once `watching` is off, only a sample.Counters."""

    def __init__(self, collector):
        self.counters = Counters(collector.width, collector.counts_from_start)
        self.width = collector.width
        self.watching = True
        self.begun = self.gone = False
        self.names = []

    def begin(self):
        if self.watching:
            assert not self.begun, "begin() twice"
            self.begun = True
        self.counters.begin()

    def put(self, buf, start, end, values):
        if self.watching:
            self._put(bytes(buf[start:end]), values)
        return self.counters.put(buf, start, end, values)

    def _put(self, name, values):
        assert self.begun and not self.gone, "put() outside of begin() and missing()"
        assert name and name not in self.names, "%r twice, or no name" % name
        self.names.append(name)
        for i in range(8):
            most = 0xFFFFFF if not i % 2 else 255 if self.width == 32 else 0x3FFFFFFF
            assert 0 <= values[i] <= most, (name, i, values[i])

    def missing(self):
        if self.watching:
            assert not self.gone, "missing() twice"
            self.gone = True
        self.counters.missing()


def fill(collector, counters, sockets):
    """One sample, as Reporter takes it."""
    collector.counters(counters)
    (counters.counters if isinstance(counters, Watched) else counters).end()
    collector.sockets(sockets)


def image(sockets):
    """All that a report would say of these sockets; connections sorted, since their order means nothing."""
    found = [sockets.tcp_read, sockets.udp_read, sockets.tcp_total, sockets.udp_total, sockets.connections]
    for table in (sockets.tcp_ports, sockets.udp_ports):
        found.append([(table.port(i), sockets.names.name(table.slot(i))) for i in range(table.kept)])
    rows = []
    for i in range(sockets.kept):
        row = bytes(sockets.records[i * RECORD : (i + 1) * RECORD])
        size = 4 if row[1] == 4 else 16
        rows.append((row[1:6], row[6 : 6 + size], sockets.names.name(row[0])))
    found.append(sorted(rows, key=str))
    return found


def check(make, loopback_has_connections=True, allocates=False):
    """Everything below, with loopback and without. Returns the images of both.

    `allocates` for what cannot be done without, such as a file that is not there.
    """
    without = _check(make, False, allocates)
    with_loopback = _check(make, True, allocates)
    for i in range(2, 5):
        assert with_loopback[i] >= without[i], "loopback takes something away"
    if loopback_has_connections:
        assert with_loopback[4] > without[4], "loopback was asked for and is not there"
    return without, with_loopback


def _check(make, loopback, allocates):
    _attributes(make(loopback))
    first = _protocol(make(loopback), loopback)
    _the_same_again(make(loopback), first)
    _bounded(make(loopback), first)
    if not allocates:
        _no_garbage(make(loopback))
    _after_an_acceptance(make(loopback))
    return first


def _attributes(collector):
    assert collector.width in (32, 64)
    assert collector.counts_from_start in (True, False)
    assert isinstance(collector.source, str) and collector.source
    assert isinstance(collector.skipped, int) and collector.skipped >= 0


def _protocol(collector, loopback):
    counters = Watched(collector)
    sockets = SocketTable()
    sockets.add(NO_INTERFACE, 4, 1, 1, b"\1\1\1\1", 0)  # of a sample before: begin() takes it away
    fill(collector, counters, sockets)
    assert counters.begun or counters.gone
    if counters.gone or not collector.counts_from_start:
        assert not counters.counters.available()
    if not loopback:
        assert b"lo" not in counters.names and b"lo0" not in counters.names
    _ports(sockets, sockets.tcp_ports, sockets.tcp_total)
    _ports(sockets, sockets.udp_ports, sockets.udp_total)
    _connections(sockets, loopback)
    return image(sockets)


def _ports(sockets, table, total):
    assert total >= table.kept, "a total below what is listed"
    if not table.more:
        equal(total, table.kept)
    last = -1
    for i in range(table.kept):
        assert 0 < table.port(i) < 65536
        key = table.port(i) << 8 | table.slot(i)
        assert key > last, "not sorted, or twice"
        last = key
        _name(sockets, table.slot(i))


def _connections(sockets, loopback):
    assert 0 <= sockets.kept <= sockets.connections
    for i in range(sockets.kept):
        row = bytes(sockets.records[i * RECORD : (i + 1) * RECORD])
        _name(sockets, row[0])
        assert row[1] in (4, 6), "family %d" % row[1]
        assert row[4] or row[5], "a connection without a remote port"
        address = row[6:10] if row[1] == 4 else row[6:22]
        assert address != bytes(len(address)), "a connection to nowhere"
        assert address[:12] != bytes(10) + b"\xff\xff", "IPv4 in IPv6 is IPv4"
        if not loopback:
            assert address[0] != 127 or row[1] == 6
            assert address != bytes(15) + b"\1"


def _name(sockets, slot):
    if slot != NO_INTERFACE:
        assert sockets.names.name(slot)


def _the_same_again(collector, first):
    counters = Watched(collector)
    sockets = SocketTable()
    for again in range(3):
        counters.begun = counters.gone = False
        counters.names = []
        fill(collector, counters, sockets)
        equal(image(sockets), first)
        if again and counters.counters.available():
            equal([counters.counters.difference(i) for i in range(4)], [0] * 4)
        counters.counters.commit()


def _bounded(collector, first):
    # In tables that are too small: the same totals, the lowest ports, some of the connections.
    counters = Counters(collector.width, collector.counts_from_start)
    for connections, ports in ((0, 1), (1, 2)):
        sockets = SocketTable(connections, ports)
        for _ in range(2):
            fill(collector, counters, sockets)
            equal(image(sockets)[:5], first[:5])
            equal((sockets.kept, sockets.tcp_ports.kept), (min(connections, first[4]), min(ports, first[2])))
            for i in range(sockets.tcp_ports.kept):
                equal(sockets.tcp_ports.port(i), first[5][i][0])
            for row in image(sockets)[7]:
                assert row in first[7]


def _no_garbage(collector):
    counters = Counters(collector.width, collector.counts_from_start)
    sockets = SocketTable()

    def work():
        fill(collector, counters, sockets)

    for _ in range(2):
        work()
    without_heap(work)


def _after_an_acceptance(collector):
    counters = Counters(collector.width, collector.counts_from_start)
    sockets = SocketTable()
    fill(collector, counters, sockets)
    accepted = getattr(collector, "accepted", None)
    if accepted is not None:
        accepted()
        without_heap(accepted)
    fill(collector, counters, sockets)
