"""Sockets from sock_diag(7), with a kernel that does what the real one may do."""

import sys
from array import array
from check import equal, raises, without_heap
from proc_root import ROOT, collector, connections, ip, ports, usual
from linkpulse.collect.linux import netlink
from linkpulse.collect.linux.addresses import NONE, Addresses
from linkpulse.collect.linux.netlink_plain import Messages
from linkpulse.collect.linux.proc_lines import ORDER
from linkpulse.collect.linux.proc_lines import ProcFile, ProcLines
from linkpulse.collect.interface_filter import InterfaceFilter
from linkpulse.sample.sockets import RECORD, SocketTable

ESTABLISHED, FIN_WAIT2, CLOSE, CLOSE_WAIT, LISTEN = 1, 5, 7, 8, 10
TCP, UDP = 6, 17


def u(width, n):
    raw = bytes([n >> 8 * i & 255 for i in range(width)])
    return raw if sys.byteorder == "little" else bytes(reversed(list(raw)))


def message(kind, body):
    return u(4, 16 + len(body)) + u(2, kind) + u(2, 2) + u(4, 1) + u(4, 0) + body


def tcp(state, local, local_port, remote="0.0.0.0", remote_port=0, more=8, device=0, timer=0):
    """One socket as (family, state, message); `more` bytes of attributes, `device` the interface's index."""
    family = 10 if ":" in local else 2
    ends = bytes([local_port >> 8, local_port & 255, remote_port >> 8, remote_port & 255])
    addresses = b"".join([ip(a) + bytes(16 - len(ip(a))) for a in (local, remote)])
    return (
        family,
        state,
        message(20, bytes([family, state, timer, 0]) + ends + addresses + u(4, device) + bytes(28) + bytes(more)),
    )


class Kernel:
    """Answers dumps as netlink does: datagrams that a read fills, one behind the other, the last one cut."""

    def __init__(self, sockets, room=None):
        self.sockets = sockets
        self.room = room  # bytes of a datagram; the reader's buffer without
        self.dumps = 0
        self._queue = []
        self._largest = 3720

    def write(self, request):
        both = request[4 if ORDER else 5] == 18
        at = (68 if both else 20) if ORDER else (70 if both else 22)
        states = request[at] | request[at + 1] << 8 if ORDER else request[at + 1] | request[at] << 8
        self.dumps += 1
        self.protocol = TCP if both else request[17]
        self._rows = [m for f, state, m in self.sockets if (both or f == request[16]) and states >> state & 1]
        self._queue = None

    def readinto(self, view):
        self._largest = max(self._largest, len(view))
        if self._queue is None:
            self._queue = []
            datagram = b""
            for row in self._rows:
                if len(datagram) + len(row) > (self.room or self._largest):
                    self._queue.append(datagram)
                    datagram = b""
                datagram += row
            if datagram:
                self._queue.append(datagram)
            self._queue.append(message(3, bytes(4)))
        at = 0
        while self._queue and at < len(view):
            datagram = self._queue.pop(0)[: len(view) - at]
            view[at : at + len(datagram)] = datagram
            at += len(datagram)
        return at or None


class Stat(ProcFile):
    """A file of /proc/net/sockstat that says `n`, or is not there."""

    def __init__(self, name, n):
        super().__init__(name)
        self._text = b"sockets: used 9\n%s: inuse %d orphan 0\nUDP: inuse 4\n" % (name, n)

    def rewind(self):
        self._at = 0
        return self

    def readinto(self, view):
        n = min(len(view), len(self._text) - self._at)
        view[:n] = self._text[self._at : self._at + n]
        self._at += n
        return n


def diag(counts, protocol=b"TCP"):
    """A Netlink whose kernel counts this many sockets of IPv4 and of IPv6."""
    return netlink.Netlink(lambda name: Stat(protocol + b"6" if "6" in name else protocol, counts["6" in name]))


class Named:
    """The kernel's answers on interfaces: their names by index, and who has an IPv4 address."""

    def __init__(self, names, addresses=()):
        self.names = names
        self.addresses = dict(addresses)

    def begin(self):
        pass

    def name(self, addresses, device):
        name = self.names.get(device)
        return addresses.slot(name, 0, len(name)) if name else NONE

    def interface(self, addresses, raw, device):
        return self.name(addresses, self.addresses.get((bytes(raw[:4]), device)))


