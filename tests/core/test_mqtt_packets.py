"""Packets of a broker that are larger than the stream's buffer."""

from check import equal, raises
from linkpulse.errors import NetworkError, ProtocolError, TooLarge
from linkpulse.session.mqtt_packets import MQTTPackets


class Wire:
    """In place of a link: `incoming` is what the broker sends, `sent` what it gets."""

    def __init__(self, incoming):
        self._incoming = incoming
        self._at = 0
        self.sent = b""

    def connect(self, host, port):
        pass

    def close(self):
        pass

    def connected(self):
        return True

    def ready(self, timeout):
        return self._at < len(self._incoming)

    def receive(self, view, wait):
        assert self._at + len(view) <= len(self._incoming), "it reads on into nothing"
        view[:] = self._incoming[self._at : self._at + len(view)]
        self._at += len(view)
        return True

    def send(self, view):
        self.sent += bytes(view)


def publish(qos, topic, payload, packet_id=b"\x12\x34"):
    body = bytes([len(topic) >> 8, len(topic) & 255]) + topic + (packet_id if qos else b"") + payload
    length = b""
    n = len(body)
    while True:
        length += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return bytes([0x30 | qos << 1]) + length + body


def stream(incoming, size=64):
    wire = Wire(incoming)
    s = MQTTPackets(wire, size)
    s.connect(("broker.example", 8883))
    s.setblocking(False)
    return s, wire


def test_a_large_message_is_acknowledged_and_let_go():
    # Were it not, a broker that keeps the session would send it again at every connection.
    small = publish(1, b"t", b"small")
    for size in (60, 61, 62, 100, 127, 128, 1000, 20000):
        for qos in (0, 1):
            s, wire = stream(publish(qos, b"a" * 50, bytes(size)) + small)
            equal((size, s.read(1)), (size, b"\x32"))  # the next packet, from its first byte
            equal(wire.sent, b"\x40\x02\x12\x34" if qos else b"")
            assert s.between_packets()


def test_a_topic_that_is_larger_than_the_buffer():
    s, wire = stream(publish(1, b"a" * 500, b"") + b"\xd0\x00")
    equal((s.read(1), wire.sent), (None, b"\x40\x02\x12\x34"))


def test_what_is_larger_than_any_message_is_refused():
    raises(TooLarge, stream(b"\x30\x81\x80\x10")[0].read, 1)  # 262,145 bytes
    raises(TooLarge, stream(b"\x90\xff\x7f")[0].read, 1)  # no message


def test_a_large_message_is_no_first_packet():
    s, wire = stream(publish(1, b"a", bytes(100)))
    s.expect(0x20, -1)
    raises(ProtocolError, s.read, 1)
    equal(wire.sent, b"")


def test_large_messages_that_mqtt_does_not_allow():
    raises(ProtocolError, stream(publish(2, b"a", bytes(100)))[0].read, 1)
    raises(ProtocolError, stream(b"\x32\xc8\x01\xff\xff" + bytes(198))[0].read, 1)  # shorter than its topic


def test_the_buffer_is_there_only_while_connected():
    s, wire = stream(b"", 1024)
    s.write(bytes(150))
    equal(s.read(1), None)
    equal(len(wire.sent), 150)  # in one record, though a handshake had the memory until now
    s.write(bytes(1000))
    equal(len(wire.sent), 150)
    s.flush()
    equal(len(wire.sent), 1150)
    s.close()
    raises(NetworkError, s.write, b"x")
