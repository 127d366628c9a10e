"""The contract (contract.py) on every collector, and what each of those in memory shows."""

import errno
import sys
from check import equal, raises
from contract import check, fill
from proc_root import ESTABLISHED, TCP, TCP6, UDP, collector, connections, ports, row, table, usual
from proc_root import udp as udp_row
from platforms import Wlan, counting, interface, lwip, lwipstat, tcp, udp, version10, version30
from linkpulse import collect
from linkpulse.collect import counted, cyw43
from linkpulse.collect.counted.ledger import FREE
from linkpulse.collect.linux import Collector
from linkpulse.errors import CollectError
from linkpulse.report import Reporter
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable

MACHINE = usual(
    tcp=table(TCP, [row("0.0.0.0", 22), row("127.0.0.1", 631), row("192.0.2.1", 80)] + [
        row("192.0.2.1", 40000 + i, "198.51.100.7", 8883 + i, ESTABLISHED) for i in range(5)
    ] + [row("127.0.0.1", 5, "127.0.0.1", 631, ESTABLISHED)]),
    tcp6=table(TCP6, [row("::", 22), row("fd00::1", 443), row("fd00::1", 80, "2001:db8::7", 50000, ESTABLISHED)]),
    udp=table(UDP, [udp_row("0.0.0.0", 68), udp_row("127.0.0.1", 53)], 127),
)  # fmt: skip

NETIFS = [interface("lo0", 1, flags=3), interface("en0", 2, 1000, 10, 2000, 20), interface("w01", 3, 1, 1, 1, 1)]
TCPS = [
    tcp("0.0.0.0", 80, family=46), tcp("0.0.0.0", 8080), tcp("::", 8080), tcp("127.0.0.1", 631, index=1),
    tcp("192.0.2.1", 443, index=2), tcp("0.0.0.0", 0, state=0), tcp("192.0.2.1", 5, state=0),
    tcp("192.0.2.1", 49153, "198.51.100.7", 8883, state=4, index=2),
    tcp("fd00::1", 49154, "2001:db8::7", 443, state=4, index=3),
    tcp("127.0.0.1", 49155, "127.0.0.1", 631, state=4, index=1),
    tcp("192.0.2.1", 49156, "198.51.100.8", 80, state=2, index=2),
    tcp("192.0.2.1", 49157, "198.51.100.9", 80, state=10, index=2),
]  # fmt: skip
UDPS = [udp("0.0.0.0", 68, index=2), udp("0.0.0.0", 5353, family=46), udp("127.0.0.1", 53, index=1),
        udp("192.0.2.1", 5000, "192.0.2.9", 53, state=1, index=2), udp("0.0.0.0", 0)]  # fmt: skip


def lwip_collector(loopback=False, **options):
    return lwip().Collector(loopback, **options)


def usual_lwip():
    lwipstat.set(TCPS, UDPS, NETIFS)


def sample(c, connections=50, ports=128):
    s = SocketTable(connections, ports)
    c.sockets(s)
    return s


def differences(c, *changes):
    """The four differences after each change() was sampled."""
    counters = Counters(c.width, c.counts_from_start)
    for change in changes:
        change()
        c.counters(counters)
        counters.end()
    return [counters.difference(i) for i in range(4)] if counters.available() else None


def test_contract_linux():
    check(lambda loopback: collector(MACHINE, loopback=loopback))
    check(lambda loopback: collector(usual(), loopback=loopback), False)


def test_contract_linux_without_a_dev_file():
    check(lambda loopback: collector(usual(dev=None), loopback=loopback), False, True)


def test_contract_lwip():
    usual_lwip()
    check(lwip_collector)
    for rows in (0, 1, 5):
        check(lambda loopback: lwip_collector(loopback, rows=rows))


def test_contract_lwip_on_a_machine_with_nothing():
    lwipstat.set()
    check(lwip_collector, False)


KEPT = []


def busy():
    """A ledger with some of everything."""
    del KEPT[:]  # CPython closes them now, and not in the next ledger
    Socket, ledger = counting()
    for host in ("", "127.0.0.1"):
        s = Socket()
        s.bind((host, 80 + len(host)))
        s.listen(1)
        KEPT.append(s)
    KEPT[0]._s.answers = [("198.51.100.9", 50000), ("::ffff:198.51.100.10", 50001)]
    KEPT.append(KEPT[0].accept()[0])
    KEPT.append(KEPT[0].accept()[0])
    s = Socket(2, 2)
    s.bind(("0.0.0.0", 5353))
    KEPT.append(s)
    for end in (
        ("198.51.100.7", 8883),
        ("127.0.0.1", 1883),
        ("2001:db8::7", 443),
        ("::1", 9),
        ("broker.example", 8883),
    ):
        s = Socket()
        s.connect(end)
        s.send(b"x" * 2000)
        KEPT.append(s)
    s = Socket()
    s.connect(("203.0.113.1", 443))
    s.close()
    return ledger


