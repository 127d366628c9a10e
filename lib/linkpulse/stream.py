"""The socket that umqtt.simple is given: TLS, one deadline for a whole operation, whole packets, bounded sizes.

umqtt reads byte by byte and believes every length. So this stream takes a packet off the wire as a whole, within the
deadline, checks it, and only then lets umqtt read it. What umqtt relies on here, in 1.3.4 and 1.8.0 alike: `connect(addr)`
with what `Resolver.getaddrinfo` returned, `read(n)`, `write(buf[, n])`, `setblocking(flag)`, `settimeout(t)`, `close()`.

Ways out of every operation: done; NetworkError (no route, reset, end of stream); TLSError and AuthError (handshake);
TimedOut; ProtocolError (a packet that MQTT does not allow here) and TooLarge. After any of them the stream is closed.
"""

import select
import socket
import time
from linkpulse.errors import NetworkError, ProtocolError, TimedOut, TooLarge
from linkpulse.trust import explain
from micropython import const

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = const(0x20), const(0x30), const(0x40), const(0x90), const(0xD0)
# The one length that an answer of each type has.
_LENGTHS = {CONNACK: 2, PUBACK: 2, PINGRESP: 0}


class Resolver:
    """Stands where umqtt.simple looks for the module `socket`."""

    def __init__(self, stream):
        self._stream = stream

    def socket(self, *_):
        return self._stream

    def getaddrinfo(self, host, port, *_):
        # Resolved in connect(), where every address is tried.
        return [(0, 0, 0, "", (host, port))]


