"""lwipstat and the reports made of it, on the board in QEMU, against what psutil says of QEMU's own sockets.

QEMU's user network opens a socket of this machine for each connection of the board to it, and keeps the remote port of
each connection that comes in through a forward: these ports are what both sides must agree on.
"""

import contextlib
import ipaddress
import socket
import struct

import cbor2
import psutil
import pytest

from linkpulse_tools.defender.schema import validate
from linkpulse_tools.device.qemu_board import HOST, wait_for

SOCKET, INTERFACE = 40, 48
LISTEN, ESTABLISHED = 1, 4
UP, LINK_UP, COUNTED = 1, 2, 4
FRAME = 54  # Ethernet, IPv4 and TCP without options
OPTIONS = 4  # of a SYN, the only packets here that have some

DEVICE = """
import gc, lwipstat, network, socket, time
kept = []
def read(table, size):
    b = bytearray(size)
    n = getattr(lwipstat, table)(b)
    return n, bytes(b)
def connect(port, times):
    for _ in range(times):
        s = socket.socket()
        s.connect(("10.0.2.2", port))
        kept.append(s)
def listen(port):
    s = socket.socket()
    s.bind(("", port))
    s.listen(8)
    s.settimeout(10)
    kept.append(s)
def accept(times):
    kept.extend([kept[0].accept()[0] for _ in range(times)])
def close():
    while kept:
        kept.pop().close()
def bounce(s, block, times):  # every byte there and back
    buf = bytearray(len(block))
    for _ in range(times):
        s.write(block)
        s.readinto(buf)
def report(connections):
    from linkpulse.collect import choose
    from linkpulse.report import Reporter
    from linkpulse.settings import Settings
    collector = choose(Settings({"thing": "t"}, online=False))
    return bytes(Reporter(collector, "t", lambda: 1, tags="long", connections=connections).report())
lwipstat.interfaces(bytearray())
"""
ALLOCATES = """
import micropython
def allocates(n):
    micropython.heap_lock()
    try:
        n + 1
        return False
    except MemoryError:
        return True
    finally:
        micropython.heap_unlock()
"""


@pytest.fixture(scope="module")
def forward():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def machine(make_board, forward):
    with make_board("agent", heap=200000, forward={forward: 8080}) as running:
        running.run(DEVICE)
        yield running


@pytest.fixture
def board(machine):
    yield machine
    machine.run("close()")


def sockets(board, table="tcp", room=64):
    """(total, [(state, family, interface, local, local port, remote, remote port)])"""
    total, data = board.value(f"read({table!r}, {room * SOCKET})")
    return total, [socket_record(data[i * SOCKET :]) for i in range(min(room, total))]


def socket_record(data):
    state, family, interface, zero, local_port, remote_port, local, remote = struct.unpack("<4B2H16s16s", data[:SOCKET])
    assert zero == 0
    return state, family, interface, address(family, local), local_port, address(family, remote), remote_port


def address(family, raw):
    assert family != 4 or raw[4:] == bytes(12)
    return str(ipaddress.ip_address(raw[:4] if family == 4 else raw))


def interfaces(board):
    """name: (index, flags, bytes in, packets in, bytes out, packets out)"""
    total, data = board.value(f"read('interfaces', {8 * INTERFACE})")
    found = {}
    for i in range(total):
        name, *values = struct.unpack("<8s2B6x4Q", data[i * INTERFACE :][:INTERFACE])
        found[name.rstrip(b"\0").decode()] = tuple(values)
    return found


def of_qemu(board, **wanted):
    """(port here, port there) of each established connection that QEMU's process has, as this machine sees them."""
    found = [(c.laddr.port, c.raddr.port) for c in psutil.Process(board.pid).net_connections("tcp4") if c.raddr]
    return sorted(pair for pair in found if wanted.items() <= {"here": pair[0], "there": pair[1]}.items())


def of_board(board):
    return [row for row in sockets(board)[1] if row[0] == ESTABLISHED]


@contextlib.contextmanager
def servers(count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]


def test_outgoing_connections_are_those_of_the_host(board):
    with servers(5) as listeners:
        ports = [listener.getsockname()[1] for listener in listeners]
        for n, port in enumerate(ports):
            board.run(f"connect({port}, {n + 1})")
        rows = of_board(board)
        index = interfaces(board)["en1"][0]
        assert sorted(row[6] for row in rows) == sorted(there for _, there in of_qemu(board))
        assert sorted(row[6] for row in rows) == sorted(port for n, port in enumerate(ports) for _ in range(n + 1))
        assert {row[1:4] for row in rows} == {(4, index, "10.0.2.15")} and {row[5] for row in rows} == {HOST}
        assert len({row[4] for row in rows}) == 15
        board.run("close()")
        assert wait_for(lambda: not of_qemu(board)) and not of_board(board)