def test_contract_sockets():
    check(lambda loopback: counted.Collector(loopback, busy()))
    check(lambda loopback: counted.Collector(loopback, counting()[1]), False)


def test_contract_cyw43():
    for answer in (version10(1, 2, 3, 4), version30(1, 2, 3, 4), version10(*(4294967295,) * 4), None):
        check(lambda loopback: cyw43.Collector(counted.Collector(loopback, busy()), Wlan(answer)))


def test_lwip():
    usual_lwip()
    c = lwip_collector()
    s = sample(c)
    equal(ports(s, s.tcp_ports), [(80, None), (443, "en0"), (8080, None)])
    equal(ports(s, s.udp_ports), [(68, "en0"), (5353, None)])
    equal(connections(s), [("198.51.100.7:8883", 49153, "en0"), ("[2001:db8::7]:443", 49154, "w01")])
    equal((s.tcp_total, s.udp_total, s.connections, c.skipped), (3, 2, 2, 0))


def test_lwip_with_loopback_and_with_chosen_interfaces():
    usual_lwip()
    s = sample(lwip_collector(True))
    equal(ports(s, s.tcp_ports), [(80, None), (443, "en0"), (631, "lo0"), (8080, None)])
    equal((s.connections, s.udp_total), (3, 3))
    s = sample(lwip_collector(include=("w0*",)))
    equal(ports(s, s.tcp_ports), [(80, None), (8080, None)])
    equal(connections(s), [("[2001:db8::7]:443", 49154, "w01")])
    s = sample(lwip_collector(exclude=("w01",)))
    equal(s.connections, 1)


def test_lwip_more_records_than_rows():
    many = [tcp("192.0.2.1", 1000 + i, index=2) for i in range(150)]
    many += [tcp("192.0.2.1", 1, "198.51.100.7", 1000 + i, state=4, index=2) for i in range(100)]
    lwipstat.set(many, [udp("0.0.0.0", 1 + i) for i in range(20)], NETIFS)
    for rows in (1, 16, 249, 250):
        c = lwip_collector(rows=rows)
        s = sample(c)
        equal((s.tcp_total, s.tcp_ports.kept, s.connections, s.kept, s.udp_total), (150, 128, 100, 50, 20))
        equal(c.skipped, 0)
    # More than ever get room: what was not seen is told.
    lwipstat.set(many * 2, [], NETIFS)
    c = lwip_collector()
    s = sample(c)
    equal((s.tcp_total, s.connections, c.skipped), (150, 106 - 6, 500 - 256))


def test_lwip_more_interfaces_than_four():
    lwipstat.set([tcp("192.0.2.6", 80, index=6)], [], [interface("en%d" % i, 1 + i, 10, 1, 10, 1) for i in range(6)])
    c = lwip_collector()
    s = sample(c)
    equal(ports(s, s.tcp_ports), [(80, "en5")])
    equal(differences(c, lambda: None), [60, 6, 60, 6])


def test_lwip_counts_from_its_start():
    lwipstat.set([], [], NETIFS)
    c = lwip_collector()
    equal(differences(c, lambda: None), [1001, 11, 2001, 21])


def test_lwip_counters_of_64_bits():
    far = (1 << 53) + 12345678901

    def at(n):
        return lambda: lwipstat.set([], [], [interface("en0", 1, n, 1, n, 1)])

    equal(differences(lwip_collector(), at(0), at(far)), [far, 1, far, 1])
    equal(differences(lwip_collector(), at(1 << 32), at((1 << 33) + 5))[0], (1 << 33) + 5)


def test_lwip_an_interface_that_is_renumbered_keeps_its_name_and_difference():
    c = lwip_collector()
    tables = SocketTable()
    found = []
    for index in (2, 3, 4, 2):
        lwipstat.set(
            [tcp("192.0.2.1", 443, index=index)], [], [interface("w00", index, 100 * len(found), 1, 1, 1)]
        )  # fmt: skip
        c.sockets(tables)
        found.append(ports(tables, tables.tcp_ports))
    equal(found, [[(443, "w00")]] * 4)
    steps = [lambda i=i: lwipstat.set([], [], [interface("w00", 2 + i, 100 * i, 1, 1, 1)]) for i in range(4)]
    equal(differences(c, *steps), [300, 1, 1, 1])


