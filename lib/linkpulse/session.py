"""MQTT over mutual TLS with umqtt.simple, unchanged (1.3.4 and 1.8.0), on a stream with deadlines."""

import time
import umqtt.simple
from linkpulse import clock, trust
from linkpulse.errors import AuthError, ClockError, LinkpulseError, NetworkError, ProtocolError, TimedOut
from linkpulse.stream import CONNACK, PUBACK, SUBACK, Resolver, Stream

# MQTT 3.1.1, 3.2.2.3; 7 is AWS IoT's own.
_REFUSALS = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker refuses the client id",
    4: "the broker wants a user name and password",
    5: "the broker's policy does not let this device connect",
    7: "the broker's policy does not let this device connect: does it allow iot:Connect for this client id?",
}


class Session:
    """One connection to the broker in `settings`. `received(topic, payload)` gets every message, both in bytes.

    Every method ends within `settings.timeout` seconds, apart from the platform's name resolution, which has bounds of
    its own. Every error is a LinkpulseError, and leaves the session closed.
    """

    def __init__(self, settings, received):
        self._host = settings.host
        self._port = settings.port
        self._files = settings.ca, settings.cert, settings.key
        self._server_name = settings.server_name
        self._client_id = settings.client_id
        self._timeout = settings.timeout * 1000
        # Twice the interval: the reports themselves keep the connection alive, within the bounds of AWS IoT.
        self._keep_alive = min(1200, max(60, 2 * settings.interval))
        self._received = received
        self._stream = None
        self._client = None
        self._sent = 0

    def connected(self):
        return self._client is not None

    def connect(self):
        """Connects with a clean session."""
        if clock.epoch() is None:
            raise ClockError("the clock is not set, so certificates cannot be checked: set it, for example with NTP")
        if self._stream is None:
            self._stream = Stream(trust.context(*self._files), self._server_name)
        client = umqtt.simple.MQTTClient(self._client_id, self._host, self._port, keepalive=self._keep_alive)
        client.set_callback(self._received)
        own = umqtt.simple.socket
        umqtt.simple.socket = Resolver(self._stream)
        try:
            self._operate(CONNACK, -1, client.connect)
        finally:
            umqtt.simple.socket = own
        self._client = client

    def subscribe(self, topics):
        """Subscribes to all topics in one packet. AuthError names one that the broker refuses."""
        self._operate(SUBACK, self._next_id(), self._subscribe, topics)

    def publish(self, topic, payload):
        """Publishes with QoS 1 and waits for the acknowledgement. `payload` may be a memoryview."""
        packet_id = self._next_id()
        self._client.pid = packet_id - 1  # umqtt counts up before it uses it
        self._operate(PUBACK, packet_id, self._client.publish, topic, payload, False, 1)

    def wait(self, timeout):
        """Takes what arrives within `timeout` ms, at least what is there already."""
        try:
            there = self._stream.ready(timeout)
        except OSError as e:
            self.close()
            raise NetworkError("the connection is lost (error %s)" % e)
        while there and self._client is not None:
            self._operate(0, -1, self._client.check_msg)
            there = self._stream.connected() and self._stream.ready(0)

    def keep_alive(self):
        """Sends PINGREQ when nothing was sent for most of the keep-alive; the milliseconds until the next is due."""
        quiet = time.ticks_diff(time.ticks_ms(), self._sent)
        due = self._keep_alive * 750
        if not self._stream.ponged and quiet > self._timeout:
            self.close()
            raise TimedOut("the broker did not answer a ping")
        if quiet >= due:
            self._stream.ponged = False
            self._operate(0, -1, self._client.ping)
        return self._timeout if not self._stream.ponged else due - quiet

    def close(self):
        """Says DISCONNECT if it can, and closes."""
        client = self._client
        self._client = None
        if self._stream is None:
            return
        try:
            if client is not None and self._stream.connected():
                self._stream.arm(1000)
                self._stream.write(b"\xe0\0")
                self._stream.flush()
        except LinkpulseError:
            pass  # it was lost already
        self._stream.close()

    def _operate(self, expected, packet_id, call, *args):
        # One call of umqtt under one deadline. Its own errors (it has four kinds for a packet that it does not
        # understand) cannot come from packets that the stream let through, but for a refusal.
        stream = self._stream
        stream.arm(self._timeout, expected, packet_id)
        done = False
        try:
            result = call(*args)
            stream.flush()
            self._sent = time.ticks_ms()
            done = True
            return result
        except umqtt.simple.MQTTException as e:
            raise _refused(e.args[0])
        except (OSError, IndexError, AssertionError, ValueError, TypeError) as e:
            raise ProtocolError("umqtt.simple gave up: %s %s" % (type(e).__name__, e))
        finally:
            if not done:
                self._client = None
                stream.close()

    def _subscribe(self, topics):
        # umqtt 1.3.4 writes a length of one byte, too short for a long thing name, and a filter a packet.
        client = self._client
        length = 2
        for topic in topics:
            length += 3 + len(topic)
        stream = self._stream
        stream.write(b"\x82")
        if length > 127:
            stream.write(bytes((length & 127 | 128, length >> 7)))
        else:
            stream.write(bytes((length,)))
        stream.write(bytes((client.pid >> 8, client.pid & 255)))
        for topic in topics:
            stream.write(bytes((len(topic) >> 8, len(topic) & 255)))
            stream.write(topic)
            stream.write(b"\x01")
        while client.wait_msg() != SUBACK:
            pass
        stream.read(3)
        for topic in topics:
            if stream.read(1)[0] > 2:
                raise AuthError("the broker does not let this device subscribe to " + topic)

    def _next_id(self):
        if self._client is None:
            raise NetworkError("not connected")
        # 1 to 65535: umqtt itself would go on to 0 and wait for ever.
        self._client.pid = self._client.pid % 65535 + 1
        return self._client.pid


def _refused(code):
    if code in _REFUSALS:
        return AuthError(_REFUSALS[code] + " (CONNACK %d)" % code)
    if code == 3:
        return NetworkError("the broker is not available (CONNACK 3)")
    return ProtocolError("the broker refuses with a code that MQTT does not have (CONNACK %s)" % code)
