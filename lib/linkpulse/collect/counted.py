"""A socket that is counted, in front of the platform's: see sockets.py."""

import io
import sys
from errno import EINPROGRESS, EINVAL
from linkpulse.collect.ledger import CONNECTED, DATAGRAM, LISTENING, Ledger
from micropython import const

_POLL = const(3)  # MP_STREAM_POLL and MP_STREAM_CLOSE of py/stream.h
_CLOSE = const(4)
_ledger = None
_real = None


class Socket(io.IOBase):
    """A counted socket. Not a subclass of the platform's: poll and TLS would take such a one for what it is not."""

    def __init__(self, *args, real=None):
        self._s = _real.socket(*args) if real is None else real
        self._datagram = len(args) > 1 and args[1] == _real.SOCK_DGRAM
        self._entry = -1
        self._bound = (4, 0, bytes(4))
        self._poller = None

    def connect(self, address):
        try:
            self._s.connect(address)
        except OSError as e:
            if abs(e.errno) == EINPROGRESS:
                self._connected(address)
            raise
        self._connected(address)

    def bind(self, address):
        self._s.bind(address)
        self._bound = _parts(address)
        if self._datagram:
            family, port, host = self._bound
            self._enter(DATAGRAM, family, port, 0, host)

    def listen(self, *args):
        self._s.listen(*args)
        family, port, host = self._bound
        self._enter(LISTENING, family, port, 0, host)

    def accept(self):
        real, address = self._s.accept()
        s = Socket(real=real)
        family, port, host = _parts(address)
        s._enter(CONNECTED, family, self._bound[1], port, host)
        return s, address

    def send(self, data, *args):
        return self._sent(self._s.send(data, *args))

    def sendall(self, data, *args):
        self._s.sendall(data, *args)
        self._sent(len(data))

    def sendto(self, data, *args):
        return self._sent(self._s.sendto(data, *args))

    def write(self, buf, *args):
        return self._sent(self._s.write(buf, *args))

    def recv(self, *args):
        return self._received(self._s.recv(*args))

    def recvfrom(self, *args):
        data, address = self._s.recvfrom(*args)
        self._received(data)
        return data, address

    def read(self, *args):
        return self._received(self._s.read(*args))

    def readline(self, *args):
        return self._received(self._s.readline(*args))

    def readinto(self, buf, *args):
        n = self._s.readinto(buf, *args)
        if n:
            _ledger.count(False, n, not self._datagram)
        return n

    def makefile(self, *args):
        return self

    def setsockopt(self, *args):
        return self._s.setsockopt(*args)

    def setblocking(self, flag):
        self._s.setblocking(flag)

    def settimeout(self, timeout):
        self._s.settimeout(timeout)

    def fileno(self):
        return self._s.fileno()

    def ioctl(self, request, argument):
        if request == _POLL:
            return self._polled(argument)
        if request == _CLOSE:
            self.close()
            return 0
        return -EINVAL

    def close(self):
        self._leave()
        self._s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _polled(self, wanted):
        if self._poller is None:
            import select

            self._poller = select.poll()
            self._poller.register(self._s, wanted)
        else:
            self._poller.modify(self._s, wanted)
        for _, ready in self._poller.ipoll(0):
            return ready
        return 0

    def _sent(self, n):
        if n:
            _ledger.count(True, n, not self._datagram)
        return n

    def _received(self, data):
        if data:
            _ledger.count(False, len(data), not self._datagram)
        return data

    def _connected(self, address):
        if self._datagram:
            self._leave()  # a connected UDP socket neither listens nor is a connection
        else:
            family, port, host = _parts(address)
            self._enter(CONNECTED, family, self._bound[1], port, host)

    def _enter(self, kind, family, local, remote, host):
        self._leave()
        self._entry = _ledger.open(kind, family, local, remote, host)

    def _leave(self):
        if self._entry >= 0:
            _ledger.close(self._entry)
            self._entry = -1


def install(capacity=24):
    """Puts the counted socket in front of the platform's, once; the ledger of all sockets made from then on."""
    global _ledger, _real
    if _ledger is None:
        import socket

        _real = socket
        _ledger = Ledger(capacity)
        sys.modules["socket"] = sys.modules["usocket"] = Module()
    return _ledger


class Module:
    """Stands in sys.modules for the platform's `socket`."""

    def __getattr__(self, name):
        return Socket if name == "socket" else getattr(_real, name)


def _parts(address):
    # (family, port, bytes of the address) of what the platform takes and gives for one.
    if not isinstance(address, (tuple, list)):
        # The unix port's is struct sockaddr: family in the host's byte order, port in the network's.
        raw = bytes(address)
        port = raw[2] << 8 | raw[3]
        return (6, port, raw[8:24]) if raw[0] | raw[1] == 10 else (4, port, raw[4:8])
    host, port = address[:2]
    if ":" in host:
        return 6, port, _real.inet_pton(_real.AF_INET6, host) if hasattr(_real, "inet_pton") else bytes(16)
    try:
        return 4, port, bytes([int(part) for part in (host or "0.0.0.0").split(".")])[:4]
    except ValueError:
        return 4, port, bytes(4)  # a name, where the platform takes one