class Reading:
    """One reading of `sockets`: whole, the table, what was asked. `files` and `kernel` tell whose the addresses are.

    On MicroPython it is done with and without the replacement for bytecode, which must give the same.
    """

    def __init__(self, sockets, *args, **named):
        self._read(False, sockets, *args, **named)
        if sys.implementation.name == "micropython":
            found = self._found()
            self._read(True, sockets, *args, **named)
            equal(self._found(), found)

    def _found(self):
        t = self.table
        known = t.connections <= t.kept
        return self.whole, known and connections(t), self.interfaces(), t.connections, t.state[1], self.kernel.dumps

    def _read(
        self,
        replaced,
        sockets,
        inuse=None,
        room=None,
        connections=50,
        again=0,
        files={},
        kernel=None,
        chosen=InterfaceFilter(True),
        then=None,
        protocol=TCP,
    ):
        n4 = len([s for s in sockets if s[0] == 2])
        counts = (n4, len(sockets) - n4) if inuse is None else inuse
        kept = netlink.connect, netlink.BYTECODE
        self.kernel = Kernel(sockets, room)
        netlink.connect = lambda: self.kernel
        netlink.BYTECODE = replaced
        try:
            d = diag(counts, b"TCP" if protocol == TCP else b"UDP")
            collector(files)
            a = Addresses(lambda name: ProcFile(ROOT + "/net/" + name), False, chosen)
            a._kernel = kernel
            self.netlink, self.addresses, self.state = d, a, array("i", (0,) * 15)
            state = self.state
            state[2], state[3] = (LISTEN, ESTABLISHED) if protocol == TCP else (CLOSE, 256)
            state[4], state[5] = ORDER, chosen.loopback
            usual = kernel and kernel.addresses
            for turn in range(1 + again + (then is not None)):
                if then:
                    kernel.addresses = then if turn > again else usual
                self.table = SocketTable(connections)
                self.table.reserve()
                self.table.begin()
                a.fill(self.table.names, ProcLines())
                self.found = self.table.tcp_ports if protocol == TCP else self.table.udp_ports
                self.whole = d.read(state, bytearray(36), a, self.table, self.found, ProcLines())
            equal(self.kernel.protocol, protocol)
            if then:
                kernel.addresses = usual
        finally:
            netlink.connect, netlink.BYTECODE = kept

    def ports(self):
        return [self.found.port(i) for i in range(self.found.kept)]

    def names(self):
        return [self.table.names.name(self.found.slot(i)) for i in range(self.found.kept)]

    def interfaces(self):
        return dict(zip(self.ports(), self.names()))


def many(n, family=4, more=8):
    local, remote = ("192.0.2.1", "192.0.2.%d") if family == 4 else ("2001:db8::1", "2001:db8::%x")
    return [tcp(ESTABLISHED, local, 1000 + i, remote % (i % 250 + 2), 443, more) for i in range(n)]


def test_no_sockets():
    r = Reading([])
    equal((r.whole, r.table.connections, r.ports()), (True, 0, []))


def test_listeners_and_connections_of_both_families():
    r = Reading(
        [
            tcp(LISTEN, "0.0.0.0", 22),
            tcp(LISTEN, "::", 80, "::", 0, 16),
            tcp(CLOSE_WAIT, "192.0.2.1", 9, "192.0.2.2", 9),
        ]
        + many(2)
        + many(1, 6)
        + [tcp(ESTABLISHED, "::ffff:c000:201", 22, "::ffff:c000:209", 5555)]
    )
    equal((r.whole, r.table.connections, r.ports()), (True, 4, [22, 80]))
    families = sorted([r.table.records[i * RECORD + 1] for i in range(4)])
    equal(families, [4, 4, 4, 6])  # the mapped one is IPv4


def test_any_number_of_sockets_over_any_number_of_datagrams():
    for n in (1, 36, 37, 38, 41, 42, 43, 100, 500):
        for family in (4, 6):
            r = Reading(many(n, family))
            equal((n, r.whole, r.table.connections), (n, True, n))