def test_lwip_an_interface_that_nobody_counts_is_not_zero():
    lwipstat.set([], [], [interface("lo0", 1, flags=3), interface("pp1", 2, flags=3)])
    counters = Counters(64, True)
    lwip_collector().counters(counters)
    assert not counters.available()
    lwipstat.set([], [], [interface("pp1", 2, flags=3), interface("en0", 1, 5, 1, 5, 1)])
    equal(differences(lwip_collector(), lambda: None), [5, 1, 5, 1])


def test_sockets():
    ledger = busy()
    s = sample(counted.Collector(False, ledger))
    equal(ports(s, s.tcp_ports), [(80, None)])
    equal(ports(s, s.udp_ports), [(5353, None)])
    equal(
        connections(s),
        [
            ("198.51.100.10:50001", 80, None), ("198.51.100.77:8883", 0, None), ("198.51.100.7:8883", 0, None),
            ("198.51.100.9:50000", 80, None), ("203.0.113.1:443", 0, None), ("[2001:db8::7]:443", 0, None),
        ],
    )  # fmt: skip
    equal(differences(counted.Collector(False, ledger), lambda: None), [0, 0, 10000, 10])


def test_sockets_errors():
    Socket, ledger = counting()
    s = Socket()
    s._s.answers = [OSError(errno.ECONNREFUSED, "")]
    raises(OSError, s.connect, ("198.51.100.7", 1))
    equal(ledger.kind(0), FREE)
    raises(OSError, s.connect, ("no.such.name", 1))
    for making in (errno.EINPROGRESS, -errno.EINPROGRESS, errno.EALREADY):
        s = Socket()
        s._s.answers = [OSError(making, "")]
        raises(OSError, s.connect, ("198.51.100.7", 1))
        equal(ledger.kind(0), FREE)
        s.send(b"x")
        equal(ledger.remote(0), 1)
        s.close()
        ledger.hand_on()
        ledger.forget()
    s._s.answers = [OSError(errno.ECONNRESET, "")]
    equal(abs(raises(OSError, s.recv, 1).args[0]), errno.ECONNRESET)


def test_sockets_an_error_under_tls_is_a_number():
    Socket, ledger = counting()
    for first, returned in ((bytearray(b"\x16\x03\x01\0\x05hello"), True), (b"\x16\x03\x01\0\x05hello", False)):
        s = Socket()
        s.write(first)

        def refuse(*args):
            raise OSError(errno.ECONNRESET, "")

        s._s.write = s._s.readinto = refuse
        for call in (s.write, s.readinto):
            if returned:
                equal(call(bytearray(9)), -errno.ECONNRESET)
            else:
                raises(OSError, call, bytearray(9))


def test_sockets_addresses_that_are_none():
    Socket, ledger = counting()
    for text in ("1.2.3", "1.2.3.4.5", "a.b.c.d", "fe80:1", "1:2:3:4:5:6:7:8:9", ":", ":::", "::g", "no name"):
        raises(OSError, Socket().connect, (text, 1))  # taken for names, which this platform does not know
    s = Socket()
    s.connect(("fe80::1%wlan0", 5))
    equal(sample(counted.Collector(False, ledger)).kept, 1)


def counted_by(answer, other=None):
    """The differences between two answers of a radio."""
    wlan = Wlan(answer)
    c = cyw43.Collector(counted.Collector(False, counting()[1]), wlan)

    def then():
        wlan.answer = other

    return differences(c, lambda: None, then)


def test_cyw43_both_layouts():
    for make in (version10, version30):
        equal(counted_by(make(1000, 10, 2000, 20), make(1500, 12, 2600, 23)), [500, 2, 600, 3])
    assert cyw43.Collector(counted.Collector(False, counting()[1]), Wlan(version10(1, 1, 1, 1))).width == 32
    short = version10(1, 1, 1, 1, length=844)
    equal(counted_by(short, version10(2, 3, 4, 5, length=844)), [1, 2, 3, 4])
    tlv = b"\1\2\5\0hello\0\0\0"  # another type before it, padded to four
    equal(counted_by(version30(1, 1, 1, 1, before=tlv), version30(2, 3, 4, 5, before=tlv, version=31)), [1, 2, 3, 4])


def test_cyw43_wraps_at_32_bits_and_restarts():
    near = 4294967295 - 100
    equal(counted_by(version10(near, near, near, near), version10(99, 0, 1899, 5)), [200, 101, 2000, 106])
    equal(counted_by(version10(1000000, 900, 5000, 50), version10(10, 1, 10, 1)), [0, 0, 0, 0])


