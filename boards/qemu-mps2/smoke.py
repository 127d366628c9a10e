#!/usr/bin/env python3
"""Smoke test of the firmware in QEMU, driven by mpremote: heap, lwipstat against the host, MQTT over mutual TLS.

    PYTHONPATH=tools .venv/bin/python boards/qemu-mps2/smoke.py [--heap N]

Needs mpremote and mosquitto. Prints what it saw; ends with status 1 at the first thing that is not so.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from ast import literal_eval
from pathlib import Path

from qemu import FIRMWARE, Machine

from linkpulse_tools import broker, certs, mpy, paths, umqtt

HOST = "10.0.2.2"  # the host's loopback, seen from the board
SOCKET, INTERFACE = 40, 48
LISTEN, ESTABLISHED = 1, 4
UP, LINK_UP, COUNTED = 1, 2, 4

READ = """
import lwipstat
b = bytearray({size})
n = lwipstat.{table}(b)
print((n, bytes(b)))
"""

SMALL_INTS = """
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
print((allocates(2**30 - 2), allocates(2**30 - 1), 1 / 3))
"""

MQTT = """
import gc, socket, tls, time
gc.collect()
free = gc.mem_free()
import umqtt.simple
class Tls:  # umqtt.simple 1.3.4 takes its sockets from a module `socket`: this one has TLS in them
    getaddrinfo = socket.getaddrinfo
    def socket():
        return Connection()
class Connection:
    def connect(self, address):
        c = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        c.verify_mode = tls.CERT_REQUIRED
        c.load_verify_locations(open("ca.der", "rb").read())
        c.load_cert_chain(open("thing.der", "rb").read(), open("thing.key.der", "rb").read())
        raw = socket.socket()
        raw.connect(address)
        self.s = c.wrap_socket(raw, server_hostname="localhost")
        for name in ("read", "write", "close", "setblocking"):
            setattr(self, name, getattr(self.s, name))
umqtt.simple.socket = Tls
got = []
c = umqtt.simple.MQTTClient("thing-1", "{host}", {port}, keepalive=60)
c.set_callback(lambda topic, message: got.append((topic, message)))
t = time.ticks_ms()
c.connect()
t = time.ticks_diff(time.ticks_ms(), t)
c.subscribe(b"echo/+")
c.publish(b"echo/0", b"quality 0")
c.publish(b"echo/1", b"quality 1", qos=1)
while len(got) < 2:
    c.wait_msg()