def test_sizes_of_records_that_are_learned():
    for more in (0, 4, 8, 12, 36):
        r = Reading(many(100, 4, more) + many(100, 6, more), again=2)
        equal((more, r.whole, r.table.connections), (more, True, 200))
        assert r.kernel.dumps <= 1 + 8 + 2 * 6, (
            r.kernel.dumps
        )  # learned once: then four dumps a reading, empty ones two


def test_datagrams_smaller_than_the_buffer_lose_nothing_silently():
    # The trap: a read goes on into the next datagram and cuts it, here exactly between two records.
    for room in range(97, 4096, 97):
        r = Reading(many(120), room=room)
        assert not r.whole or r.table.connections == 120, room


def test_records_of_two_sizes_are_not_trusted():
    equal(Reading(many(50) + many(50, 4, 16)).whole, False)


def test_a_number_that_is_not_the_kernels_is_not_trusted():
    for inuse in ((9, 0), (11, 0), (10, 1)):
        equal(Reading(many(10), inuse).whole, False)


def test_half_closed_sockets():
    # Of one that no process has any more the kernel sends less, with timer 3, and does not count it.
    kept = tcp(FIN_WAIT2, "192.0.2.1", 1, "192.0.2.2", 2)
    left = tcp(FIN_WAIT2, "2001:db8::1", 1, "2001:db8::2", 2, 0, timer=3)
    for n, m in ((0, 1), (0, 40), (1, 0), (1, 1), (20, 20), (42, 0)):
        r = Reading(many(100) + [kept] * n + [left] * m, (100 + n, 0), again=1)
        equal((n, m, r.whole, r.table.connections), (n, m, True, 100))
        equal(Reading(many(100) + [kept] * n + [left] * m, (101 + n, 0)).whole, False)
    # Those that are too many for one read are not counted, and nothing of them is left for the next dump.
    for inuse in (99, 130):
        r = Reading(many(100) + [kept, left] * 30, (inuse, 0), again=1)
        equal((r.whole, r.netlink._file.readinto(memoryview(bytearray(99)))), (False, None))
    for spoiled in (b"\xff" * 96, bytes(96), b"abc", message(2, u(4, 0xFFFFFFFF) + bytes(16))):
        equal(Reading(many(2) + [(2, FIN_WAIT2, spoiled)], (3, 0)).whole, False)


def everything(sockets, counts, chosen):
    """What a collector finds where there are no sockets in the text of /proc: its SocketTable."""
    kept, table = netlink.connect, SocketTable(50)
    c = collector(usual(), **chosen)
    c._diag, c._addresses._kernel = diag(counts), Named(NAMES)
    netlink.connect = lambda: Kernel(sockets)
    try:
        c.sockets(table)
    finally:
        netlink.connect = kept
    return table


