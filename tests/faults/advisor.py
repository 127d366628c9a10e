"""AWS Device Advisor's MQTT and TLS cases, re-created against the device code: `python -m tests.faults.advisor`.

The names are those of the developer guide ("Device Advisor test cases"). Each case plays the broker's side, and returns
a figure: what it measured. Exit code 1 if one fails.
"""

import argparse
import json
import ssl
import sys
import tempfile
import warnings
from pathlib import Path

from rich.console import Console
from rich.table import Table

from linkpulse_tools.pki import certs
from tests.doubles.packets import CONNECT, PUBACK, PUBLISH, SUBSCRIBE
from tests.faults import lab as labs

CASES = []
BASE, FLOOR = 2000, 1000  # ms, of the back-off
FRAGMENT = 16384  # bytes, the most that a TLS record holds (RFC 5246, 6.2.1)
# What AWS IoT asks for ("transport security"), as IANA numbers them.
RECOMMENDED = {0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02F: "ECDHE-RSA-AES128-GCM-SHA256"}
# NULL, export, RC4, DES, 3DES and anonymous ones, in the ranges where IANA has them.
WEAK = {*range(0x002F), 0x0034, 0x003A, 0x003B, 0x006C, 0x006D, 0x00A6, 0x00A7, *range(0xC015, 0xC01A)} | {
    *(0xC001, 0xC002, 0xC003, 0xC006, 0xC007, 0xC008, 0xC00B, 0xC00C, 0xC00D, 0xC010, 0xC011, 0xC012),
    *(0x0082, 0x0083, 0x0084, 0x0085, 0x008A, 0x008E, 0x0092, 0xC033, 0xC034, 0xC039, 0xC03A, 0xC03B),
}


def case(group, name):
    def add(run):
        CASES.append((group, name, run))
        return run

    return add


def seconds(waits):
    return " ".join(f"{wait / 1000:.1f}" for wait in waits) + " s"


def jittered(waits):
    """Each wait is a random one within a bound that doubles."""
    for n, wait in enumerate(waits):
        assert FLOOR <= wait <= FLOOR + (BASE << n), f"{wait} ms at try {n}"
    assert len(set(waits)) == len(waits), f"no jitter in {waits}"


def sent(lab):
    """The packets of a device that is well: CONNECT, SUBSCRIBE and PUBLISH."""
    world = lab.world()
    world.good()
    return world.broker.packets


@case("MQTT", "Connect")
def connect(lab):
    packet = sent(lab)[0]
    assert packet.kind == CONNECT and packet.client_id == "thing-1"
    return f"client id {packet.client_id}, keep-alive {packet.keep_alive} s, clean session {int(packet.clean)}"


@case("MQTT", "Connect retries with jitter and exponential back-off: no CONNACK")
def no_connack(lab):
    world = lab.world()
    runs = []
    for _ in range(2):  # five without an answer and a sixth that gets through, twice
        world.waits.clear()
        for _ in range(5):
            peer = world.begin()
            peer.expect(CONNECT)
            world.failed("TimedOut", "did not answer in time")
            peer.closed()
        jittered(world.waits)
        runs.append(list(world.waits))
        world.do("agent._subscribed = False")
        world.drop(world.good())
    return "; ".join(map(seconds, runs))


@case("MQTT", "Reconnect with back-off: the server disconnects")
def server_disconnect(lab):
    world = lab.world()
    for n in range(5):
        peer = world.good(present=n > 0, subscribes=n == 0)
        world.do("advance(61000)")
        world.do("step()")
        peer.close()
        world.check(world.do("wait()"), "NetworkError", longest=FLOOR + BASE)  # a first failure each time
    assert len(set(world.waits)) == 5
    return seconds(world.waits)


@case("MQTT", "Reconnect with back-off: unstable connection")
def unstable(lab):
    world = lab.world()
    for _ in range(6):
        peer = world.begin()
        peer.expect(CONNECT)
        peer.connack()
        peer.close()
        world.failed("NetworkError", "closed the connection")
    jittered(world.waits)
    world.good()
    return seconds(world.waits)


@case("MQTT", "Persistent session")
def persistent(lab):
    world = lab.world()
    world.drop(world.good())
    world.drop(world.good(present=1, subscribes=False))
    world.drop(world.good(present=0, subscribes=True))
    kinds = [packet.kind for packet in world.broker.packets]
    return f"{kinds.count(CONNECT)} connections, {kinds.count(SUBSCRIBE)} subscriptions"


