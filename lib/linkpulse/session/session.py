# SPDX-License-Identifier: MIT
"""MQTT over mutual TLS. It uses umqtt.simple (1.3.4 and 1.8.0) unchanged, on a stream with deadlines."""

import gc
import umqtt.simple
from ..errors import NetworkError, ProtocolError, TimedOut
from ..port import const, time
from .mqtt_packets import CONNACK, PUBACK, SUBACK, MQTTPackets
from .subscribe import refused, subscribe
from .tls_stream import TLSStream
from .trust import context

_DUP = const(8)  # MQTT 3.1.1, 3.3.1.1
_TRIES = const(3)
_MESSAGES = const(16)


class Session:
    """One connection to the broker in `settings`.

    `received(topic, payload)` is called for every message; both are bytes. `beat()`, if given, is called
    several times a second while the session waits. The clock must be right, because TLS checks dates.

    Every operation ends within `settings.timeout` seconds. An operation that waits for an acknowledgement is tried
    three times on the same connection, so it ends within three times that. Only the platform's name resolution has its
    own limits. Every error is a LinkpulseError, and the session is closed then.

    `stream` is the TLSStream.
    """

    def __init__(self, settings, received, beat=None):
        self._host = settings.host
        self._port = settings.port
        self._files = settings.ca, settings.cert, settings.key
        self._client_id = settings.client_id.encode()  # umqtt writes len() as the length
        self._timeout = settings.timeout * 1000
        # With twice the interval, the reports keep the connection alive. The bounds are those of AWS IoT.
        self._keep_alive = min(1200, max(60, 2 * settings.interval))
        self._received = received
        self.stream = TLSStream(settings.server_name, beat)
        self._packets = MQTTPackets(self.stream)
        self._client = None
        self._sent = 0
        self._dup = 0

    def connected(self):
        return self._client is not None

    def connect(self):
        """Connects, and continues the session that the broker has for this client. Returns whether it had one."""
        # Read the files each time, because certificates are renewed while the agent runs. Free the last context before,
        # because there is no room for both.
        self.stream.context = None
        gc.collect()
        self.stream.context = context(*self._files)
        client = umqtt.simple.MQTTClient(self._client_id, self._host, self._port, keepalive=self._keep_alive)
        client.set_callback(self._received)
        own = umqtt.simple.socket
        umqtt.simple.socket = self._packets
        try:
            present = self._operate(CONNACK, -1, client.connect, False)
        finally:
            umqtt.simple.socket = own
        self._client = client
        self._sent = time.ticks_ms()
        return bool(present)

    def subscribe(self, topics):
        """Subscribes to all topics in one packet. Raises AuthError with the topic that the broker refuses."""
        self._acknowledged(SUBACK, self._subscribe, topics, None)

    def publish(self, topic, payload):
        """Publishes with QoS 1 and waits for the acknowledgement. `payload` may be a memoryview."""
        self._acknowledged(PUBACK, self._publish, topic, payload)

    def wait(self, timeout):
        """Takes the messages that arrive within `timeout` ms, and at most 16, so that a flood does not block the
        program."""
        for _ in range(_MESSAGES):
            if self._client is None or not self.stream.ready(timeout):
                return
            self._operate(0, -1, self._client.check_msg)
            timeout = 0

    def keep_alive(self):
        """Sends a PINGREQ if nothing was sent for most of the keep-alive. Returns the milliseconds until the next
        one."""
        quiet = time.ticks_diff(time.ticks_ms(), self._sent)
        due = self._keep_alive * 750
        if not self._packets.ponged:
            if quiet >= self._timeout:
                self.close()
                raise TimedOut("the broker did not answer a ping")
            return self._timeout - quiet
        if quiet >= due:
            self._packets.ponged = False
            self._operate(0, -1, self._client.ping)
            self._sent = time.ticks_ms()
            return self._timeout
        return due - quiet

    def close(self):
        """Sends DISCONNECT, if that works within a second, and closes the connection."""
        client = self._client
        self._client = None
        try:
            if client is not None:
                self.stream.arm(1000)
                self._packets.write(b"\xe0\0")
                self._packets.flush()
        except Exception:
            pass  # the connection is lost already, or there is no memory: close without DISCONNECT
        finally:
            self._packets.close()

    def _acknowledged(self, expected, call, topic, payload):
        # Sends the same packet with the same id until the acknowledgement comes (MQTT 3.1.1, 4.4).
        if self._client is None:
            raise NetworkError("not connected")
        packet_id = self._client.pid % 65535 + 1  # umqtt would continue with 0 after 65535, and wait for ever
        self._dup = 0
        for left in range(_TRIES - 1, -1, -1):
            self._client.pid = packet_id - 1  # umqtt adds one before it uses the id
            try:
                self._operate(expected, packet_id, call, topic, payload, retry=left)
                self._sent = time.ticks_ms()
                return
            except TimedOut:
                if self._client is None:
                    raise
            self._dup = _DUP

    def _operate(self, expected, packet_id, call, *args, retry=0):
        # Makes one call of umqtt with one deadline. umqtt has four errors for packets that it does not understand.
        # After the stream's checks, only a refusal can cause one. The stream stays open only after success, or if an
        # answer is late while `retry` allows another attempt.
        packets = self._packets
        self.stream.arm(self._timeout)
        packets.expect(expected, packet_id)
        keep = False
        try:
            result = call(*args)
            packets.flush()
            keep = True
            return result
        except TimedOut:
            keep = retry > 0 and packets.between_packets()
            raise
        except umqtt.simple.MQTTException as e:
            raise refused(e.args[0])
        except (OSError, IndexError, AssertionError, ValueError, TypeError) as e:
            raise ProtocolError("umqtt.simple gave up: %s %s" % (type(e).__name__, e))
        finally:
            if not keep:
                self._client = None
                packets.close()

    def _publish(self, topic, payload):
        # umqtt copies `retain` into the first byte, and DUP belongs there.
        self._client.publish(topic.encode(), payload, self._dup, 1)

    def _subscribe(self, topics, _):
        subscribe(self._client, self._packets, topics)
