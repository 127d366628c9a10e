"""IPv4 addresses from a netlink dump (rtnetlink(7)), spoiled ones included."""

import errno
import sys
from check import equal
from fakeproc import ip
from linkpulse.collect.linux.addresses import LEFT_OUT, Addresses, _Netlink
from linkpulse.collect.linux.proc_lines import ProcFile, ProcLines
from linkpulse.collect.interface_filter import InterfaceFilter
from linkpulse.sample.counters import Names


def u(width, n):
    raw = bytes([n >> 8 * i & 255 for i in range(width)])
    return raw if sys.byteorder == "little" else bytes(reversed(list(raw)))


def attribute(kind, value):
    raw = u(2, 4 + len(value)) + u(2, kind) + value
    return raw + bytes(-len(raw) & 3)


def message(kind, body):
    return u(4, 16 + len(body)) + u(2, kind) + u(2, 2) + u(4, 1) + u(4, 0) + body


def address(local, label, peer=None, more=b""):
    """RTM_NEWADDR: struct ifaddrmsg, IFA_ADDRESS, IFA_LOCAL, IFA_LABEL."""
    return message(
        20,
        bytes([2, 24, 128, 0]) + u(4, 2) + attribute(1, ip(peer or local)) + attribute(2, ip(local)) + more
        + attribute(3, label + b"\0") + attribute(6, bytes(16)),
    )  # fmt: skip


DONE = message(3, u(4, 0))


class Kernel:
    """What netlink's file gives: one message a read, then nothing."""

    def __init__(self, *reads):
        self._reads = list(reads)
        self.asked = []

    def write(self, request):
        self.asked.append(bytes(request))

    def readinto(self, buf):
        if not self._reads:
            return None
        piece = self._reads.pop(0)
        if isinstance(piece, OSError):
            raise piece
        buf[: len(piece)] = piece
        return len(piece)


def dump(*reads, **options):
    """(whether it was whole, [(name, family, address)]) of a dump."""
    a = Addresses(
        lambda name: ProcFile("/no/" + name),
        True,
        InterfaceFilter("include" not in options, options.get("include", ())),
    )
    names = Names()
    names.begin()
    a._names = names
    a._netlink._file = Kernel(*reads)
    whole = a._netlink.dump(a, bytearray(1600))
    return whole, entries(a, names)


def entries(a, names):
    found = []
    for i in range(a.count):
        slot, family = a.table[18 * i], a.table[18 * i + 1]
        name = None if slot == LEFT_OUT else names.name(slot)
        if name and max(name) < 128:
            name = name.decode()
        raw = bytes(a.table[18 * i + 2 : 18 * i + 2 + (4 if family == 4 else 16)])
        found.append(("left out" if slot == LEFT_OUT else name, family, raw))
    return found


LO = address("127.0.0.1", b"lo")
ETH = address("192.0.2.1", b"eth0")


def test_a_dump():
    equal(dump(LO + ETH, DONE), (True, [("lo", 4, ip("127.0.0.1")), ("eth0", 4, ip("192.0.2.1"))]))
    equal(dump(LO, ETH, DONE), dump(LO + ETH + DONE))


def test_names_of_every_length():
    for name in (b"a", b"br-lan", b"eth0.100", b"wlx00c0caabcde"):
        equal(dump(address("192.0.2.1", name))[1], [(name.decode(), 4, ip("192.0.2.1"))])


def test_an_alias_is_an_address_of_its_interface():
    equal(dump(address("192.0.2.1", b"eth0:1"))[1], [("eth0", 4, ip("192.0.2.1"))])


def test_a_point_to_point_link_has_the_local_address():
    equal(dump(address("10.0.0.1", b"ppp0", "10.0.0.2"))[1], [("ppp0", 4, ip("10.0.0.1"))])


def test_interfaces_that_are_not_wanted():
    found = dump(LO + ETH, include=("eth0",))[1]
    equal(found, [("left out", 4, ip("127.0.0.1")), ("eth0", 4, ip("192.0.2.1"))])


def test_what_is_asked():
    a = Addresses(lambda name: ProcFile("/no/" + name), True, None)
    kernel = a._netlink._file = Kernel()
    assert a._netlink.dump(a, bytearray(100))
    # struct nlmsghdr: length, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence, port; AF_INET
    equal(kernel.asked, [u(4, 20) + u(2, 22) + u(2, 0x301) + u(4, 1) + u(4, 0) + bytes([2, 0, 0, 0])])


def test_other_messages_and_attributes_are_passed_over():
    equal(dump(message(16, bytes(40)) + ETH)[1], [("eth0", 4, ip("192.0.2.1"))])
    equal(dump(address("192.0.2.1", b"eth0", None, attribute(99, b"abcde")))[1], [("eth0", 4, ip("192.0.2.1"))])
    equal(dump(message(20, bytes(8) + attribute(2, ip("192.0.2.1"))))[1], [])  # no label
    equal(dump(message(20, bytes(8) + attribute(3, b"eth0\0")))[1], [])  # no address
    equal(dump(message(20, bytes(8) + attribute(2, bytes(16)) + attribute(3, b"eth0\0")))[1], [])


