"""Platforms in memory: lwipstat, a radio, a socket module."""

import errno
import sys
from proc_root import ip
from linkpulse.collect.counted import socket_proxy
from linkpulse.collect.counted.ledger import Ledger


def tcp(local, port, remote="0.0.0.0", remote_port=0, state=1, family=None, index=0):
    """A record of lwipstat (firmware/lwipstat/README.md)."""
    here = ip(local)
    if len(here) == 16 and remote == "0.0.0.0":
        remote = "::"
    there = ip(remote)
    head = bytes((state, family or (4 if len(here) == 4 else 6), index, 0, port & 255, port >> 8, remote_port & 255,
                  remote_port >> 8))  # fmt: skip
    return head + here + bytes(16 - len(here)) + there + bytes(16 - len(there))


def udp(local, port, *args, **options):
    options["state"] = options.get("state", 0)
    return tcp(local, port, *args, **options)


def interface(name, index, bytes_in=0, packets_in=0, bytes_out=0, packets_out=0, flags=7):
    numbers = b"".join([n.to_bytes(8, "little") for n in (bytes_in, packets_in, bytes_out, packets_out)])
    return name.encode() + bytes(8 - len(name)) + bytes((index, flags)) + bytes(6) + numbers


class Lwipstat:
    """The C module: whole records into the caller's buffer, the true number back. Allocates nothing in a call."""

    SOCKET, INTERFACE = 40, 48

    def __init__(self):
        self.set()
        # As attributes: MicroPython imports no method of an object by name.
        self.tcp = lambda buf: self._copy(self._tcp, 40, buf)
        self.udp = lambda buf: self._copy(self._udp, 40, buf)
        self.interfaces = lambda buf: self._copy(self._interfaces, 48, buf)

    def set(self, tcp=(), udp=(), interfaces=()):
        self._tcp, self._udp, self._interfaces = b"".join(tcp), b"".join(udp), b"".join(interfaces)

    def _copy(self, records, size, buf):
        n = min(len(records), len(buf) // size * size)
        i = 0
        while i < n:
            buf[i] = records[i]
            i += 1
        return len(records) // size


lwipstat = Lwipstat()


def lwip():
    """The module linkpulse.collect.lwip on this fake, whatever is built in."""
    sys.modules["lwipstat"] = lwipstat
    from linkpulse.collect import lwip

    del sys.modules["lwipstat"]
    return lwip


class Wlan:
    """A radio whose driver answers ioctl(0x20c) with `answer`, or leaves the question as it was."""

    def __init__(self, answer=None, on=True):
        self.answer = answer
        self.on = on

    def active(self):
        return self.on

    def ioctl(self, request, buf):
        assert request == 0x20C and buf[8] == 0 and len(buf) >= 852
        for i in range(9):
            assert buf[i] == b"counters\0"[i]
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            for i in range(len(self.answer)):
                buf[i] = self.answer[i]


def _u32(values):
    return b"".join([n.to_bytes(4, "little") for n in values])


def _values(bytes_in, packets_in, bytes_out, packets_out):
    # txframe, txbyte, 13 others, rxframe, rxbyte
    return _u32((packets_out, bytes_out) + (0xEEEEEEEE,) * 13 + (packets_in, bytes_in))


def version10(*numbers, length=848):
    """Broadcom's wl_cnt_ver_10_t: version, length, values."""
    body = _values(*numbers)
    return b"\x0a\0" + length.to_bytes(2, "little") + body + bytes(length - 4 - len(body))


def version30(*numbers, before=b"", version=30):
    """Versions from 30 on: version, length, then type, length, value; the counters in type 0x100."""
    body = _values(*numbers) + bytes(200)
    body = before + b"\0\1" + len(body).to_bytes(2, "little") + body
    return version.to_bytes(2, "little") + len(body).to_bytes(2, "little") + body


class Real:
    """The platform's socket in memory. `answers` is what reads give, an OSError among them is raised."""

    def __init__(self, *args):
        self.answers = []
        self.closed = 0

    def connect(self, address):
        if self.answers and isinstance(self.answers[0], OSError):
            raise self.answers.pop(0)

    def bind(self, address):
        pass

    def listen(self, *backlog):
        pass

    def accept(self):
        return Real(), self.answers.pop(0)

    def send(self, data, *flags):
        return len(data)

    def write(self, data, *args):
        return len(data)

    def recv(self, n):
        return self.read(n)

    def read(self, n):
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self):
        self.closed += 1


class SocketModule:
    """A platform whose addresses are (text, port), as boards have them; names resolve to one address."""

    AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM = 2, 10, 1, 2
    socket = Real

    def getaddrinfo(self, host, port, *args):
        if host != "broker.example":
            raise OSError(errno.ENOENT, "")
        return [(2, 1, 0, "", ("198.51.100.77", port))]


def counting(capacity=24):
    """(socket_proxy.SocketProxy, its ledger) on that platform, without touching sys.modules."""
    socket_proxy._real = SocketModule()
    socket_proxy._ledger = Ledger(capacity)
    return socket_proxy.SocketProxy, socket_proxy._ledger
