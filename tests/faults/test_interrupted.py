"""Fault 39: Ctrl-C and cancel in every state, TLS's middle included."""

import os
import pty
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.packets import CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE
from tests.faults.harness import SCRIPTS, WAIT

STATES = {
    "TCP": lambda peer: None,
    "ClientHello": lambda peer: peer.read_wire(5),
    "TLS": lambda peer: peer.handshake().expect(CONNECT),
    "SUBSCRIBE": lambda peer: (peer.handshake().expect(CONNECT), peer.connack(), peer.expect(SUBSCRIBE)),
    "PUBLISH": lambda peer: (peer.handshake().welcome(), peer.expect(PUBLISH)),
    "answer": lambda peer: (peer.handshake().welcome(), peer.puback(peer.expect(PUBLISH))),
    "idle": lambda peer: peer.handshake().good(),
}


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, command, env):
        master, slave = pty.openpty()
        self.fd = master
        self.text = ""
        ends = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(command, env=env, start_new_session=True, **ends)
        os.close(slave)

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, text):
        """Reads until `text` stands on the terminal after what was read before."""
        end = time.monotonic() + WAIT
        while text not in self.text:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no {text!r} in {self.text!r}"
            self.text += os.read(self.fd, 4096).decode()
        self.text = self.text.partition(text)[2]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def interrupted(make_world, runtime, tmp_path):
    """interrupted(state, *options): the broker's end of a device that was interrupted in that state, its terminal."""

    @contextmanager
    def run(state, *options):
        world = make_world(interval=2, allow_short_interval=True)
        command = runtime.command(SCRIPTS / "interrupted.py", str(world.file))
        terminal = Terminal([command[0], *options, *command[1:]], world.device.environment)
        try:
            peer = world.broker.accept(tls=False)
            STATES[state](peer)
            if state == "idle":
                terminal.until("accepted")
            terminal.process.send_signal(signal.SIGINT)
            yield peer, terminal
        finally:
            terminal.close()

    return run


def sockets(pid):
    found = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in found if name.startswith("socket:")]


@pytest.mark.parametrize("state", STATES)
def test_fault_39_interrupted_the_prompt_answers(interrupted, state):
    with interrupted(state, "-i") as (peer, terminal):
        terminal.until("KeyboardInterrupt")
        terminal.until(">>> ")
        rest = peer.closed()
        assert sockets(terminal.process.pid) == []
        terminal.type("print(6 * 7, agent.session.connected())\r")
        terminal.until("42 False")
        terminal.until(">>> ")  # what is typed before is thrown away when the prompt sets up the terminal
        if state != "idle":
            return
        assert rest == bytes((DISCONNECT, 0))
        # The agent is whole: it goes on when it is run again from there.
        terminal.type("agent.run(lambda: print(agent.status()['outcome']))\r")
        again = peer.broker.accept()
        again.good(present=1, subscribes=False)
        terminal.until("accepted")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("KeyboardInterrupt")
        assert again.closed() == bytes((DISCONNECT, 0))


@pytest.mark.parametrize("state", STATES)
def test_fault_39_interrupted_the_process_ends(interrupted, state):
    with interrupted(state) as (peer, terminal):
        terminal.until("KeyboardInterrupt")
        peer.closed()
        assert terminal.process.wait(WAIT) in (1, 130)  # by version: after an exception, or after SIGINT


@pytest.mark.parametrize("accepted", [False, True])
def test_fault_39_cancelled(world, accepted):
    world.start(f"cancelled({accepted})")
    peer = world.broker.accept()
    peer.welcome()
    report = peer.expect(PUBLISH)
    peer.puback(report)
    if accepted:
        peer.accepted(report)
    assert world.answer() == ["CancelledError", "accepted" if accepted else None]
    assert peer.closed() == bytes((DISCONNECT, 0))
    assert world.device.descriptors() == world.descriptors
    # What was under way is unknown, and the agent goes on when it is run again.
    if accepted:
        world.ledger.accepted(report)
    else:
        world.do("advance(30001)")
        world.do("step()")
    world.good(present=accepted, subscribes=not accepted)