class Stream:
    """One TLS connection at a time; `size` bytes of buffer, which is also the largest packet that is taken.

    Reading and writing share the buffer: umqtt has read a packet to its end before it writes the next.
    """

    def __init__(self, context, server_name, size=1024):
        self._context = context
        self._server_name = server_name
        self._buf = bytearray(size)
        self._view = memoryview(self._buf)
        self._poll = select.poll()
        self._raw = self._tls = None
        self.arm(0)
        self._forget()

    def _forget(self):
        self._unsent = 0
        self._at = self._end = 0
        self._blocking = True
        self._secured = False
        self.ponged = True  # no PINGREQ is without its answer

    def arm(self, timeout, expected=0, packet_id=-1):
        """Starts an operation of at most `timeout` ms that waits for the packet type `expected` (0: none).

        Acknowledgements that are not expected are taken off the wire and ignored.
        """
        self._deadline = time.ticks_add(time.ticks_ms(), timeout)
        self._expected = expected
        self._expected_id = packet_id

    def connect(self, address):
        self._forget()
        try:
            found = socket.getaddrinfo(address[0], address[1], 0, socket.SOCK_STREAM)
        except OSError as e:
            raise NetworkError("the name %s is not resolved (error %s)" % (address[0], e.args[0]))
        error = NetworkError("the name %s has no address" % address[0])
        for info in found:
            try:
                return self._connect(info)
            except OSError as e:
                self.close()
                error = NetworkError("%s port %d does not answer (error %s)" % (address[0], address[1], e.args[0]))
        raise error

    def _connect(self, info):
        self._raw = socket.socket(info[0], info[1])
        self._raw.settimeout(max(self._left(), 1) / 1000)
        self._raw.connect(info[-1])
        self._raw.setblocking(False)
        # The handshake is left to the first write, where it has our deadline.
        self._tls = self._context.wrap_socket(
            self._raw, server_hostname=self._server_name, do_handshake_on_connect=False
        )
        self._poll.register(self._tls, select.POLLIN)

    def close(self):
        tls, raw = self._tls, self._raw
        self._tls = self._raw = None
        self._unsent = 0
        if tls is not None:
            self._poll.unregister(tls)
        for s in (tls, raw):
            if s is not None:
                try:
                    s.close()
                except (OSError, ValueError):
                    pass  # it is being given up

    def connected(self):
        return self._tls is not None

    def ready(self, timeout):
        """Waits up to `timeout` ms for something to read."""
        if self._at < self._end:
            return True
        self._poll.modify(self._tls, select.POLLIN)
        return bool(self._poll.poll(timeout))

    def setblocking(self, flag):
        self._blocking = flag

    def settimeout(self, _):
        pass  # the deadline is ours

    def write(self, buf, n=None):
        if n is None:
            n = len(buf)
        source = memoryview(buf)
        at = 0
        while at < n:
            if self._unsent == len(self._buf):
                self.flush()
            part = min(n - at, len(self._buf) - self._unsent)
            self._buf[self._unsent : self._unsent + part] = source[at : at + part]
            self._unsent += part
            at += part
        self._at = self._end = 0
        return n

    def flush(self):
        """Sends what was written, so that a packet is one TLS record where it fits the buffer."""
        at = 0
        while at < self._unsent:
            n = self._try(True, self._view[at : self._unsent])
            if n:
                at += n
                self._secured = True
            else:
                self._wait(select.POLLOUT)
        self._unsent = 0

    def read(self, n):
        if self._at == self._end and not self._fetch():
            return None
        if n < 0 or n > self._end - self._at:
            raise ProtocolError("a packet from the broker is shorter than what it says is in it")
        self._at += n
        return bytes(self._view[self._at - n : self._at])

    def _fetch(self):
        # The next packet that umqtt is to see, whole, from its first byte. False when there is none and umqtt does
        # not want to wait.
        if self._unsent:
            self.flush()
        while self._blocking or self.ready(0):
            if self._receive() and self._wanted():
                return True
        return False

    def _receive(self):
        # One packet: type, length (MQTT 3.1.1, 2.2.3: four bytes at the most), body.
        self._at = self._end = 0
        if not self._exactly(0, 1):
            return False
        at = 0
        shift = 0
        length = 0
        while True:
            at += 1
            if at > 4:
                raise ProtocolError("a packet length from the broker has more than four bytes")
            self._exactly(at, at + 1)
            length |= (self._buf[at] & 127) << shift
            shift += 7
            if self._buf[at] < 128:
                break
        kind = self._buf[0] & 0xF0
        if at + 1 + length > len(self._buf):
            raise TooLarge("a packet of %d bytes from the broker, over %d" % (length, len(self._buf)))
        if kind == PUBLISH:
            if self._buf[0] & 6 > 2:
                raise ProtocolError("a packet with QoS 2 from the broker: it was not asked for")
        elif self._buf[0] & 15 or (kind != SUBACK and _LENGTHS.get(kind) != length):
            raise ProtocolError("a packet 0x%02x of %d bytes from the broker" % (self._buf[0], length))
        self._exactly(at + 1, at + 1 + length)
        self._end = at + 1 + length
        return True

    def _wanted(self):
        kind = self._buf[0] & 0xF0
        if self._expected == CONNACK and kind != CONNACK:
            raise ProtocolError("the broker's first packet is 0x%02x, not CONNACK" % self._buf[0])
        if kind == PUBLISH:
            return True
        if kind == PINGRESP:
            self.ponged = True
        elif kind == self._expected:
            if kind == CONNACK or (self._buf[2] << 8 | self._buf[3]) == self._expected_id:
                return True
        elif kind == CONNACK:
            raise ProtocolError("a second CONNACK from the broker")
        self._end = 0
        return False

    def _exactly(self, at, end):
        # Fills buf[at:end]. False when not even the first byte is there and umqtt does not want to wait.
        first = at
        while at < end:
            n = self._try(False, self._view[at:end])
            if n is None:
                if at == first == 0 and not self._blocking:
                    return False
                self._wait(select.POLLIN)
            elif n == 0:
                raise NetworkError("the broker closed the connection")
            else:
                at += n
        return True

    def _try(self, write, view):
        if self._tls is None:
            raise NetworkError("not connected")
        if self._left() <= 0:
            raise TimedOut("the broker did not %s in time" % ("take a packet" if write else "answer"))
        try:
            return self._tls.write(view) if write else self._tls.readinto(view)
        except (OSError, ValueError) as e:
            raise explain(e, self._secured)

    def _wait(self, what):
        self._poll.modify(self._tls, what)
        self._poll.poll(max(0, min(self._left(), 1000)))

    def _left(self):
        return time.ticks_diff(self._deadline, time.ticks_ms())
