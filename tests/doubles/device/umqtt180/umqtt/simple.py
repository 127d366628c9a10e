"""A double of umqtt.simple 1.8.0 for the tests alone, written from MQTT 3.1.1 and from what 1.8.0 calls on its socket.

Where it differs from 1.3.4 as its caller sees it: connect(clean_session, timeout) closes an older socket and calls
settimeout(timeout); user and password are left out when they are false; subscribe() writes length, id, topic and QoS
one by one; wait_msg() returns the packet's first byte for a message too. Where it is the same: it reads byte by byte,
without any bound or deadline, and asserts what it expects.
"""

import socket
import struct


class MQTTException(Exception):
    pass


def _length(n):
    digits = bytearray()
    while True:
        digits.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return digits


class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None, ssl_params={}):
        assert not ssl
        self.client_id = client_id
        self.server = server
        self.port = port or 1883
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.sock = None
        self.pid = 0
        self.cb = None

    def set_callback(self, f):
        self.cb = f

    def connect(self, clean_session=True, timeout=None):
        if self.sock:
            self.sock.close()
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(self.server, self.port)[0][-1])
        texts = [self.client_id]
        flags = clean_session << 1
        if self.user:
            texts += [self.user, self.pswd]
            flags |= 0xC0
        size = 10
        for text in texts:
            size += 2 + len(text)
        head = b"\x10" + _length(size)
        self.sock.write(head, len(head))
        self.sock.write(b"\0\4MQTT\4" + struct.pack("!BH", flags, self.keepalive))
        for text in texts:
            self._text(text)
        answer = self.sock.read(4)
        assert answer[0] == 0x20 and answer[1] == 2
        if answer[3]:
            raise MQTTException(answer[3])
        return answer[2] & 1

    def disconnect(self):
        self.sock.write(b"\xe0\0")
        self.sock.close()

    def ping(self):
        self.sock.write(b"\xc0\0")

    def publish(self, topic, msg, retain=False, qos=0):
        assert qos < 2
        head = bytes((0x30 | qos << 1 | retain,)) + _length(2 + len(topic) + 2 * qos + len(msg))
        self.sock.write(head, len(head))
        self._text(topic)
        if qos:
            self.pid += 1
            own = self.pid
            self.sock.write(struct.pack("!H", own), 2)
        self.sock.write(msg)
        while qos:
            if self.wait_msg() == 0x40:
                assert self.sock.read(1) == b"\2"
                if self._integer() == own:
                    return

    def subscribe(self, topic, qos=0):
        assert self.cb is not None
        self.pid += 1
        own = self.pid
        head = b"\x82" + _length(5 + len(topic))
        self.sock.write(head, len(head))
        self.sock.write(struct.pack("!H", own), 2)
        self._text(topic)
        self.sock.write(bytes((qos,)))
        while self.wait_msg() != 0x90:
            pass
        answer = self.sock.read(4)
        assert answer[1] << 8 | answer[2] == own
        if answer[3] == 0x80:
            raise MQTTException(answer[3])

    def wait_msg(self):
        first = self.sock.read(1)
        self.sock.setblocking(True)
        if first is None:
            return None
        if first == b"":
            raise OSError(-1)
        if first == b"\xd0":
            assert self.sock.read(1)[0] == 0
            return None
        op = first[0]
        if op & 0xF0 == 0x30:
            self._message(op)
        return op

    def check_msg(self):
        self.sock.setblocking(False)
        return self.wait_msg()

    def _message(self, op):
        left = shift = 0
        digit = 128
        while digit & 128:
            digit = self.sock.read(1)[0]
            left |= (digit & 127) << shift
            shift += 7
        size = self._integer()
        topic = self.sock.read(size)
        left -= size + 2
        if op & 6:
            packet_id = self._integer()
            left -= 2
        self.cb(topic, self.sock.read(left))
        if op & 6 == 2:
            self.sock.write(b"\x40\2" + struct.pack("!H", packet_id))
        elif op & 6 == 4:
            assert 0

    def _integer(self):
        data = self.sock.read(2)
        return data[0] << 8 | data[1]

    def _text(self, s):
        self.sock.write(struct.pack("!H", len(s)))
        self.sock.write(s)