def test_cyw43_falls_back_and_says_why():
    refused = OSError(errno.EINVAL, "")
    for wlan, why in (
        (Wlan(None), "does not answer"),
        (Wlan(version10(1, 1, 1, 1), on=False), "off"),
        (Wlan(refused), "does not answer"),
        (Wlan(version10(1, 1, 1, 1, length=840)), "version 10, length 840"),
        (Wlan(version30(1, 1, 1, 1, version=99)), "version 99"),
        (Wlan(b"\x0b\0\x50\3" + bytes(848)), "version 11"),
        (Wlan(b"\x1e\0\xff\xff" + bytes(600)), "version 30"),
        (Wlan(b"\x1e\0\x08\0\0\1\xff\xff" + bytes(600)), "version 30"),
        (Wlan(bytes(852)), "version 0"),
        (Wlan(b"\x1e\0\x50\3" + bytes(848)), "version 30"),
    ):
        Socket, ledger = counting()
        c = cyw43.Collector(counted.Collector(False, ledger), wlan)
        assert why in c.source and "counted at the socket layer" in c.source, c.source
        equal((c.width, c.counts_from_start), (64, True))
        s = Socket()
        s.connect(("198.51.100.7", 1))

        def send():
            s.send(b"x")

        equal(differences(c, send), [0, 0, 1, 1])
        wlan.answer, wlan.on = version10(5, 5, 5, 5), True  # a difference between two kinds of counter means nothing
        equal(differences(c, lambda: None), [0, 0, 1, 1])
        s.close()


def test_cyw43_a_radio_that_goes_off_leaves_its_counters_out():
    wlan = Wlan(version10(100, 1, 100, 1))
    c = cyw43.Collector(counted.Collector(False, counting()[1]), wlan)
    counters = Counters(c.width, c.counts_from_start)
    tables = SocketTable()
    seen = []
    for on in (True, True, False, True):
        wlan.on = on
        fill(c, counters, tables)
        seen.append(counters.available())
        assert tables.tcp_read
        equal("radio is off" in c.source, not on)
    equal(seen, [False, True, False, True])


class Some:
    """What choose() takes of the settings."""

    include = exclude = ()

    def __init__(self, proc="/nowhere", loopback=False):
        self.proc = proc
        self.loopback = loopback


class Nothing:
    """Where a module is expected: none of its names can be imported."""


class Platform:
    def __init__(self, platform):
        self.platform = platform


def chosen(settings, lwip_is_there=False, network=None, platform="esp32"):
    """collect.choose() on a platform that has only these."""
    names = ("linkpulse.collect.lwip", "network")
    kept = [sys.modules.get(name) for name in names]
    counting()  # so that install() finds that it has been called
    collect.sys = Platform(platform)
    try:
        sys.modules[names[0]] = lwip() if lwip_is_there else Nothing()
        sys.modules["network"] = network or Nothing()
        return collect.choose(settings)
    finally:
        collect.sys = sys
        for name, module in zip(names, kept):
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def test_choose_lwip_where_lwipstat_is():
    usual_lwip()
    c = chosen(Some(".", True), True)
    assert isinstance(c, lwip().Collector) and "lwip" in c.source
    equal(sample(c).tcp_total, 4)


def test_choose_linux_on_linux():
    c = chosen(Some("/proc"), platform="linux")
    assert isinstance(c, Collector) and "/proc" in c.source


def test_a_proc_that_is_not_there_is_no_machine_without_sockets():
    c = chosen(Some("/nowhere/proc"), platform="linux")
    assert isinstance(c, Collector)
    raises(CollectError, Reporter(c, "thing-1", lambda: 1).report)


def test_choose_counting_elsewhere():
    c = chosen(Some())
    assert isinstance(c, counted.Collector) and "own sockets" in c.source


class Network:
    STA_IF = 0

    def __init__(self, wlan):
        self.WLAN = wlan


class Esp32Wlan:
    def __init__(self, *args):
        raise AssertionError("the radio was started")


class PicoWlan(Wlan):
    def __init__(self, which):
        Wlan.__init__(self, version10(1, 1, 1, 1))


def test_a_reporter_tells_what_its_platform_can_see():
    c = counted.Collector(False, counting()[1])
    equal(Reporter(c, "thing-1", lambda: 1).source, c.source)


def test_choose_the_radio_where_it_can_be_asked():
    c = chosen(Some(), False, Network(Esp32Wlan))
    assert isinstance(c, counted.Collector)
    c = chosen(Some(), False, Network(PicoWlan))
    assert isinstance(c, cyw43.Collector) and "from the radio" in c.source
    equal(c.width, 32)
