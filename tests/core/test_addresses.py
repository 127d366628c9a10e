"""Local addresses and their interfaces: rtnetlink(7), if_inet6, and answers of the kernel that are spoiled."""

import errno
import sys
from check import equal
from proc_root import ROOT, Pieces, TCP, TCP6, UDP, collector, inet6, ip, ports, route, row, table, trie, udp, usual
from linkpulse.collect.linux import rtnetlink
from linkpulse.sample.sockets import SocketTable

TABLE = 256 * 18  # bytes that addresses may take, however many there are


def u(width, n):
    raw = bytes([n >> 8 * i & 255 for i in range(width)])
    return raw if sys.byteorder == "little" else bytes(reversed(list(raw)))


def number(raw):
    n = 0
    for i in range(len(raw)):
        n = n << 8 | raw[len(raw) - 1 - i if sys.byteorder == "little" else i]
    return n


def attribute(kind, value):
    raw = u(2, 4 + len(value)) + u(2, kind) + value
    return raw + bytes(-len(raw) & 3)


def message(kind, body):
    return u(4, 16 + len(body)) + u(2, kind) + u(2, 0) + u(4, 1) + u(4, 0) + body


def refusal(number):
    return message(2, u(4, -number & 0xFFFFFFFF) + bytes(16))


class Kernel:
    """Answers RTM_GETROUTE and RTM_GETLINK: `addresses` {address: [index, …]}, `names` {index: name}.

    As a socket's file it keeps one datagram, and of that no more than is asked for.
    """

    def __init__(self, addresses, names, flags=0x2000, prefix=32, kind=2):
        self.addresses = {ip(address): found for address, found in addresses.items()}
        self.names = names
        self.flags = flags
        self.prefix = prefix
        self.kind = kind
        self.spoil = None
        self.asked = []
        self._answer = None

    def write(self, request):
        request = bytes(request)
        self.asked.append(request)
        answer = self._link(request) if number(request[4:6]) == 18 else self._routed(request)
        self._answer = self.spoil(answer) if self.spoil else answer

    def _link(self, request):
        index = number(request[20:24])
        if index not in self.names:
            return refusal(errno.ENODEV)
        body = bytes(4) + u(4, index) + bytes(8) + attribute(3, self.names[index] + b"\0")
        return message(16, body + attribute(13, u(4, 1000)) + attribute(7, bytes(1200)))

    def _routed(self, request):
        found = self.addresses.get(request[32:36], ())
        device = number(request[40:44])
        found = [index for index in found if device in (0, index)]
        if not found:
            return refusal(errno.ENETUNREACH)
        body = bytes([2, self.prefix, 0, 0, 255, 2, 254, self.kind]) + u(4, self.flags) + attribute(15, u(4, 255))
        return message(24, body + attribute(1, request[32:36]) + attribute(4, u(4, found[0])))

    def readinto(self, buf):
        answer, self._answer = self._answer, None
        if answer is None:
            return None
        if isinstance(answer, OSError):
            raise answer
        n = min(len(buf), len(answer))
        buf[:n] = answer[:n]
        return n

    def close(self):
        pass


def asking(kernel, files, **options):
    """A Collector of these files in the namespace that this kernel speaks of; it speaks to no other until the next."""
    rtnetlink.connect = lambda: kernel
    c = collector(files, **options)
    c._addresses._kernel = rtnetlink.Rtnetlink()
    return c


def listening(c, room=1000):
    """{port: interface or None} of TCP."""
    sockets = SocketTable(50, room)
    c.sockets(sockets)
    assert sockets.tcp_read
    return dict(ports(sockets, sockets.tcp_ports))


def bridges(n):
    """n addresses on 45 bridges."""
    every = {"10.%d.%d.1" % (i >> 8, i & 255): [2 + i % 45] for i in range(n)}
    return Kernel(every, {2 + i: b"br%d" % i for i in range(45)})


def on_bridges(n):
    return usual(tcp=table(TCP, [row("10.%d.%d.1" % (i >> 8, i & 255), 1000 + i) for i in range(n)]))


