"""A TLS stream whose platform has no connection left, and one that verifies nothing."""

import errno
import sys
from check import equal, raises
from linkpulse.errors import NetworkError, TLSError
from linkpulse.session import tls_stream, trust


class Sockets:
    """A module `socket` in which `where` fails for want of memory: "socket", "connect" or "wrap_socket"."""

    SOCK_STREAM = 1

    def __init__(self, where):
        self._where = where

    def fail(self, where):
        if where == self._where:
            raise OSError(errno.ENOMEM)

    def getaddrinfo(self, *_):
        return [(2, 1, 0, "", ("198.51.100.1", 8883))]

    def socket(self, *_):
        self.fail("socket")
        return self

    def setblocking(self, flag):
        pass

    def connect(self, address):
        self.fail("connect")

    def wrap_socket(self, *_, **options):
        self.fail("wrap_socket")

    def close(self):
        pass


def connect(where):
    own = tls_stream.socket
    tls_stream.socket = Sockets(where)
    try:
        stream = tls_stream.TLSStream("broker.example")
        stream.context = tls_stream.socket
        stream.arm(1000)
        stream.connect("broker.example", 8883)
    finally:
        tls_stream.socket = own


def test_no_free_connection_is_told_as_that():
    """lwIP has five TCP connections on most RP2040 firmwares: this is not Python's heap."""
    for where in ("socket", "connect"):
        assert "no free TCP connection" in str(raises(NetworkError, connect, where))
    raises(MemoryError, connect, "wrap_socket")


class AxTLS:
    """The module `tls` of an ESP8266: it has no CERT_REQUIRED."""

    PROTOCOL_TLS_CLIENT = 0

    class SSLContext:
        verify_mode = 0

        def __init__(self, protocol):
            equal(protocol, 0)


def test_a_firmware_that_cannot_verify():
    class Files:
        stat = staticmethod(lambda path: (0o100600,) + (0,) * 9)

    own = sys.modules.get("tls"), trust.os
    sys.modules["tls"] = AxTLS
    trust.os = Files
    try:
        raises(TLSError, trust.context, "ca", "cert", "key")
    finally:
        trust.os = own[1]
        if own[0] is None:
            del sys.modules["tls"]
        else:
            sys.modules["tls"] = own[0]