gc.collect()
print((t, free, gc.mem_free(), got))
c.disconnect()
"""


class Board:
    """The machine's REPL through mpremote: one process a call, as a person would use it."""

    def __init__(self, terminal: str) -> None:
        program = shutil.which("mpremote")
        module = importlib.util.find_spec("mpremote")
        if not (program or module):
            sys.exit("mpremote is not installed")
        self._command = [sys.executable, "-m", "mpremote"] if module else [program]
        self._command += ["connect", terminal, "resume"]

    def mpremote(self, *words: str | Path) -> str:
        done = subprocess.run([*self._command, *map(str, words)], capture_output=True, text=True, timeout=60)
        if done.returncode:
            sys.exit(f"mpremote {words[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def run(self, code: str):
        """Run `code`; the value of the last line it prints."""
        return literal_eval(self.mpremote("exec", code).strip().splitlines()[-1])

    def soft_reset(self) -> None:
        self.mpremote("soft-reset")

    def sockets(self, table: str, room: int = 64) -> tuple[int, list[tuple]]:
        """(total, [(state, family, interface, local, local port, remote, remote port)])"""
        total, data = self.run(READ.format(table=table, size=room * SOCKET))
        return total, [socket_record(data[i * SOCKET :]) for i in range(min(room, total))]

    def interfaces(self) -> dict[str, tuple]:
        """name: (index, flags, bytes in, packets in, bytes out, packets out)"""
        total, data = self.run(READ.format(table="interfaces", size=8 * INTERFACE))
        return dict(interface_record(data[i * INTERFACE :]) for i in range(total))


def socket_record(data: bytes) -> tuple:
    state, family, interface, _, local_port, remote_port, local, remote = struct.unpack("<4B2H16s16s", data[:SOCKET])
    return state, family, interface, address(family, local), local_port, address(family, remote), remote_port


def interface_record(data: bytes) -> tuple[str, tuple]:
    name, *values = struct.unpack("<8s2B6x4Q", data[:INTERFACE])
    return name.rstrip(b"\0").decode(), tuple(values)


def address(family: int, raw: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET, raw[:4]) if family == 4 else socket.inet_ntop(socket.AF_INET6, raw)


def check(what: str, seen: object, right: bool) -> None:
    print(f"{'ok  ' if right else 'FAIL'} {what}: {seen}")
    if not right:
        sys.exit(1)


def heap(board: Board, wanted: int) -> None:
    version, total = board.run(
        "import sys, gc; gc.collect(); print((sys.version.split()[2], gc.mem_free() + gc.mem_alloc()))"
    )
    check("MicroPython, heap", (version, total), wanted * 0.95 < total < wanted)
    values = board.run(SMALL_INTS)
    check("31-bit small ints, float32", values, values == (False, True, 0.3333333))


def outgoing(board: Board) -> None:
    """A connection of the board to the host is in the table as the host sees it; its bytes are counted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        before = board.interfaces()["en1"]
        board.run(f"import socket; s = socket.socket(); s.connect(('{HOST}', {port})); print(s.write(bytes(5000)))")
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(10)
            received = sum(len(peer.recv(5000, socket.MSG_WAITALL)) for _ in range(1))
            _, rows = board.sockets("tcp")
            mine = [row for row in rows if row[5:] == (HOST, port)]
            check("the connection", mine, len(mine) == 1 and mine[0][:4] == (ESTABLISHED, 4, before[0], "10.0.2.15"))
            after = board.interfaces()["en1"]
            sent, packets = after[4] - before[4], after[5] - before[5]
            check("bytes and packets out for 5000", (sent, packets), received == 5000 and 5000 + 54 * 7 <= sent < 6500)
            board.run("s.close(); print(1)")
    _, rows = board.sockets("tcp")
    check("closed", rows, not [row for row in rows if row[5:] == (HOST, port) and row[0] == ESTABLISHED])


def incoming(board: Board, port: int) -> None:
    """A listener of the board, and the host's connection to it through QEMU's forward."""
    board.run("import socket; l = socket.socket(); l.bind(('', 8080)); l.listen(4); l.settimeout(10); print(1)")
    with socket.create_connection(("127.0.0.1", port)):
        board.run("c, a = l.accept(); print(1)")
        total, rows = board.sockets("tcp")
        few = board.sockets("tcp", 1)
        check("the true total, in a buffer for one", few, few[0] == total > 1 and len(few[1]) == 1)
        check("the listener", rows, len([r for r in rows if r[0] == LISTEN and r[4] == 8080 and r[1] in (4, 46)]) == 1)
        mine = [r for r in rows if r[0] == ESTABLISHED and r[4] == 8080]
        check("the host's connection", mine, len(mine) == 1 and mine[0][5] == HOST)
    board.run("c.close(); l.close(); print(1)")
    board.run(
        "import socket; u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 5353)); print(1)"
    )
    _, rows = board.sockets("udp")
    check("UDP: DHCP's client and ours", rows, {row[4] for row in rows} == {68, 5353})


def interfaces(board: Board) -> None:
    """Hooked again after the interface was away, its totals going on; nothing left of them after a soft reset."""
    before = board.interfaces()
    check("interfaces", before, set(before) == {"en1", "lo0"} and before["en1"][1] == UP | LINK_UP | COUNTED)
    board.run("import network; network.LAN().active(False); print(1)")
    away = board.interfaces()
    check("away", away, set(away) == {"lo0"})
    board.run(
        "import network, time; lan = network.LAN(); lan.active(True)\n"
        "while not lan.isconnected(): time.sleep_ms(5)\nprint(lan.ifconfig())"
    )
    back = board.interfaces()
    values = back["en1"]
    grown = all(new > old for new, old in zip(values[2:], before["en1"][2:], strict=True))
    check(
        "back, totals going on", back, values[1] == UP | LINK_UP | COUNTED and values[0] != before["en1"][0] and grown
    )
    board.soft_reset()
    reset = board.interfaces()
    check("from zero after a soft reset", reset, all(values[3] < 4 for values in reset.values()))
    check("sockets are gone with it", board.sockets("udp"), board.sockets("udp")[0] == 1)


def mqtt(board: Board, folder: Path) -> None:
    """Mutual TLS to mosquitto with umqtt.simple as .mpy."""
    bundle = certs.make_bundle(folder / "certs", "thing-1")
    client = folder / "simple.mpy"
    mpy.compile_file(umqtt.ensure(paths.VENDOR), client, "simple.py")
    board.mpremote("mkdir", ":lib")
    board.mpremote("mkdir", ":lib/umqtt")
    board.mpremote("cp", client, ":lib/umqtt/simple.mpy")
    for path in (bundle.ca.der, bundle.thing.der, bundle.thing.key_der):
        board.mpremote("cp", path, f":{path.name}")
    board.soft_reset()
    with broker.MosquittoBroker(bundle, folder) as where:
        took, before, left, got = board.run(MQTT.replace("{host}", HOST).replace("{port}", str(where.port)))
    right = [(b"echo/0", b"quality 0"), (b"echo/1", b"quality 1")]
    check("MQTT over mutual TLS, ms to connect, heap free before and connected", (took, before, left), got == right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heap", type=int, default=65536)
    parser.add_argument("--firmware", type=Path, default=FIRMWARE)
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, Machine(args.firmware, args.heap, {port: 8080}) as machine:
        board = Board(machine.terminal)
        heap(board, args.heap)
        outgoing(board)
        incoming(board, port)
        interfaces(board)
        mqtt(board, Path(folder))
    print("all of it works")


if __name__ == "__main__":
    main()
