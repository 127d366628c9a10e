# SPDX-License-Identifier: MIT
"""The counted socket, which replaces the platform's: see collect.counted."""

import io
import sys
from errno import EALREADY, EINPROGRESS, EINVAL
from .ledger import CONNECTED, DATAGRAM, LISTENING, Ledger
from .socket_address import parts
from ...port import const

_POLL = const(3)  # MP_STREAM_POLL and MP_STREAM_CLOSE of py/stream.h, and the flags of polling
_CLOSE = const(4)
_WRITABLE = const(4)
_BROKEN = const(0x38)  # ERR, HUP, NVAL
_NONE = const(-1)  # not in the ledger
_PENDING = const(-2)  # not in the ledger yet: the connection is being made
_ledger = None
_real = None


class SocketProxy(io.IOBase):
    """A counted socket. It is not a subclass of the platform's, because poll and TLS would bypass it then."""

    def __init__(self, *args, real=None):
        self._s = _real.socket(*args) if real is None else real
        self._stream = len(args) < 2 or args[1] == _real.SOCK_STREAM
        self._entry = _NONE
        self._what = None  # the address of its entry, to make the entry again
        self._bound = (4, 0, bytes(4))
        self._poller = None
        self._tls = None

    def connect(self, address):
        try:
            end = parts(address)
        except ValueError:  # the platform accepts a name; find out which of its addresses it uses
            address = _real.getaddrinfo(address[0], address[1])[0][-1]
            end = parts(address)
        try:
            self._s.connect(address)
        except OSError as e:
            if self._stream and abs(e.errno) in (EINPROGRESS, EALREADY):
                self._describe(CONNECTED, self._bound[1], end)
                self._entry = _PENDING
            raise
        self._leave()  # a connected UDP socket is neither a listener nor a connection
        if self._stream:
            self._enter(CONNECTED, self._bound[1], end)

    def bind(self, address):
        self._s.bind(address)
        try:
            self._bound = parts(address)
        except ValueError:
            pass
        if not self._stream:
            self._enter(DATAGRAM, self._bound[1], self._bound)

    def listen(self, *args):
        self._s.listen(*args)
        self._enter(LISTENING, self._bound[1], self._bound)

    def accept(self):
        real, address = self._s.accept()
        s = SocketProxy(real=real)
        s._enter(CONNECTED, self._bound[1], parts(address))
        return s, address

    def send(self, data, *args):
        return self._sent(self._s.send(data, *args))

    def sendall(self, data, *args):
        self._s.sendall(data, *args)
        self._sent(len(data))

    def sendto(self, data, *args):
        return self._sent(self._s.sendto(data, *args))

    def write(self, buf, *args):
        if self._tls is None:
            # The first record of TLS is a handshake (RFC 8446, 5.1), in the form in which MicroPython's C code passes
            # bytes.
            self._tls = isinstance(buf, bytearray) and not args and len(buf) > 5 and buf[0] == 22 and buf[1] == 3
        try:
            return self._sent(self._s.write(buf, *args))
        except OSError as e:
            return self._failed(e)

    def recv(self, *args):
        return self._received(self._s.recv(*args))

    def recvfrom(self, *args):
        found = self._s.recvfrom(*args)
        self._received(found[0])
        return found

    def read(self, *args):
        return self._received(self._s.read(*args))

    def readline(self, *args):
        return self._received(self._s.readline(*args))

    def readinto(self, buf, *args):
        try:
            n = self._s.readinto(buf, *args)
        except OSError as e:
            return self._failed(e)
        if n:
            self._count(False, n)
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
            from ...port import select

            self._poller = select.poll()
            self._poller.register(self._s, wanted)
        else:
            self._poller.modify(self._s, wanted)
        ready = 0
        for _, ready in self._poller.ipoll(0):
            pass
        if self._entry >= 0 or (ready & _WRITABLE and not ready & _BROKEN):
            self._used()
        return ready

    def _sent(self, n):
        if n:
            self._count(True, n)
        return n

    def _received(self, data):
        if data:
            self._count(False, len(data))
        return data

    def _count(self, sent, n):
        _ledger.count(sent, n, self._stream)
        if self._entry != _NONE:
            self._used()

    def _failed(self, e):
        # Under TLS an exception would jump over C code that must clean up.
        if self._tls:
            return -abs(e.errno)
        raise e

    def _used(self):
        entry = self._entry
        if entry == _PENDING or (entry >= 0 and not _ledger.used(entry)):
            self._entry = _ledger.open(*self._what)

    def _enter(self, kind, local, end):
        self._leave()
        self._describe(kind, local, end)
        if not end[0]:
            return
        if kind != CONNECTED and not local:
            _ledger.missed += 1  # the platform chose the port and does not tell it
        else:
            self._entry = _ledger.open(*self._what)

    def _describe(self, kind, local, end):
        self._what = (kind, end[0], local, end[1] if kind == CONNECTED else 0, end[2])

    def _leave(self):
        if self._entry >= 0:
            _ledger.close(self._entry)
        self._entry = _NONE


class Module:
    """Replaces the platform's module `socket` in sys.modules."""

    def __getattr__(self, name):
        return SocketProxy if name == "socket" else getattr(_real, name)


def install(capacity=24):
    """Replaces the platform's socket by the counted one. Returns the ledger of all sockets made from then on.

    `capacity` is the number of entries. Further calls change nothing.
    """
    global _ledger, _real
    if _ledger is None:
        from ...port import socket

        _real = socket
        _ledger = Ledger(capacity)
        counted = Module()
        for module in list(sys.modules.values()):
            # Also in the modules that have imported it already, such as this package's own.
            if getattr(module, "socket", None) is socket:
                module.socket = counted
        sys.modules["socket"] = sys.modules["usocket"] = counted
    return _ledger
