"""The host's side of the fault tests: the device's process, its proc root, and what is true whatever goes wrong."""

import json
import os
import select
import ssl
import subprocess
import time

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from tests.doubles.packets import DISCONNECT, PINGREQ, PUBLISH
from tests.doubles.scripted_broker import Broker, Gone, server_context

TESTS = paths.ROOT / "tests"
SCRIPTS = TESTS / "faults" / "device"
DOUBLES = TESTS / "doubles" / "device"
FLOOR = 1000  # ms between two tries, at least
WAIT = 10.0
TIMEOUT = 0.4  # seconds, the device's deadline as device/stepped.py has it
DEV = """Inter-|   Receive                       |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier
    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
  eth0: {0} {1} 0 0 0 0 0 0 {2} {3} 0 0 0 0 0 0
"""
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
ROW = "   0: {} {} {} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0"
UDP = f" {TCP} ref pointer drops"


class DeviceError(Exception):
    """The device's own exception: `kind` is its class's name."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


class Process:
    """A script under MicroPython that answers a line of Python with a line of JSON."""

    def __init__(self, interpreter, vendor, script, *arguments, heap="256K"):
        compiled = mpy.for_interpreter(paths.LIB, paths.MPY, interpreter.arch)
        self.environment = dict(os.environ, MICROPYPATH=mpy.search_path(compiled, vendor, DOUBLES))
        self._process = subprocess.Popen(
            interpreter.command(SCRIPTS / script, *map(str, arguments), heap=heap),
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid
        self._rest = b""
        self.ready = self.answer()

    def start(self, source):
        """Begin; `answer` ends it. What the broker has to do is done between the two."""
        self._process.stdin.write(source.encode() + b"\n")
        self._process.stdin.flush()

    def answer(self):
        end = time.monotonic() + WAIT
        while b"\n" not in self._rest:
            left = end - time.monotonic()
            assert left > 0 and select.select([self._process.stdout], [], [], left)[0], "the device does not answer"
            part = os.read(self._process.stdout.fileno(), 65536)
            assert part, "the device's process has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        found = json.loads(line)
        if "raised" in found:
            raise DeviceError(*found["raised"])
        return found["value"]

    def do(self, source):
        self.start(source)
        return self.answer()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def end(self):
        self._process.stdin.close()
        try:
            self._process.wait(WAIT)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
        return self._process.returncode


class ProcRoot:
    """A proc root with one interface, two listening ports and one connection, whose counters a test moves."""

    def __init__(self, folder):
        self.path = folder
        self.counters = [5000, 50, 7000, 70]
        self._net = folder / "net"
        self._net.mkdir(parents=True)
        rows = [
            ROW.format("00000000:0016", "00000000:0000", "0A"),
            ROW.format("0100000A:C350", "0A0200C0:01BB", "01"),
        ]
        self.tcp(rows)
        (self._net / "udp").write_text(f"{UDP:<127}\n")
        self.traffic(0, 0)

    def tcp(self, rows):
        (self._net / "tcp").write_text("".join(f"{line:<149}\n" for line in [TCP, *rows]))

    def traffic(self, inwards, outwards):
        """So many more bytes, and a packet each way."""
        more = (inwards, 1, outwards, 1) if inwards or outwards else (0, 0, 0, 0)
        self.counters = [a + b for a, b in zip(self.counters, more, strict=True)]
        (self._net / "dev").write_text(DEV.format(*self.counters))  # in place: the device keeps it open


class Ledger:
    """What must be true of all reports together: one id, one content; ids increase; each difference is all that
    happened since the last report that was accepted."""

    def __init__(self, root):
        self._root = root
        self._known = {}
        self._base = None

    def saw(self, packet):
        if packet.kind != PUBLISH:
            return
        report, number = packet.report, packet.report_id
        if number in self._known:
            assert packet.payload == self._known[number][0], "one report id with two contents"
            assert packet.dup, "a report sent twice without DUP"
            return
        assert not packet.dup, "DUP at the first sending"
        assert all(number > other for other in self._known), "report ids must increase"
        self._known[number] = packet.payload, list(self._root.counters)
        metrics = report.get("met") or report["metrics"]
        stats = metrics.get("ns") or metrics.get("network_stats")
        if self._base is None:
            assert stats is None, "a first report must not have network_stats"
            self._base = self._known[number][1]
            return
        expected = [a - b for a, b in zip(self._root.counters, self._base, strict=True)]
        names = ("bi", "pi", "bo", "po") if "ns" in metrics else ("bytes_in", "packets_in", "bytes_out", "packets_out")
        assert [stats[name] for name in names] == expected, f"{stats} should be {expected}"

    def accepted(self, packet):
        """The device has been told that this report was accepted."""
        self._base = self._known[packet.report_id][1]

    def restarted(self):
        """The agent is a new one, and has no baseline."""
        self._base = None


def steady(heaps):
    """No growth after the third time. The least of four: now and then the collector takes a number for a pointer."""
    assert len(heaps) >= 8
    return min(heaps[-4:]) <= min(heaps[3:7])


class World:
    """A device with its broker and its proc root."""

    def __init__(self, interpreter, vendor, certs, folder, context=None, receive_buffer=None, heap="256K", **settings):
        self.certs = certs
        self.root = ProcRoot(folder / "proc")
        self.ledger = Ledger(self.root)
        self.broker = Broker(context or server_context(certs.server, certs.ca), receive_buffer)
        self.broker.watch = self.ledger.saw
        self.settings = {
            "thing": certs.thing_name,
            "host": "127.0.0.1",
            "server_name": "localhost",
            "port": self.broker.port,
            "ca": str(certs.ca.der),
            "cert": str(certs.thing.der),
            "key": str(certs.thing.key_der),
            "proc": str(self.root.path),
            "state": str(folder / "state"),
            **settings,
        }
        self.file = folder / "settings.json"
        self.file.write_text(json.dumps(self.settings))
        try:
            self.device = Process(interpreter, vendor, "stepped.py", self.file, heap=heap)
        except BaseException:
            self.broker.__exit__()
            raise
        self.do, self.start, self.answer = self.device.do, self.device.start, self.device.answer
        self.waits = []
        self.settle()

    def __enter__(self):
        return self

    def settle(self):
        """The tables of the proc root are open from here on: so many descriptors has a device without a connection."""
        self.do("open_tables()")
        self.descriptors = self.device.descriptors()

    def __exit__(self, kind, *_):
        code = self.device.end()
        self.broker.__exit__()
        assert kind or code == 0, f"the device ended with {code}"

    def begin(self, traffic=100):
        """A report is due and the device is on its way: the connection, TLS done."""
        self.root.traffic(traffic, traffic + 1)
        self.start("cycle()")
        return self.broker.accept()

    def good(self, **welcome):
        """A report that is accepted, over a new connection: the device is well."""
        self.timeout(5)  # nothing here is about time, and the machine may be busy
        peer = self.begin()
        report = peer.good(**welcome)
        result = self.answer()
        self.timeout(TIMEOUT)
        assert result["outcome"] == "accepted" and result["connected"], result
        self.ledger.accepted(report)
        return peer

    def refused(self, kind, text, lasting=False):
        """The next handshake fails, and no byte of MQTT is ever sent."""
        self.root.traffic(1, 1)
        self.start("cycle()")
        peer = self.broker.accept(tls=False)
        try:
            peer.handshake()
        except (ssl.SSLError, Gone):
            peer.sock.close()
        else:
            raise AssertionError("the handshake must fail")
        result = self.failed(kind, text, lasting=lasting)
        assert peer.plain == b"" and self.broker.packets == []
        return result

    def unanswered_ping(self, peer):
        """The device closes a connection over which it gets no PINGRESP. Returns the ms that it waited for one."""
        self.do("advance(900000)")
        wait = self.do("step()")["wait"]
        peer.expect(PINGREQ)
        self.do(f"advance({wait})")
        self.check(self.do("step()"), "TimedOut", "did not answer a ping")
        assert peer.closed() == bytes((DISCONNECT, 0))
        self.good(present=1, subscribes=False)
        return wait

    def timeout(self, seconds):
        """The device's deadlines from here on."""
        self.do(f"setattr(agent.session, '_timeout', {int(seconds * 1000)})")

    def drop(self, peer):
        """The device ends the connection in order; it will connect for the next report."""
        self.do("agent.close()")
        peer.closed()

    def failed(self, kind, text="", longest=601000, lasting=False):
        """The step under way ends in one typed error with that reason, the socket closed and a jittered retry."""
        return self.check(self.answer(), kind, text, longest, lasting)

    def check(self, result, kind, text="", longest=601000, lasting=False):
        assert result["failure"], result
        found, reason, wait = result["failure"]
        kinds = (kind,) if isinstance(kind, str) else kind
        assert found in kinds and text in reason, result["failure"]
        assert len(reason) > 15 and result["outcome"] == "error" and result["last_error"].startswith(reason), result
        assert not result["connected"] and not result["waiting"] and result["retry_after"] == wait // 1000, result
        assert self.device.descriptors() == self.descriptors, "a socket was left open"
        if lasting:
            assert wait >= 900000, wait
        else:
            assert FLOOR <= wait <= longest, wait
        self.waits.append(wait)
        return result