def test_incoming_connections_are_those_of_the_host(board, forward):
    board.run("listen(8080)")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", forward))) for _ in range(4)]
        board.run("accept(4)")
        rows = of_board(board)
        assert {row[4] for row in rows} == {8080} and {row[5] for row in rows} == {HOST}
        seen = sorted(row[6] for row in rows)
        assert seen == sorted(client.getsockname()[1] for client in clients)
        assert seen == [there for _, there in of_qemu(board, here=forward)]
        listening = [row for row in sockets(board)[1] if row[0] == LISTEN]
        assert len(listening) == 1 and listening[0][1] in (4, 46) and listening[0][4::2] == (8080, 0)


def test_the_true_total_in_a_small_buffer(board):
    with servers(1) as (listener,):
        board.run(f"connect({listener.getsockname()[1]}, 20)")
        total, rows = sockets(board, room=3)
        assert total >= 20 and len(rows) == 3
        assert board.value("lwipstat.tcp(bytearray(lwipstat.SOCKET - 1))") == total


def test_counters_are_the_bytes_that_were_sent(board):
    """All that went over the wire is the payload and the frames' own heads."""
    with servers(1) as (listener,):
        board.run(f"connect({listener.getsockname()[1]}, 1)")
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(10)
            before = interfaces(board)
            board.start("bounce(kept[0], bytes(500), 100)")
            for _ in range(100):
                peer.sendall(peer.recv(500, socket.MSG_WAITALL))
            board.finish()
            after = interfaces(board)
    assert set(after) == {"en1", "lo0"} and after["en1"][1] == UP | LINK_UP | COUNTED
    grown = [b - a for a, b in zip(before["en1"][2:], after["en1"][2:], strict=True)]
    for total, packets in (grown[:2], grown[2:]):
        assert packets >= 100
        assert 50000 + FRAME * packets <= total <= 50000 + (FRAME + OPTIONS) * packets, (total, packets)


def test_a_report_says_what_the_host_sees(board, forward):
    board.run("listen(8080)")
    with servers(2) as listeners, socket.create_connection(("127.0.0.1", forward)) as client:
        ports = [listener.getsockname()[1] for listener in listeners]
        board.run(f"accept(1); connect({ports[0]}, 7); connect({ports[1]}, 12)")
        payload = board.value("report(50)")
        few = board.value("report(5)")
        host = sorted(there for _, there in of_qemu(board))
        expected = sorted([client.getsockname()[1], *[ports[0]] * 7, *[ports[1]] * 12])
    assert validate(payload, "cbor").ok and validate(few, "cbor").ok
    metrics = cbor2.loads(payload)["metrics"]
    table = metrics["tcp_connections"]["established_connections"]
    seen = sorted(int(row["remote_addr"].rpartition(":")[2]) for row in table["connections"])
    assert table["total"] == 20 == len(seen) and seen == host == expected
    assert {row["remote_addr"].rpartition(":")[0] for row in table["connections"]} == {HOST}
    assert {row["local_interface"] for row in table["connections"]} == {"en1"}
    assert [row["port"] for row in metrics["listening_tcp_ports"]["ports"]] == [8080]
    assert [row["port"] for row in metrics["listening_udp_ports"]["ports"]] == [68]
    stats = metrics["network_stats"]  # counting began with the board, so a first report has it
    assert all(stats[name] > 0 for name in ("bytes_in", "bytes_out", "packets_in", "packets_out"))
    table = cbor2.loads(few)["metrics"]["tcp_connections"]["established_connections"]
    assert (table["total"], len(table["connections"])) == (20, 5)


def test_udp_sockets(board):
    board.run("u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 5353)); kept.append(u)")
    assert {row[4] for row in sockets(board, "udp")[1]} == {68, 5353}


def test_an_interface_that_comes_back_goes_on_counting(board):
    before = interfaces(board)["en1"]
    board.run("network.LAN().active(False)")
    assert set(interfaces(board)) == {"lo0"}
    board.run("lan = network.LAN(); lan.active(True)\nwhile not lan.isconnected(): time.sleep_ms(5)")
    back = interfaces(board)["en1"]
    assert back[1] == UP | LINK_UP | COUNTED and back[0] != before[0]
    assert all(new > old for new, old in zip(back[2:], before[2:], strict=True))


def test_a_soft_reset_ends_sockets_and_counting(board):
    board.run("listen(8080)")
    board.soft_reset()
    board.run(DEVICE)
    assert all(values[3] < 4 for values in interfaces(board).values())
    assert sockets(board, "udp")[0] == 1 and not [row for row in sockets(board)[1] if row[0] == LISTEN]


def test_what_the_board_is(board):
    assert board.value("__import__('sys').platform") == "qemu"
    assert board.value("1 / 3") == 0.3333333  # 32-bit floats
    board.run(ALLOCATES)
    assert board.value("(allocates(2**30 - 2), allocates(2**30 - 1))") == (False, True)  # small ints of 31 bits