@case("MQTT", "Subscribe")
def subscribe(lab):
    packet = sent(lab)[1]
    assert packet.kind == SUBSCRIBE and [qos for _, qos in packet.filters] == [1, 1]
    return f"{len(packet.filters)} filters of QoS 1 in one packet"


@case("MQTT", "Subscribe retry: no SUBACK")
def no_suback(lab):
    world = lab.world()
    peer = world.begin()
    peer.expect(CONNECT)
    peer.connack()
    first, again = peer.expect(SUBSCRIBE), peer.expect(SUBSCRIBE)
    assert first.raw == again.raw
    peer.suback(again)
    peer.puback(peer.expect(PUBLISH))
    assert world.answer()["waiting"]
    return f"packet id {first.packet_id} again"


@case("MQTT", "Publish")
def publish(lab):
    packet = sent(lab)[2]
    assert packet.kind == PUBLISH and packet.topic == "$aws/things/thing-1/defender/metrics/cbor"
    return f"QoS {packet.qos}, {len(packet.payload)} bytes to the reserved topic"


@case("MQTT", "QoS 1 publish retry: no PUBACK")
def no_puback(lab):
    world = lab.world()
    peer = world.begin()
    peer.welcome()
    first, again = peer.expect(PUBLISH), peer.expect(PUBLISH)
    assert (first.dup, again.dup) == (False, True)
    assert (first.packet_id, first.payload) == (again.packet_id, again.payload)
    peer.puback(again)
    assert world.answer()["waiting"]
    return f"packet id {first.packet_id} again with DUP, on the same connection"


@case("MQTT", "PUBACK for a message of QoS 1")
def client_puback(lab):
    world = lab.world()
    peer = world.good()
    peer.message("any/topic", b"x" * 900, qos=1, packet_id=4711)
    assert not world.do("wait(60)")["failure"]
    packet = peer.expect(PUBACK)
    assert packet.packet_id == 4711
    return f"packet id {packet.packet_id}"


@case("MQTT", "Keep-alive: no PINGRESP")
def no_pingresp(lab):
    world = lab.world(interval=3600)
    peer = world.good()
    return f"closed {world.unanswered_ping(peer)} ms after PINGREQ (its deadline here), connected again"


@case("TLS", "Connect")
def tls_connect(lab):
    world = lab.world()
    peer = world.good()
    return f"{peer.tls.version()}, {peer.tls.cipher()[0]}, {peer.tls.cipher()[2]} bits"


@case("TLS", "Connect to a server with an RSA certificate")
def rsa_server(lab):
    authority = labs.issue("an RSA authority", authority=True, modulus=2048)
    server = labs.issue("localhost", authority, names=("localhost",), modulus=2048)
    peer = lab.world(lab.context(server), **lab.trusting(authority)).good()
    return peer.tls.cipher()[0]


@case("TLS", "Recommended cipher suites, and the server's name (SNI)")
def cipher_suites(lab):
    world = lab.world()
    world.start("cycle()")
    peer = world.broker.accept(tls=False)
    head = peer.read_wire(5)
    suites, extensions = labs.client_hello(head + peer.read_wire(int.from_bytes(head[3:], "big")))
    peer.cut()
    world.answer()
    assert set(RECOMMENDED) <= set(suites), "a recommended suite is missing"
    weak = sorted(WEAK & set(suites))
    assert not weak, "weak suites: " + " ".join(f"{suite:04x}" for suite in weak)
    assert b"localhost" in extensions[labs.SERVER_NAME]
    return f"{len(suites)} suites with both recommended ones, none weak; SNI localhost"


def refused(world, kind, reason, tries=3):
    for _ in range(tries):
        result = world.refused(kind, reason, lasting=kind == "AuthError")
    return result["failure"][1].partition(":")[0]


@case("TLS", "Unsecure server certificate: not signed by the CA")
def unknown_ca(lab):
    context = lab.context(certs.make_server(certs.make_authority("another CA")), client_ca=False)
    return refused(lab.world(context), "TLSError", "is not signed by the CA")


@case("TLS", "Unsecure server certificate: self-signed")
def self_signed(lab):
    context = lab.context(labs.issue("localhost", names=("localhost",)), client_ca=False)
    return refused(lab.world(context), "TLSError", "is not signed by the CA")


