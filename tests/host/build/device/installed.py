"""What mip installed into FOLDER, used as PARTS of it promise, a text of names; both are put before this text.

Prints one JSON object: the modules that were loaded, the reports that were made.
"""

import binascii
import json
import os
import sys

sys.path[:] = [FOLDER, ".frozen"]  # noqa: F821
made = []


class Lwipstat:
    """Stands in for the C module, where the firmware has none."""

    @staticmethod
    def nothing(buf):
        return 0

    interfaces = tcp = udp = nothing


def microcbor():
    from microcbor import Reader, Writer

    buf = bytearray(16)
    w = Writer(buf)
    w.map(1)
    w.text(b"id")
    w.int(-70000)
    r = Reader(bytes(w.result()))
    assert (r.map(), bytes(r.text()), r.int()) == (1, b"id", -70000)


def answer(reporter, fmt):
    if fmt == "json":
        return b'{"reportId":%d,"status":"ACCEPTED"}' % reporter.report_id
    from microcbor import Writer

    w = Writer(bytearray(64))
    w.map(2)
    w.text(b"reportId")
    w.uint(reporter.report_id)
    w.text(b"status")
    w.text(b"ACCEPTED")
    return w.result()


def reporter():
    """Reports of counted sockets with no session; each second one has what went through them."""
    from linkpulse import Ids, Reporter
    from linkpulse.collect.counted import Collector, install

    install()
    import socket

    ids = Ids(None)
    for fmt in ("cbor", "json"):
        reporter = Reporter(Collector(True), "thing-1", ids.next, format=fmt)
        for _ in range(2):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"12345", socket.getaddrinfo("127.0.0.1", 9)[0][-1])
            made.append((fmt, bytes(reporter.report())))
            s.close()
            assert reporter.receive(reporter.accepted, answer(reporter, fmt)).matches


def agent():
    """An agent of this platform, as main.py makes it, that is not connected yet."""
    import linkpulse
    from linkpulse.settings import Settings

    values = {
        "thing": "thing-1",
        "host": "localhost",
        "ca": "ca.der",
        "cert": "cert.der",
        "key": "key.der",
        "state": "",
    }
    agent = linkpulse.Agent(Settings(values))
    made.append(("cbor", bytes(agent.reports.reporter.report())))
    assert agent.status()["outcome"] is None


def everything(folder, name):
    """Imports every module in a folder of FOLDER."""
    for entry in os.listdir(folder):
        if "." not in entry:
            everything(folder + "/" + entry, name + entry + ".")
        elif entry.rpartition(".")[2] in ("py", "mpy"):
            stem = entry.rpartition(".")[0]
            __import__(name[:-1] if stem == "__init__" else name + stem)


try:
    import lwipstat  # noqa: F401
except ImportError:
    sys.modules["lwipstat"] = Lwipstat
for part in PARTS.split():  # noqa: F821
    globals()[part]()
everything(FOLDER, "")  # noqa: F821
ours = [name for name in sys.modules if name.split(".")[0] in ("linkpulse", "microcbor", "umqtt")]
reports = [(fmt, binascii.hexlify(report)) for fmt, report in made]
print(json.dumps({"loaded": sorted(ours), "reports": reports}))