def test_any_number_of_addresses():
    for n in (1, 21, 45, 300, 600):
        c = asking(bridges(n), on_bridges(n))
        for _ in range(2):
            equal((n, listening(c)), (n, {1000 + i: "br%d" % (i % 45) for i in range(n)}))
        assert len(c._addresses.table) <= TABLE


def test_any_number_of_addresses_and_the_owners_choice():
    for options, chosen in (({"include": ("br7", "br4*")}, (7, 4, 40, 41, 42, 43, 44)), ({"exclude": ("br*",)}, ())):
        c = asking(bridges(300), on_bridges(300), **options)
        equal(listening(c), {1000 + i: "br%d" % (i % 45) for i in range(300) if i % 45 in chosen})


def test_any_number_of_ipv6_addresses():
    for n in (45, 224, 225, 300, 600):
        files = usual(
            if_inet6=inet6(*[("fd00::%x:1" % i, "br%d" % (i % 45)) for i in range(n)]),
            tcp6=table(TCP6, [row("fd00::%x:1" % i, 1000 + i) for i in range(n)]),
        )
        c = collector(files, exclude=("br1",))
        equal((n, listening(c)), (n, {1000 + i: "br%d" % (i % 45) for i in range(n) if i % 45 != 1}))
        assert len(c._addresses.table) <= TABLE


def test_an_address_is_asked_for_once_in_a_sample():
    kernel = Kernel({"192.0.2.1": [2]}, {2: b"eth0"})
    c = asking(kernel, usual(tcp=table(TCP, [row("192.0.2.1", 1000 + i) for i in range(100)])))
    for n in (2, 4):
        equal(listening(c), {1000 + i: "eth0" for i in range(100)})
        equal(len(kernel.asked), n)


def test_what_is_asked():
    kernel = Kernel({"192.0.2.1": [258]}, {258: b"eth0"})
    equal(listening(asking(kernel, usual(tcp=table(TCP, [row("192.0.2.1", 80)])))), {80: "eth0"})
    # struct nlmsghdr: length, RTM_GETROUTE, NLM_F_REQUEST, sequence, port; struct rtmsg: AF_INET, 32 bits, …,
    # RTM_F_FIB_MATCH; RTA_DST, RTA_OIF. Then RTM_GETLINK with struct ifinfomsg.
    asked = u(4, 44) + u(2, 26) + u(2, 1) + u(4, 1) + u(4, 0) + bytes([2, 32, 0, 0, 0, 0, 0, 0]) + u(4, 0x2000)
    asked += attribute(1, ip("192.0.2.1")) + attribute(4, u(4, 0))
    link = u(4, 32) + u(2, 18) + u(2, 1) + u(4, 1) + u(4, 0) + bytes(4) + u(4, 258) + bytes(8)
    equal(kernel.asked, [asked, link])


def test_names_of_every_length():
    for name in (b"a", b"br-lan", b"eth0.100", b"wlx00c0caabcde"):
        c = asking(Kernel({"192.0.2.1": [2]}, {2: name}), usual(tcp=table(TCP, [row("192.0.2.1", 80)])))
        equal(listening(c), {80: name.decode()})


def test_an_interface_that_is_renamed():
    kernel = Kernel({"192.0.2.1": [2]}, {2: b"eth0"})
    c = asking(kernel, usual(tcp=table(TCP, [row("192.0.2.1", 80)])))
    equal(listening(c), {80: "eth0"})
    kernel.names[2] = b"wan0"
    equal(listening(c), {80: "wan0"})


def test_ipv6_addresses_that_change_or_stay():
    def addresses(first, second):
        return inet6(("fd00::1", first), ("fd00::2", second))

    stay, swapped = addresses("eth0", "eth1"), addresses("eth1", "eth0")
    many = [("fd00::2", "eth1")] * 40
    long, other_end = inet6(*many, ("fd00::1", "eth0")), inet6(*many, ("fd00::1", "eth1"))
    file = Pieces(stay, (4000,))
    rows = table(TCP6, [row("fd00::1", 1), row("fd00::2", 2)])
    c = collector(usual(tcp6=rows, if_inet6=file))
    sockets = SocketTable()
    for content, names in (
        (stay, [b"eth0", b"eth1"]), (stay, [b"eth0", b"eth1"]), (swapped, [b"eth1", b"eth0"]),
        (long, [b"eth0", b"eth1"]), (other_end, [b"eth1", b"eth1"]), (stay, [b"eth0", b"eth1"]), (b"", [None, None]),
        (stay, [b"eth0", b"eth1"]),
    ):  # fmt: skip
        file._content = content
        for fresh in (False, True):
            if fresh:
                sockets = SocketTable()
                sockets.names.find(b"other", 0, 5)
            c.sockets(sockets)
            t = sockets.tcp_ports
            equal([sockets.names.name(t.slot(i)) for i in range(t.kept)], names)
            # An interface that is in use keeps its number.
            equal([sockets.names.seen(t.slot(i)) for i in range(t.kept) if names[i]], [1] * (2 - names.count(None)))