@case("TLS", "Incorrect subject name (SAN) of the server")
def wrong_name(lab):
    context = lab.context(certs.make_server(lab.authority, ("broker.example",)), client_ca=False)
    return refused(lab.world(context), "TLSError", "is for another name")


@case("TLS", "Expired server certificate")
def expired(lab):
    days = {"not_before": labs.now() - 3 * labs.DAY, "not_after": labs.now() - labs.DAY}
    context = lab.context(certs.make_server(lab.authority, **days), client_ca=False)
    return refused(lab.world(context), "TLSError", "has expired")


@case("TLS", "Unsecure server: TLS 1.1 and older only")
def old_tls(lab):
    versions = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    with warnings.catch_warnings():  # they are deprecated: that is the point
        warnings.simplefilter("ignore", DeprecationWarning)
        context = lab.context(ciphers="ALL:@SECLEVEL=0", client_ca=False, **versions)
    return refused(lab.world(context), "TLSError", "an older TLS than 1.2")


@case("TLS", "Unsecure server: cipher suites without encryption only")
def null_cipher(lab):
    context = lab.context(ciphers="eNULL:@SECLEVEL=0", client_ca=False, maximum_version=ssl.TLSVersion.TLSv1_2)
    return refused(lab.world(context), "AuthError", "ended the TLS handshake", tries=2)


@case("TLS", "Large server certificate chain")
def large_chain(lab):
    names = ("localhost", *(f"host-{n}.a-rather-long-name.example" for n in range(100)))
    signer = root = labs.issue("root", authority=True)
    chain = []
    for n in range(3):
        signer = labs.issue(f"intermediate {n}", signer, authority=True, names=names[1:40])
        chain.insert(0, signer)
    server = labs.issue("localhost", signer, names=names)
    lab.world(lab.context(server, chain), **lab.trusting(root)).good()
    sizes = [len(pair.certificate.public_bytes(certs.serialization.Encoding.DER)) for pair in (server, *chain)]
    return f"{len(sizes)} certificates, {sum(sizes)} bytes"


@case("TLS", "Receive maximum size fragments")
def maximum_fragment(lab):
    world = lab.world()
    peer = world.good()
    world.root.traffic(1, 1)
    world.start("cycle()")
    report = peer.expect(PUBLISH)
    held = []
    peer.send = held.append
    peer.puback(report)
    peer.accepted(report)
    left = FRAGMENT - sum(map(len, held))
    while left:  # messages on another topic between the two, as large as packets may be
        size = 1000 if left > 1200 else left if left < 1000 else 600
        peer.message("t", bytes(size - 6))
        left -= size
    del peer.send
    data = b"".join([held[0], *held[2:], held[1]])
    peer.send(data)
    assert world.answer()["outcome"] == "accepted"
    return f"{len(held)} packets in a record of {len(data)} bytes"


@case("TLS", "Receive one byte a fragment")
def small_fragments(lab):
    world = lab.world()
    peer = world.begin()
    peer.expect(CONNECT)
    peer.trickle(b"\x20\2\0\0")
    subscribe = peer.expect(SUBSCRIBE)
    peer.trickle(bytes((0x90, 4, 0, subscribe.packet_id, 1, 1)))
    report = peer.expect(PUBLISH)
    peer.trickle(bytes((0x40, 2, 0, report.packet_id)))
    assert world.answer()["waiting"]
    return "14 records"


def run():
    """Every case: (group, name, "pass" or "FAIL", figure)."""
    with tempfile.TemporaryDirectory(prefix="linkpulse-advisor-") as folder:
        for number, (group, name, test) in enumerate(CASES):
            try:
                with labs.Lab(Path(folder) / str(number)) as lab:
                    yield group, name, "pass", test(lab)
            except Exception as error:  # whatever it is, it is this case's result
                yield group, name, "FAIL", f"{type(error).__name__}: {error}"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.faults.advisor", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    results = list(run())
    if options.json:
        fields = ("group", "case", "result", "figure")
        print(json.dumps([dict(zip(fields, result, strict=True)) for result in results], indent=2))
    else:
        table = Table("", "case", "result", "figure", title="Device Advisor's cases against the device code")
        for group, name, result, figure in results:
            table.add_row(group, name, f"[{'green' if result == 'pass' else 'red'}]{result}", figure)
        Console().print(table)
    return int(any(result[2] != "pass" for result in results))


if __name__ == "__main__":
    sys.exit(main())
