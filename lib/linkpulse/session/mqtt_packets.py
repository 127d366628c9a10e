# SPDX-License-Identifier: MIT
"""The socket for umqtt.simple. It gives umqtt complete packets of bounded size, and each operation has a deadline.

umqtt reads byte by byte and believes every length. Therefore this class reads a packet completely, checks it, and only
then lets umqtt read it. umqtt 1.3.4 and 1.8.0 use these methods: `connect(addr)` with the result of
`getaddrinfo()`, `read(n)`, `write(buf[, n])`, `setblocking(flag)`, `settimeout(t)`, `close()`.

It raises the errors of a TLSStream, ProtocolError for a packet that MQTT does not allow here, and TooLarge.
"""

from ..errors import NetworkError, ProtocolError, TooLarge
from ..port import const

CONNACK = const(0x20)
PUBLISH = const(0x30)
PUBACK = const(0x40)
SUBACK = const(0x90)
_PINGRESP = const(0xD0)
# The size of the packets that a broker may send here, by type: at least (PUBLISH, SUBACK) or exactly. 9: none.
_LEAST = b"\t\t\2\2\2\t\t\t\t\3\t\t\t\0\t\t"
_NONE = const(9)

_CONNECT = const(160)  # bytes of the longest CONNECT
_MOST = const(262144)  # twice the limit of AWS IoT; a larger message is not read


class MQTTPackets:
    """MQTT packets over `stream`. `size` is the size in bytes of the buffer, and of the largest packet that is taken.

    Reading and writing share the buffer, because umqtt reads a packet to its end before it writes the next. It has its
    size only after a TLS handshake, which needs the memory for itself.
    """

    def __init__(self, stream, size=1024):
        self._stream = stream
        self._size = size
        self._buf = self._view = b""
        self._unsent = 0
        self.ponged = True  # whether every PINGREQ has its answer
        self.expect(0, -1)

    def _allocate(self, size):
        self._buf = bytearray(size)
        self._view = memoryview(self._buf)

    def expect(self, kind, packet_id):
        """Shows umqtt the acknowledgement `kind` of this id. All other acknowledgements are read and ignored."""
        self._expected = kind
        self._expected_id = packet_id

    def between_packets(self):
        """Whether the connection can continue, because no packet is half read or half written."""
        return self._stream.connected() and not self._unsent and not self._partial

    def socket(self, *_):
        # This object also takes the place of the module `socket` in umqtt.
        return self

    def getaddrinfo(self, host, port, *_):
        # connect() resolves the name and tries every address.
        return [(0, 0, 0, "", (host, port))]

    def connect(self, address):
        self._allocate(min(self._size, _CONNECT))
        self._unsent = self._at = self._end = 0
        self._partial = False
        self._blocking = self.ponged = True
        self._stream.connect(address[0], address[1])

    def close(self):
        self._unsent = 0
        self._buf = self._view = b""
        self._stream.close()

    def setblocking(self, flag):
        self._blocking = flag

    def settimeout(self, _):
        pass  # the TLS stream has the deadline

    def write(self, buf, n=None):
        if not self._buf:
            raise NetworkError("not connected")  # an application's function has closed it
        if n is None:
            n = len(buf)
        source = memoryview(buf)
        self._at = self._end = 0
        at = 0
        while at < n:
            if self._unsent == len(self._buf):
                self.flush()
            part = min(n - at, len(self._buf) - self._unsent)
            self._buf[self._unsent : self._unsent + part] = source[at : at + part]
            self._unsent += part
            at += part
        return n

    def flush(self):
        """Sends what was written. A packet that fits the buffer becomes one TLS record."""
        if self._unsent:
            self._stream.send(self._view[: self._unsent])
            self._unsent = 0

    def read(self, n):
        if n == 0:
            return b""
        if self._at == self._end and not self._fetch():
            return None
        if n < 0 or n > self._end - self._at:
            raise ProtocolError("a packet from the broker is shorter than the lengths in it say")
        self._at += n
        return bytes(self._view[self._at - n : self._at])

    def _fetch(self):
        # Reads the next packet for umqtt completely. False if there is no packet and umqtt does not want to wait.
        self.flush()
        if len(self._buf) < self._size:
            self._allocate(self._size)
        while self._blocking or self._stream.ready(0):
            if self._receive() and self._for_umqtt():
                return True
        return False

    def _receive(self):
        # One packet: type, length (at most four bytes: MQTT 3.1.1, 2.2.3), body.
        self._at = self._end = 0
        buf = self._buf
        if not self._stream.receive(self._view[:1], self._blocking):
            return False
        self._partial = True
        at = 0
        length = 0
        while True:
            at += 1
            if at > 4:
                raise ProtocolError("a packet length from the broker has more than four bytes")
            self._stream.receive(self._view[at : at + 1], True)
            length |= (buf[at] & 127) << 7 * (at - 1)
            if buf[at] < 128:
                break
        kind = buf[0] & 0xF0
        if at + 1 + length > len(buf):
            self._let_go(length)
            return False
        least = _LEAST[kind >> 4]
        open_ended = kind == PUBLISH or kind == SUBACK
        if least == _NONE or length < least or not (open_ended or length == least) or (kind != PUBLISH and buf[0] & 15):
            raise ProtocolError("a packet 0x%02x of %d bytes from the broker" % (buf[0], length))
        self._stream.receive(self._view[at + 1 : at + 1 + length], True)
        if kind == PUBLISH:
            self._check_publish(at + 1, length)
        self._end = at + 1 + length
        self._partial = False
        return True

    def _let_go(self, length):
        # A message is larger than the buffer. It must be acknowledged, or a broker that keeps the session would send it
        # again first at every connection.
        head = self._buf[0]
        if head & 0xF0 != PUBLISH or length > _MOST:
            raise TooLarge("a packet of %d bytes from the broker, over %d" % (length, len(self._buf)))
        if self._expected == CONNACK:
            raise ProtocolError("the broker's first packet is 0x%02x, not CONNACK" % head)
        self._stream.receive(self._view[:2], True)
        topic = self._buf[0] << 8 | self._buf[1]
        qos = head & 6
        if qos > 2 or length < 2 + topic + qos:
            raise ProtocolError("a large message from the broker is not what MQTT allows")
        self._pass_over(topic)
        if qos:
            self._stream.receive(self._view[2:4], True)
        self._pass_over(length - 2 - topic - qos, 4)
        self._partial = False
        if qos:
            self._buf[0] = PUBACK
            self._buf[1] = 2
            self._unsent = 4
            self.flush()

    def _pass_over(self, n, at=0):
        while n > 0:
            part = min(n, len(self._buf) - at)
            self._stream.receive(self._view[at : at + part], True)
            n -= part

    def _check_publish(self, at, length):
        qos = self._buf[0] & 6
        if qos > 2:
            raise ProtocolError("a message with QoS 2 from the broker, where at most QoS 1 is allowed")
        if length < 2 + (self._buf[at] << 8 | self._buf[at + 1]) + qos:  # with QoS 1, the packet id has two more bytes
            raise ProtocolError("a message from the broker is shorter than its topic")

    def _for_umqtt(self):
        kind = self._buf[0] & 0xF0
        if (kind == CONNACK) != (self._expected == CONNACK):
            raise ProtocolError(
                "the packet 0x%02x from the broker, but CONNACK must come first, and once" % self._buf[0]
            )
        if kind == PUBLISH or kind == CONNACK:
            return True
        if kind == _PINGRESP:
            self.ponged = True
        elif kind == self._expected and (self._buf[2] << 8 | self._buf[3]) == self._expected_id:
            return True
        self._end = 0
        return False
