# SPDX-License-Identifier: MIT
"""What umqtt.simple cannot do: SUBSCRIBE to several topics in one packet, and explain a refusal."""

from ..errors import AuthError, NetworkError, ProtocolError
from .mqtt_packets import SUBACK

# By the return code of CONNACK (MQTT 3.1.1, 3.2.2.3); 7 is AWS IoT's own. A tuple of texts stays in flash.
_REFUSALS = (
    None,
    "it does not speak MQTT 3.1.1",
    "it does not take the client id",
    None,
    "it wants a user name and a password",
    "its policy does not let this device connect",
    None,
    "its policy does not let this device connect: does it allow iot:Connect for the client id?",
)


def subscribe(client, packets, topics):
    """Sends one SUBSCRIBE with QoS 1 for all `topics`, and reads its SUBACK.

    umqtt 1.3.4 cannot do this: it writes a length of one byte, too short for a long thing name, and one filter only.
    """
    client.pid += 1
    length = 2
    for topic in topics:
        length += 3 + len(topic.encode())
    packets.write(b"\x82")
    if length > 127:
        packets.write(bytes((length & 127 | 128, length >> 7)))
    else:
        packets.write(bytes((length,)))
    packets.write(bytes((client.pid >> 8, client.pid & 255)))
    for topic in topics:
        name = topic.encode()
        packets.write(bytes((len(name) >> 8, len(name) & 255)))
        packets.write(name)
        packets.write(b"\x01")
    while client.wait_msg() != SUBACK:
        pass
    answer = packets.read(3 + len(topics))
    for i in range(len(topics)):
        if answer[3 + i] > 2:
            raise AuthError("the broker refuses a subscription to " + topics[i])


def refused(code):
    """The error for a CONNACK with this return code."""
    if code < len(_REFUSALS) and _REFUSALS[code]:
        return AuthError("the broker refuses: %s (CONNACK %d)" % (_REFUSALS[code], code))
    if code == 3:
        return NetworkError("the broker is not available (CONNACK 3)")
    return ProtocolError("the broker refuses with an unknown CONNACK %s" % code)
