"""Faults on lwIP's sockets and mbedTLS on the Python heap, where a forgotten deadline waits for ever.

The board in QEMU reports to a scripted broker on the host. Each case ends in a typed error within the deadline, with
the socket closed, and a report that follows it is accepted.
"""

import socket
import time

import pytest

from linkpulse_tools.device.qemu_board import HOST
from tests.doubles.packets import CONNACK, CONNECT, PINGREQ, PUBLISH, SUBSCRIBE
from tests.doubles.scripted_broker import Broker, Gone, server_context
from tests.faults.programs import DEVICE

DEADLINE = 2000  # ms, as on_board.py has it: a TLS handshake on a busy host takes over 800
MARGIN = 4000  # ms that a TLS handshake and a busy host may take besides
FILES = ("ca", "cert", "key")


@pytest.fixture(scope="module")
def board(make_board, certs):
    with make_board("agent", heap=98304) as running:
        for name, path in zip(FILES, (certs.ca.der, certs.thing.der, certs.thing.key_der), strict=True):
            running.put(f"{name}.der", path)
        running.run("values = {}\n" + (DEVICE / "on_board.py").read_text())
        yield running


@pytest.fixture
def broker(board, certs):
    """The broker that a new agent on the board knows."""
    with Broker(server_context(certs.server, certs.ca)) as running:
        values = {"thing": certs.thing_name, "host": HOST, "server_name": "localhost", "port": running.port}
        values |= {name: f"{name}.der" for name in FILES}
        board.run(f"values = {values!r}\nmake()")
        yield running
        board.run("agent.close()")


def failed(board, broker, kinds, text, tries=1):
    """The cycle under way ends in that error, in time, with nothing open; the next report is accepted."""
    failure, outcome, took, connected = board.value()
    kind, reason, wait = failure
    assert kind in kinds and text in reason, failure
    assert outcome == "error" and not connected and wait >= 1000
    assert took <= tries * DEADLINE + MARGIN, took
    assert board.value(f"open_to({broker.port})") == [], "a socket was left open"
    accepted(board, broker)
    return took


def accepted(board, broker):
    board.run("agent.session._timeout = 10000")  # nothing here is about time, and the machine may be busy
    board.begin("cycle(10000)")
    peer = broker.accept()
    peer.good()
    failure, outcome, _, connected = board.value()
    board.run("agent.session._timeout = TIMEOUT")
    assert (failure, outcome, connected) == (None, "accepted", True)
    return peer


def begin(board, broker, tls=True):
    board.begin("cycle()")
    return broker.accept(tls=tls)


def test_a_report_is_accepted(board, broker):
    accepted(board, broker)
    assert board.value(f"open_to({broker.port})") == [4]


def test_silence_from_the_first_byte(board, broker):
    """Row 3: accepted by the network, and nobody there."""
    begin(board, broker, tls=False)
    assert failed(board, broker, ["TimedOut"], "TLS handshake") >= DEADLINE


def test_silence_after_connect(board, broker):
    peer = begin(board, broker)
    peer.expect(CONNECT)
    assert failed(board, broker, ["TimedOut"], "answer") >= DEADLINE


def test_silence_after_subscribe(board, broker):
    """Row 12: tried again on the same connection, then given up."""
    peer = begin(board, broker)
    peer.expect(CONNECT)
    peer.connack()
    first = peer.expect(SUBSCRIBE)
    assert [peer.expect(SUBSCRIBE).packet_id for _ in range(2)] == [first.packet_id] * 2
    assert failed(board, broker, ["TimedOut"], "answer", 3) >= 3 * DEADLINE


def test_no_puback(board, broker):
    """Row 11: the same packet with DUP, then given up."""
    peer = begin(board, broker)
    peer.welcome()
    first = peer.expect(PUBLISH)
    again = [peer.expect(PUBLISH) for _ in range(2)]
    assert not first.dup and all(packet.dup for packet in again)
    assert {(packet.packet_id, packet.payload) for packet in again} == {(first.packet_id, first.payload)}
    assert failed(board, broker, ["TimedOut"], "answer", 3) >= 3 * DEADLINE