def test_every_truncation_stays_within_its_bytes():
    whole = LO + ETH
    for n in range(1, len(whole)):
        found = dump(whole[:n])[1]
        assert found == [("lo", 4, ip("127.0.0.1"))][: len(found)], n


def test_lengths_that_lie():
    assert not dump(u(4, 15) + LO[4:])[0]
    assert not dump(u(4, 0) + LO[4:])[0]
    assert not dump(u(4, 60000) + LO[4:])[0]
    for size in (0, 1, 3, 200, 65535):
        bad = bytearray(LO)
        bad[24:26] = u(2, size)
        equal(dump(bytes(bad))[1], [])


def test_every_change_of_one_byte_stays_within_bounds():
    for i in range(len(LO)):
        for value in (0, 1, 4, 20, 127, 255):
            broken = bytearray(LO + ETH)
            broken[i] = value
            dump(bytes(broken))


def test_a_kernel_that_refuses():
    equal(dump(OSError(errno.EPERM, "")), (False, []))


def test_a_dump_that_does_not_end():
    equal(dump(*[message(16, bytes(8))] * 100)[0], False)


def test_the_routes_are_read_where_netlink_does_not_help():
    import fakeproc
    from linkpulse.collect.linux import proc_lines

    c = fakeproc.collector(fakeproc.usual())
    opened = proc_lines.open
    for netlink in (None, _Netlink()):
        if netlink:
            netlink._file = Kernel(OSError(errno.EPERM, ""))
        c._addresses._netlink = netlink
        names = Names()
        names.begin()
        c._addresses.fill(names, ProcLines())
        equal(c._addresses._route_count, 2)
        raw = bytearray(ip("192.0.2.77"))
        c._addresses.learn(raw, 0, 4)
        equal(entries(c._addresses, names)[-1], ("eth0", 4, ip("192.0.2.77")))
    assert proc_lines.open is opened


def test_longer_masks_win_whatever_their_order():
    a = Addresses(lambda name: ProcFile("/no/" + name), False, InterfaceFilter(True))
    names = Names()
    names.begin()
    a._names = names
    routes = [("a", "10.0.0.0", "255.0.0.0"), ("b", "10.1.0.0", "255.255.0.0"), ("c", "10.1.2.128", "255.255.255.128")]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        a._route_count = 0
        for i in order:
            name, net, mask = routes[i]
            at = 9 * a._route_count
            a._routes[at] = a.slot(name.encode(), 0, 1)
            a._routes[at + 1 : at + 9] = ip(net) + ip(mask)
            a._route_count += 1
        for local, expected in (("10.9.9.9", b"a"), ("10.1.9.9", b"b"), ("10.1.2.127", b"b"), ("10.1.2.129", b"c")):
            equal(names.name(a._route_to(ip(local), 0)), expected)
        equal(a._route_to(ip("11.0.0.1"), 0), 255)


def test_a_full_buffer_is_not_trusted():
    whole, found = dump(ETH + bytes(1600 - len(ETH)))
    equal(whole, False)


def many(n):
    """n addresses filled in, as reads of a netlink dump that are never full."""
    return [address("10.0.%d.%d" % (i >> 8, i & 255), b"eth%d" % (i % 3)) for i in range(n)]


class Missing:
    """A file of /proc that is not there."""

    align = 1

    def rewind(self):
        return None


def filled(n):
    a = Addresses(lambda name: Missing(), True, InterfaceFilter(True, (), ("eth1",)))
    a._netlink._file = Kernel(*many(n))
    names = Names()
    names.begin()
    a.fill(names, ProcLines())
    return a, names


def slot_of(a, text):
    found = [i for i in range(a.count) if bytes(a.table[18 * i + 2 : 18 * i + 6]) == ip(text)]
    equal(len(found), 1)
    return a.table[18 * found[0]]


def test_a_host_of_many_addresses_keeps_all_of_them():
    a, names = filled(30)
    for _ in range(2):
        for i in range(200):
            a.add(names.find(b"eth0", 0, 4), ip("10.1.0.%d" % i), 0, 4)
        equal(a.count, 230)
        equal(slot_of(a, "10.0.0.1"), LEFT_OUT)
        equal(slot_of(a, "10.0.0.29"), names.find(b"eth2", 0, 4))
        a._next = a.count = 30


def test_what_is_looked_up_never_takes_the_place_of_an_address():
    a, names = filled(30)
    for i in range(1000):
        a.learn(ip("10.2.%d.%d" % (i >> 8, i & 255)), 0, 4)
        assert a.count <= 256
        if i % 10 == 0:
            slot_of(a, "10.2.%d.%d" % (i >> 8, i & 255))  # or the row would be asked for again for ever
    for i in range(30):
        equal(slot_of(a, "10.0.0.%d" % i) == LEFT_OUT, i % 3 == 1)