def test_ipv6_addresses_that_were_not_read_to_their_end():
    file = Pieces(inet6(("fd00::1", "eth0"), ("fd00::2", "eth1")), (4000,))
    rows = table(TCP6, [row("fd00::1", 1), row("fd00::2", 2)])
    for error in (MemoryError(), OSError(errno.ENOMEM)):
        c = collector(usual(tcp6=rows, if_inet6=file))
        slot = c._addresses.slot

        def failing(buf, start, end):
            if buf[end - 1] == 49:  # eth1
                raise error
            return slot(buf, start, end)

        c._addresses.slot = failing
        sockets = SocketTable()
        try:
            c.sockets(sockets)
            assert isinstance(error, OSError)
        except MemoryError:
            pass
        c._addresses.slot = slot
        c.sockets(sockets)
        equal(dict(ports(sockets, sockets.tcp_ports)), {1: "eth0", 2: "eth1"})


def test_an_address_that_no_interface_has():
    # That of another machine, one of a whole network that is local (ip route add local), or an interface just gone.
    files = usual(tcp=table(TCP, [row("198.51.100.1", 80), row("0.0.0.0", 22)]))
    for kernel in (
        Kernel({}, {}),
        Kernel({"198.51.100.1": [1]}, {1: b"lo"}, prefix=24),
        Kernel({"198.51.100.1": [7]}, {}),
    ):
        equal(listening(asking(kernel, files)), {80: None, 22: None})
        equal(listening(asking(kernel, files, exclude=("docker0",))), {22: None})


def test_a_listener_on_a_broadcast_address():
    # RTN_BROADCAST 3: that of one network has its interface. RTN_UNICAST 1: an address of another machine.
    files = usual(udp=table(UDP, [udp("192.0.2.255", 137)], 127))
    for kind, name in ((3, "eth0"), (1, None)):
        c, sockets = asking(Kernel({"192.0.2.255": [2]}, {2: b"eth0"}, kind=kind), files), SocketTable(50)
        c.sockets(sockets)
        equal((kind, ports(sockets, sockets.udp_ports)), (kind, [(137, name)]))


def test_a_listener_on_any_interface():
    # Multicast, and broadcast to all: as with the address 0.0.0.0, no choice of interfaces leaves them out.
    four = [udp("224.0.0.251", 5353), udp("239.255.255.250", 1900), udp("255.255.255.255", 68)]
    files = usual(udp=table(UDP, four, 127), udp6=table(UDP, [udp("ff02::fb", 5354)], 127))
    for options in ({}, {"exclude": ("eth0",)}, {"include": ("eth0",)}):
        for c in (asking(Kernel({}, {}), files, **options), collector(files, **options)):
            sockets = SocketTable(50)
            c.sockets(sockets)
            equal(ports(sockets, sockets.udp_ports), [(68, None), (1900, None), (5353, None), (5354, None)])


OLD = 0x200  # RTM_F_CLONED


def test_the_files_are_read_where_the_kernel_does_not_answer():
    files = usual(tcp=table(TCP, [row("192.0.2.1", 80)]))
    for kernel in (
        Kernel({"192.0.2.1": [1]}, {1: b"lo"}, OLD),
        Spoiled(OSError(errno.EPERM, "")),
        Spoiled(None),
        Spoiled(refusal(95)),
        Spoiled(message(24, bytes(4))),
        Spoiled(message(99, bytes(40))),
    ):
        c = asking(kernel, files)
        for _ in range(2):
            equal(listening(c), {80: "eth0"})