def test_silence_in_an_open_connection(board, broker):
    """Row 15: a ping without its answer."""
    peer = accepted(board, broker)
    board.run("agent.session._sent = time.ticks_add(time.ticks_ms(), -2000000)")
    pauses = "[agent.pause(1000) for _ in range(3)]"  # a pause is a second at most
    board.begin(f"(agent.step(), {pauses}, agent.step(), failure, agent.session.connected())")
    peer.expect(PINGREQ)
    *_, failure, connected = board.value()
    assert failure[0] == "TimedOut" and "ping" in failure[1] and not connected
    accepted(board, broker)


@pytest.mark.parametrize("end", ["cut", "reset", "silence"])
@pytest.mark.parametrize("part", [1, 3])
def test_half_a_packet(board, broker, end, part):
    """Row 1: FIN, RST or nothing in the middle of CONNACK."""
    peer = begin(board, broker)
    peer.expect(CONNECT)
    peer.send(bytes((CONNACK, 2, 0, 0))[:part])
    if end == "silence":
        failed(board, broker, ["TimedOut"], "answer")
    else:
        getattr(peer, end)()
        failed(board, broker, ["NetworkError"], "")


@pytest.mark.parametrize("end", ["cut", "reset", "silence"])
def test_half_a_record(board, broker, end):
    """The same in the middle of a TLS record."""
    peer = begin(board, broker)
    peer.expect(CONNECT)
    peer.sock.sendall(peer.sealed(bytes((CONNACK, 2, 0, 0)))[:9])
    if end == "silence":
        failed(board, broker, ["TimedOut"], "answer")
    else:
        getattr(peer, end)()
        failed(board, broker, ["NetworkError", "TLSError"], "")


def test_a_drip(board, broker):
    """Row 5: the deadline is for the whole packet, not for each byte."""
    peer = begin(board, broker)
    peer.expect(CONNECT)
    with pytest.raises((Gone, OSError)):
        for byte in bytes((CONNACK, 2, 0, 0)):
            peer.send(bytes((byte,)))
            time.sleep(DEADLINE / 2500)
        peer.closed()
        raise Gone
    failed(board, broker, ["TimedOut"], "answer")


def test_nobody_listens(board, broker):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        board.run(f"agent.session._port = {probe.getsockname()[1]}")
        board.begin("cycle()")
        failure, _, took, connected = board.value()
    assert (
        failure[0] == "NetworkError" and "does not answer" in failure[1] and not connected and took < DEADLINE + MARGIN
    )
    board.run(f"agent.session._port = {broker.port}")
    accepted(board, broker)


def test_an_interface_that_the_settings_name_is_brought_up_again(board, broker):
    board.run("import network\nvalues['ethernet'] = {}\nmake()\nnetwork.LAN().active(False)")
    accepted(board, broker)
    board.run("network.LAN().active(False)")
    board.begin("cycle()")
    (kind, *_), outcome, _, connected = board.value()
    assert kind in ("NetworkError", "TimedOut") and outcome == "error" and not connected
    accepted(board, broker)
    assert board.value("network.LAN().isconnected()")


def test_failures_take_no_memory(board, broker):
    heaps = []
    for _ in range(8):
        peer = begin(board, broker)
        peer.expect(CONNECT)
        peer.reset()
        assert board.value()[0][0] == "NetworkError"
        heaps.append(board.value("heap()"))
    assert min(heaps[-4:]) <= min(heaps[:4]), heaps


def test_what_lwip_does(board):
    """The platform's facts that the agent is built on: should one change, its reason is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        board.run(f"s = connected({listener.getsockname()[1]})")
        peer, _ = listener.accept()
        with peer:
            took, number = board.value("(s.settimeout(0.2), timed(s.read, 1))[1]")
            assert took >= 190 and abs(number) in (110, 116)
            # setblocking(True), as umqtt.simple calls it, erases the timeout.
            board.begin("(s.settimeout(0.2), s.setblocking(True), timed(s.read, 1))[2]")
            time.sleep(1.0)
            peer.send(b"x")
            took, answer = board.value()
            assert took >= 700 and answer == b"x"
        board.run("s.close()")
