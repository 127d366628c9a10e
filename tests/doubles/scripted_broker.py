"""A broker that does what a scenario says, at any byte of any packet.

A scenario is a few lines that play the broker's side of one connection while the device is in the middle of a step:

    device.start("step()")
    peer = broker.accept()
    peer.welcome()                      # CONNECT, CONNACK, SUBSCRIBE, SUBACK
    first = peer.expect(PUBLISH)
    again = peer.expect(PUBLISH)        # no PUBACK was sent
    peer.puback(again)

TLS is done in memory, so that a scenario also decides over every byte on the wire. Every wait ends after WAIT seconds.
"""

import select
import socket
import ssl
import struct
import time

from tests.doubles.packets import (
    CONNACK,
    CONNECT,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    Packet,
    answer,
    encode,
    parse,
)

WAIT = 5.0


class Gone(Exception):
    """The device closed or reset the connection."""


def server_context(server, client_ca=None, **versions):
    """A server's SSLContext from certs.Files; with `client_ca` a client must have a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.pem, server.key_pem)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca.pem)
    for name, value in versions.items():
        setattr(context, name, value)
    return context


class Broker:
    """Listens on 127.0.0.1:`port`. `packets` is every packet of every connection, `connections` their Peers."""

    def __init__(self, context, receive_buffer=None):
        self.context = context
        self.packets, self.connections = [], []
        self.watch = None  # called with every packet
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self._listener.settimeout(WAIT)
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        for peer in self.connections:
            peer.sock.close()

    def accept(self, tls=True):
        """The next connection, as a Peer; with `tls` after the handshake."""
        sock, _ = self._listener.accept()
        sock.settimeout(WAIT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(self, sock)
        self.connections.append(peer)
        if tls:
            peer.handshake()
        return peer

    def idle(self, seconds=0.05):
        """True when no device wants to connect within `seconds`."""
        return not select.select([self._listener], [], [], seconds)[0]

    def saw(self, packet):
        self.packets.append(packet)
        if self.watch is not None:
            self.watch(packet)


class Peer:
    """The broker's end of one connection."""

    def __init__(self, broker, sock):
        self.broker = broker
        self.sock = sock
        self.chunk = 65536  # how much one read takes from the wire
        self.wire = 0  # bytes read from the wire
        self.plain = b""  # what TLS made of them
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = broker.context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    # ---- what the device sends ----

    def handshake(self):
        """TLS, to its end. An ssl.SSLError after the alert went out, Gone when the device gives up."""
        # A network's delay: over loopback our part of the handshake could be there before the device looks for it.
        select.select([], [], [], 0.002)
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return self
            except ssl.SSLWantReadError:
                self._flush()
                self._take()
            except ssl.SSLError:
                self._flush()
                raise

    def read(self, n):
        """Exactly `n` bytes of MQTT."""
        data = b""
        while len(data) < n:
            try:
                part = self.tls.read(n - len(data))
                if not part:
                    raise Gone
                data += part
                self.plain += part
            except ssl.SSLWantReadError:
                self._take()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                raise Gone from None
        return data

    def read_wire(self, n):
        """Exactly `n` bytes off the wire, which TLS never gets to see."""
        data = b""
        while len(data) < n:
            part = self._receive(n - len(data))
            if not part:
                raise Gone
            data += part
        return data

    def expect(self, kind=None):
        """The next packet, of that kind."""
        wire = self.wire
        head = self.read(2)
        length, shift = head[1] & 127, 7
        while head[-1] & 128:
            head += self.read(1)
            length |= (head[-1] & 127) << shift
            shift += 7
        packet = parse(head[0], self.read(length), time.monotonic(), head)
        packet.wire = self.wire - wire
        packet.peer = self
        self.broker.saw(packet)
        assert kind is None or packet.kind == kind, f"a packet {packet}, expected one of kind 0x{kind:02x}"
        return packet

    def expect_nothing(self, seconds=0.05):
        """True when the device says nothing for so long."""
        return not select.select([self.sock], [], [], seconds)[0]

    def closed(self):
        """Waits until the device has closed; the MQTT bytes that came before that. Fails if it does not close."""
        data = b""
        while True:
            try:
                data += self.read(1)
            except (Gone, ConnectionError, ssl.SSLError):
                self.sock.close()
                return data

    # ---- what the broker sends ----

    def send(self, data):
        """As one TLS record."""
        self.sock.sendall(self.sealed(data))

    def sealed(self, data):
        """The TLS record that holds `data`. To be sent before any other."""
        self.tls.write(data)
        return self._outgoing.read()

    def trickle(self, data, pause=0.0, wire=False):
        """One byte of MQTT a TLS record, or with `wire` one byte of one record at a time, with pauses between."""
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1]) if wire else self.send(data[i : i + 1])
            if pause and select.select([self.sock], [], [], pause)[0]:
                return  # the device said something, or has closed

    def connack(self, code=0, present=0):
        self.send(bytes((CONNACK, 2, present, code)))

    def suback(self, subscribe, *codes):
        self.send(
            encode(SUBACK, struct.pack("!H", subscribe.packet_id) + bytes(codes or (1,) * len(subscribe.filters)))
        )

    def puback(self, packet):
        self.send(encode(PUBACK, struct.pack("!H", getattr(packet, "packet_id", packet))))

    def pingresp(self):
        self.send(bytes((PINGRESP, 0)))

    def message(self, topic, payload, qos=0, packet_id=7):
        head = struct.pack("!H", len(topic)) + topic.encode() + (struct.pack("!H", packet_id) if qos else b"")
        self.send(encode(PUBLISH | qos << 1, head + payload))

    def accepted(self, report, qos=0, **form):
        """The service's acceptance of that PUBLISH; `form` as for packets.answer."""
        self.message(report.topic + "/accepted", answer(report, "ACCEPTED", **form), qos)

    def rejected(self, report, code, text="no", **form):
        self.message(report.topic + "/rejected", answer(report, "REJECTED", code=code, text=text, **form))

    def welcome(self, present=0, subscribes=True):
        """The start of a good connection. The SUBSCRIBE, or None."""
        self.expect(CONNECT)
        self.connack(present=present)
        if not subscribes:
            return None
        subscribe = self.expect(SUBSCRIBE)
        self.suback(subscribe)
        return subscribe

    def good(self, **welcome):
        """A good connection, until the report is accepted. The PUBLISH."""
        self.welcome(**welcome)
        report = self.expect(PUBLISH)
        self.puback(report)
        self.accepted(report)
        return report

    # ---- ways to end ----

    def close(self):
        """As a server ends in order: TLS's close_notify, then FIN."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self._flush()
        self.cut()

    def cut(self):
        """FIN, without a word from TLS (RST, where something was not read)."""
        self.sock.close()

    def reset(self):
        """RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _take(self):
        try:
            data = self._receive(self.chunk)
        except ConnectionError:
            raise Gone from None
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _receive(self, n):
        data = self.sock.recv(n)
        # The device's next small segment waits for this acknowledgement (RFC 1122, 4.2.3.4).
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.wire += len(data)
        return data

    def _flush(self):
        data = self._outgoing.read()
        if data:
            self.sock.sendall(data)


__all__ = ["Broker", "Gone", "Packet", "Peer", "server_context"]