class Spoiled(Kernel):
    def __init__(self, answer):
        Kernel.__init__(self, {}, {})
        self.spoil = lambda _: answer


def one(spoil):
    kernel = Kernel({"192.0.2.1": [2]}, {2: b"eth0"})
    kernel.spoil = spoil
    return listening(asking(kernel, usual(tcp=table(TCP, [row("192.0.2.1", 80)]), route=None)))


def test_every_answer_that_is_cut():
    for n in range(70):
        found = one(lambda answer: answer[:n])
        assert found in ({80: None}, {80: "eth0"}), (n, found)


def test_every_answer_with_one_byte_changed():
    for i in range(60):
        for value in (0, 1, 4, 20, 127, 255):
            found = one(lambda answer: answer[:i] + bytes([value]) + answer[i + 1 :])
            assert list(found) in ([80], []), (i, value, found)


def test_lookups_without_end_take_no_more_room():
    kernel = Kernel({"192.0.2.1": [2]}, {2: b"eth0"})
    rows = [row("203.0.%d.%d" % (i >> 8, i & 255), 1000 + i) for i in range(700)]
    files = usual(
        tcp=table(TCP, rows + [row("192.0.2.1", 80)]), if_inet6=inet6(*[("fd00::%x" % i, "br0") for i in range(1, 300)])
    )
    c = asking(kernel, files)
    found = listening(c)
    equal((len(found), found[80], len(c._addresses.table)), (701, "eth0", TABLE))


SHARED = inet6(("fe80::1", "br-a"), ("fe80::1", "br-b"), ("fd00::1", "br-a"), ("fe80::2", "br-c"))
ON_SHARED = [row("fe80::1", 53), row("fd00::1", 54), row("fe80::2", 55), row("::", 56)]


def test_an_ipv6_address_of_two_interfaces_is_nobodys():
    files = usual(if_inet6=SHARED, tcp6=table(TCP6, ON_SHARED))
    equal(listening(collector(files)), {53: None, 54: "br-a", 55: "br-c", 56: None})


def test_and_is_left_out_where_one_of_them_is_not_wanted():
    for options, expected in (
        ({"exclude": ("br-b",)}, {54: "br-a", 55: "br-c", 56: None}),
        ({"include": ("br-a",)}, {54: "br-a", 56: None}),
        ({"include": ("br-c",)}, {55: "br-c", 56: None}),
        ({"exclude": ("br-c",)}, {53: None, 54: "br-a", 56: None}),
        ({"include": ("br-a", "br-b")}, {53: None, 54: "br-a", 56: None}),
    ):
        files = usual(if_inet6=SHARED, tcp6=table(TCP6, ON_SHARED))
        equal((options, listening(collector(files, **options))), (options, expected))


# Another namespace: nobody to ask.


def other(addresses, routes, rows, **options):
    files = usual(tcp=table(TCP, [row(*given) for given in rows]), route=route(*routes), fib_trie=trie(*addresses))
    return listening(collector(files, **options))


LAN = ("br-lan", "192.168.1.0", "255.255.255.0")
GUEST = ("br-guest", "192.168.1.0", "255.255.255.0")


def test_another_namespace_one_address_in_each_network():
    routes = (LAN, ("wg0", "10.8.0.0", "255.255.0.0"), ("wg0", "0.0.0.0", "0.0.0.0"))
    addresses = ("192.168.1.1", "10.8.0.1")
    rows = (("192.168.1.1", 80), ("10.8.0.1", 81), ("0.0.0.0", 82))
    equal(other(addresses, routes, rows), {80: "br-lan", 81: "wg0", 82: None})
    equal(other(addresses, routes, rows, exclude=("wg*",)), {80: "br-lan", 82: None})