def test_more_ports_than_the_table_has():
    for n in (1, 127, 128, 129, 300):
        sockets = [tcp(LISTEN, "0.0.0.0", 1000 + i, device=2 + i % 2 * 298) for i in range(n)] + many(60)
        for chosen, total in (({}, n), ({"exclude": ("br-a",)}, n // 2)):
            table = everything(sockets, (n + 60, 0), chosen)
            equal((n, table.tcp_read, table.tcp_total, table.connections), (n, True, total, 60 if not chosen else 0))
            found = [(1000 + i, "br-b" if i % 2 else "br-a") for i in range(n) if i % 2 or not chosen]
            equal(ports(table, table.tcp_ports), found[:128])


def test_a_refusal_and_bytes_that_are_no_message():
    refusal = (2, ESTABLISHED, message(2, u(4, 0xFFFFFFFF) + bytes(16)))
    for spoiled in (refusal, (2, ESTABLISHED, b"\xff" * 96), (2, ESTABLISHED, bytes(96)), (2, ESTABLISHED, b"abc")):
        equal(Reading([spoiled], (1, 0)).whole, False)


def test_a_kernel_without_sock_diag():
    kept = netlink.connect

    def refuse():
        raise OSError(93)

    netlink.connect = refuse
    try:
        d = netlink.Netlink(lambda name: Stat(b"TCP", 0))
        equal(d.read(array("i", (0,) * 15), bytearray(36), None, None, None, None), False)
    finally:
        netlink.connect = kept


class Failing(Kernel):
    """Fails at its n-th call, and knows whether it was closed."""

    def __init__(self, n, error):
        super().__init__(many(3))
        self._left = n
        self._error = error
        self.closed = False

    def write(self, request):
        self._call()
        super().write(request)

    def readinto(self, view):
        self._call()
        return super().readinto(view)

    def close(self):
        self.closed = True

    def _call(self):
        self._left -= 1
        if not self._left:
            raise self._error


def test_a_socket_that_fails_is_closed():
    # EACCES: a security module lets sockets be made, but nothing be asked. ENOBUFS: an answer was lost.
    kept = netlink.connect
    try:
        for error in (OSError(13), OSError(105), MemoryError()):
            for n in range(1, 9):
                r = Reading([])
                kernel = Failing(n, error)
                netlink.connect = lambda kernel=kernel: kernel
                d = diag((3, 0))
                state = r.state
                state[2], state[3] = LISTEN, ESTABLISHED
                equal((n, d.read(state, bytearray(36), r.addresses, r.table, r.found, ProcLines())), (n, False))
                assert kernel.closed, n
    finally:
        netlink.connect = kept


class Scarce:
    """A view of messages of 96 bytes; there is memory for so many views of them and of their fields as left[0]."""

    def __init__(self, view, left):
        self._view = view
        self._left = left

    def __getitem__(self, part):
        self._left[0] -= 1
        if self._left[0] == -1:
            raise MemoryError
        view = self._view[part]
        return Scarce(view, self._left) if len(view) == 96 else view


def test_memory_that_ran_out_for_the_views_of_messages():
    if sys.implementation.name != "micropython":
        return  # struct takes views there only
    for n in range(3 * 6):
        r = Reading(many(3))
        buf = bytearray(b"".join([m for _, _, m in many(3)]))
        replaced = Messages(Scarce(memoryview(buf), [n]))
        for expected in (None, 3):
            r.table.begin()
            state = r.state
            state[0], state[11], state[12] = 0, 96, 0
            args = buf, len(buf), state, bytearray(36), r.addresses.table, r.table.records, r.table.state
            if expected is None:
                raises(MemoryError, replaced.messages, *args)
            else:
                equal(replaced.messages(*args), 0)
        found = sorted([found[:2] for found in connections(r.table)])
        equal((n, found), (n, [("192.0.2.%d:443" % (i + 2), 1000 + i) for i in range(3)]))


def like_one_another():
    """Sockets that are alike but for one thing each, and are not taken for alike."""
    sockets = [tcp(LISTEN, "0.0.0.0", 21), tcp(LISTEN, "0.0.0.0", 22), tcp(LISTEN, "192.0.2.1", 23)]
    for i in range(3):
        port = 100 * i
        sockets += [
            tcp(ESTABLISHED, "192.0.2.1", port + 1, "192.0.2.9", 1),
            tcp(ESTABLISHED, "192.0.2.1", port + 2, "192.0.2.9", 2, device=300),
            tcp(CLOSE_WAIT, "192.0.2.1", port + 3, "192.0.2.9", 3),
            tcp(ESTABLISHED, "192.0.2.3", port + 4, "192.0.2.9", 4),
            tcp(ESTABLISHED, "127.0.0.1", port + 5, "127.0.0.1", 5),
            tcp(ESTABLISHED, "::ffff:c000:201", port + 6, "::ffff:c000:209", 6),
            tcp(ESTABLISHED, "c000:201::", port + 7, "c000:209::", 7),  # the bytes of 192.0.2.1
            tcp(ESTABLISHED, "fe80::1", port + 8, "fe80::9", 8, device=300),
            tcp(ESTABLISHED, "fe80::1", port + 9, "fe80::9", 9, device=2),
            tcp(ESTABLISHED, "::1", port + 10, "::1", 10),
        ]
    return sockets


def test_sockets_that_are_almost_alike():
    kernel = Named(NAMES, {(ip("192.0.2.1"), 0): 2, (ip("192.0.2.3"), 0): 300, (ip("192.0.2.1"), 300): 300})
    names = {1: "br-a", 2: "br-b", 4: "br-b", 6: "br-a", 7: "None", 8: "br-b", 9: "br-a"}
    r = Reading(like_one_another(), files=SHARED, kernel=kernel, chosen=InterfaceFilter(), again=1)
    equal((r.whole, r.interfaces()), (True, {21: None, 22: None, 23: b"br-a"}))
    found = [(port, str(name)) for _, port, name in connections(r.table)]
    equal(sorted(found), sorted([(100 * i + n, names[n]) for i in range(3) for n in names]))
    # The interfaces have other addresses in the next sample.
    r = Reading(many(5) + many(2, 6), kernel=kernel, then={(ip("192.0.2.1"), 0): 300})
    equal({name for _, _, name in connections(r.table)}, {"br-b", None})


def test_sockets_that_were_there_before_take_no_memory():
    r = Reading(many(30), connections=20, again=1)
    r.table.begin()
    r.state[0], r.state[11], r.state[12] = 0, 96, 0
    raw = bytearray(36)
    # The last dump is still in the buffer.
    without_heap(lambda: r.netlink._datagrams(30 * 96, r.state, raw, r.addresses, r.table, r.found))
    equal((r.table.connections, r.state[12]), (30, 30))


def test_more_local_addresses_than_are_remembered():
    addresses = {(ip("10.0.0.%d" % i), 0): 2 + 298 * (i & 1) for i in range(40)}
    sockets = [tcp(ESTABLISHED, "10.0.0.%d" % (i % 40), i, "10.0.1.%d" % i, 80) for i in range(200)]
    r = Reading(sockets, kernel=Named(NAMES, addresses), connections=200)
    equal({(port % 2, name) for _, port, name in connections(r.table)}, {(0, "br-a"), (1, "br-b")})
    equal((r.whole, r.table.connections), (True, 200))


SHARED = {"if_inet6": b"".join([
    b"fe80" + b"0" * 27 + b"1 02 40 20 80   br-a\n", b"fe80" + b"0" * 27 + b"1 12c 40 20 80   br-b\n",
])}  # fmt: skip
NAMES = {2: b"br-a", 300: b"br-b"}


def test_a_shared_address_belongs_to_the_device_of_its_socket():
    sockets = [
        tcp(LISTEN, "fe80::1", 53, "::", 0, 8, 300),
        tcp(LISTEN, "fe80::1", 54, "::", 0, 8, 2),
        tcp(LISTEN, "fe80::1", 55, "::", 0, 8, 7),
        tcp(LISTEN, "fe80::1", 56, "::", 0, 8),
        tcp(LISTEN, "fe80::1", 57, "::", 0, 8, 300),
        tcp(ESTABLISHED, "fe80::1", 90, "fe80::9", 1, 8, 2),
        tcp(ESTABLISHED, "fe80::1", 91, "fe80::9", 2, 8, 300),
    ]
    r = Reading(sockets, files=SHARED, kernel=Named(NAMES))
    equal((r.whole, r.interfaces()), (True, {53: b"br-b", 54: b"br-a", 55: None, 56: None, 57: b"br-b"}))
    equal([found[1:] for found in connections(r.table)], [(90, "br-a"), (91, "br-b")])
    r = Reading(sockets, files=SHARED, kernel=Named(NAMES), chosen=InterfaceFilter(exclude=("br-a",)))
    equal((r.whole, r.interfaces()), (True, {53: b"br-b", 57: b"br-b"}))
    equal([found[1:] for found in connections(r.table)], [(91, "br-b")])


def test_a_listener_on_any_address_of_one_device():
    sockets = [
        tcp(LISTEN, "0.0.0.0", 80, "0.0.0.0", 0, 8, 300),
        tcp(LISTEN, "0.0.0.0", 81),
        tcp(LISTEN, "::", 82, "::", 0, 8, 2),
    ]
    equal(Reading(sockets, kernel=Named(NAMES)).interfaces(), {80: b"br-b", 81: None, 82: b"br-a"})
    r = Reading(sockets, kernel=Named(NAMES), chosen=InterfaceFilter(exclude=("br-b",)))
    equal(r.interfaces(), {81: None, 82: b"br-a"})


def test_an_ipv4_address_of_two_interfaces():
    # The kernel's table names br-a first. A socket that is bound to a device is on that device, as ss says.
    address = ip("10.0.0.1")
    kernel = Named(NAMES, {(address, 0): 2, (address, 2): 2, (address, 300): 300, (ip("10.0.0.2"), 0): 2})
    sockets = [
        tcp(LISTEN, "10.0.0.1", 80),
        tcp(LISTEN, "10.0.0.1", 81, device=300),
        tcp(LISTEN, "10.0.0.2", 82, device=300),
        tcp(LISTEN, "::ffff:a00:1", 83, "::", device=300),
        tcp(ESTABLISHED, "10.0.0.1", 90, "10.0.0.9", 1, device=300),
        tcp(ESTABLISHED, "10.0.0.1", 91, "10.0.0.9", 2),
    ]
    r = Reading(sockets, kernel=kernel)
    equal(r.interfaces(), {80: b"br-a", 81: b"br-b", 82: b"br-b", 83: b"br-b"})
    equal([found[1:] for found in connections(r.table)], [(90, "br-b"), (91, "br-a")])
    r = Reading(sockets, kernel=kernel, chosen=InterfaceFilter(exclude=("br-b",)))
    equal((r.interfaces(), [found[1:] for found in connections(r.table)]), ({80: b"br-a"}, [(91, "br-a")]))


def test_an_ipv4_address_that_only_a_sockets_device_tells():
    # As in a VRF: the table of local addresses that all sockets use does not have it.
    kernel = Named(NAMES, {(ip("10.0.0.1"), 300): 2})
    sockets = [
        tcp(LISTEN, "10.0.0.1", 80, "0.0.0.0", 0, 8, 300),
        tcp(LISTEN, "10.0.0.1", 81),
        tcp(ESTABLISHED, "10.0.0.1", 90, "10.0.0.9", 1, 8, 300),
    ]
    r = Reading(sockets, kernel=kernel)
    equal((r.interfaces(), connections(r.table)), ({80: b"br-a", 81: None}, [("10.0.0.9:1", 90, "br-a")]))
    r = Reading(sockets, kernel=kernel, chosen=InterfaceFilter(exclude=("eth0",)))
    equal((r.interfaces(), connections(r.table)), ({80: b"br-a"}, [("10.0.0.9:1", 90, "br-a")]))


def test_udp():
    sockets = [
        tcp(CLOSE, "0.0.0.0", 67, device=300),
        tcp(CLOSE, "0.0.0.0", 67, device=2),
        tcp(CLOSE, "10.0.0.1", 53),
        tcp(CLOSE, "224.0.0.251", 5353, device=2),
        tcp(CLOSE, "fe80::1", 546, "::", 0, 16, 300),
        tcp(CLOSE, "ff02::fb", 5353, "::", 0, 16, 300),
        tcp(CLOSE, "::", 123, "::", 0, 16),
        tcp(ESTABLISHED, "10.0.0.1", 40000, "10.0.0.9", 53),
    ]
    kernel = Named(NAMES, {(ip("10.0.0.1"), 0): 2})
    r = Reading(sockets, protocol=UDP, files=SHARED, kernel=kernel)
    a, b = b"br-a", b"br-b"
    expected = [(53, a), (67, a), (67, b), (123, None), (546, b), (5353, a), (5353, b)]
    equal(
        (r.whole, r.table.connections, sorted(zip(r.ports(), r.names()), key=str)), (True, 0, sorted(expected, key=str))
    )
    r = Reading(sockets, protocol=UDP, files=SHARED, kernel=kernel, chosen=InterfaceFilter(exclude=("br-a",)))
    equal(list(zip(r.ports(), r.names())), [(67, b), (123, None), (546, b), (5353, b)])
    equal(Reading(sockets, (4, 3), protocol=UDP, files=SHARED, kernel=kernel).whole, False)