def test_another_namespace_two_interfaces_in_one_network():
    rows = (("192.168.1.1", 80), ("192.168.1.2", 81), ("0.0.0.0", 82))
    addresses = ("192.168.1.1", "192.168.1.2")
    for guest in (GUEST, ("br-guest", "192.168.1.0", "255.255.255.128"), ("br-guest", "192.168.0.0", "255.255.0.0")):
        equal(other(addresses, (LAN, guest), rows), {80: None, 81: None, 82: None})
        equal(other(addresses, (LAN, guest), rows, exclude=("br-guest",)), {82: None})
        equal(other(addresses, (LAN, guest), rows, include=("br-lan",)), {82: None})
        equal(other(addresses, (LAN, guest), rows, exclude=("eth0",)), {80: None, 81: None, 82: None})


def test_another_namespace_two_addresses_in_one_network():
    # One of them may be on an interface without a network of its own: lo, a tunnel, one that is down.
    rows = (("192.168.1.1", 80), ("192.168.1.2", 81))
    addresses = ("192.168.1.1", "192.168.1.2", "192.168.2.1")
    equal(other(addresses, (LAN,), rows), {80: None, 81: None})
    equal(other(addresses, (LAN,), rows, exclude=("br-lan",)), {})
    equal(other(addresses, (LAN,), rows, include=("br-lan",)), {80: None, 81: None})


def test_another_namespace_an_address_that_two_interfaces_have():
    equal(other(("192.168.1.1", "192.168.1.1"), (LAN,), (("192.168.1.1", 80),)), {80: None})


def test_another_namespace_an_address_in_no_network():
    for addresses in (("10.0.0.1",), ()):
        equal(other(addresses, (LAN,), (("10.0.0.1", 80),)), {80: None})
        equal(other(addresses, (LAN,), (("10.0.0.1", 80),), exclude=("wg0",)), {})
    equal(other(("10.0.0.1",), (LAN,), (("192.168.1.1", 80),)), {80: None})


def test_another_namespace_a_network_behind_a_gateway():
    behind = ("eth0", "192.168.0.0", "255.255.0.0", 3)
    equal(other(("192.168.1.1",), (behind, LAN), (("192.168.1.1", 80),)), {80: "br-lan"})
    equal(other(("192.168.1.1",), (behind,), (("192.168.1.1", 80),)), {80: None})


def test_another_namespace_a_network_that_is_dropped():
    # ip route add blackhole, as Calico does with its block of addresses. The file says "*" for the interface.
    dropped = ("*", "192.168.1.0", "255.255.255.192")
    equal(other(("192.168.1.1",), (dropped,), (("192.168.1.1", 80),)), {80: None})
    equal(other(("192.168.1.1",), (dropped,), (("192.168.1.1", 80),), exclude=("wg0",)), {})
    equal(other(("192.168.1.1",), (dropped, LAN), (("192.168.1.1", 80),)), {80: "br-lan"})


def test_another_namespace_an_interface_without_an_address():
    # ip route add 192.168.1.0/24 dev wg0, while 192.168.1.1 is on lo. The network has no broadcast address.
    given = dict(tcp=table(TCP, [row("192.168.1.1", 80)]), route=route(("wg0", "192.168.1.0", "255.255.255.0")))
    equal(listening(collector(usual(fib_trie=trie("192.168.1.1"), **given))), {80: "wg0"})
    files = usual(fib_trie=trie("192.168.1.1", numbered=False), **given)
    equal(listening(collector(files)), {80: None})
    equal(listening(collector(files, exclude=("wg0",))), {})


def test_another_namespace_without_its_files():
    # The addresses beside this one, or the networks around it, may be in what was not read.
    tcp = table(TCP, [row("192.168.1.1", 80)])
    files = {"route": route(LAN), "fib_trie": trie("192.168.1.1")}
    equal(listening(collector(usual(tcp=tcp, **files))), {80: "br-lan"})
    for name in files:
        for gone in (None, Pieces(files[name], (300,), errno.EIO)):
            given = dict(files)
            given[name] = gone
            equal(listening(collector(usual(tcp=tcp, **given))), {80: None})
            equal(listening(collector(usual(tcp=tcp, **given), exclude=("wg0",))), {})


def test_another_namespace_says_what_it_cannot_tell():
    for options, chosen in (({}, False), ({"exclude": ("wg0",)}, True)):
        c = collector(usual(), **options)
        assert ROOT + "/net" in c.source and "every address" in c.source
        equal("is left out, but not a listener on any address" in c.source, chosen)
