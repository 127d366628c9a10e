"""Rows 26 to 29: a clock that is wrong, a server that lies, ticks that wrap."""

import rig
from proc_folder import Proc
from virtual_broker import Broker, TLSStream
from virtual_time import START, Time, install


class Sockets:
    """Counts what is asked of the module `socket`."""

    def __init__(self):
        import socket

        self._real = socket
        self.made = 0

    def __getattr__(self, name):
        if name in ("socket", "getaddrinfo"):
            self.made += 1
        return getattr(self._real, name)


def untrusted(proc, epoch, wall):
    """An agent with the real TLS stream, whose clock stands at `wall`."""
    import sys

    clock = install(Time(int(wall), epoch=int(epoch)))
    sockets = sys.modules["socket"] = Sockets()
    from linkpulse.agent.agent import Agent
    from linkpulse.port.clock import epoch as trusted

    Proc(proc)
    one = Agent(rig.settings(proc))
    rig.run(one, clock, 3600000)
    status = one.status()
    return {
        "trusted": trusted(), "sockets": sockets.made, "connected": one.session.connected(),
        "outcome": status["outcome"], "last_error": status["last_error"], "tries": status["errors"],
        "report_id": status["report_id"],
    }  # fmt: skip


def set_first(proc, epoch, wall, server):
    """The agent asks the time server before it connects; then it reports."""
    clock = install(Time(int(wall), epoch=int(epoch)), rtc=True)
    from linkpulse.port.clock import epoch as trusted

    Proc(proc)
    broker = Broker()
    connects = []
    connect = broker.connect
    broker.connect = lambda link: (connects.append(trusted()), connect(link))
    one = rig.agent(clock, broker, proc, ntp=server)
    rig.run(one, clock, 700000)
    status = one.status()
    return {"connects": connects, "accepted": status["accepted"], "report_id": status["report_id"], "now": trusted()}


def servers(*addresses):
    """What each time server's answer comes to: the time set, or the kind of error and its text."""
    install(Time(946684800))
    from linkpulse.port.clock import synchronize
    from linkpulse.errors import LinkpulseError

    results = []
    for address in addresses:
        got = []
        try:
            synchronize(address, 0.3, got.append)
            results.append(got[0])
        except LinkpulseError as e:
            assert not got
            results.append([type(e).__name__, str(e)])
    return results


def liar(state, *walls):
    """Ids over starts whose clock stands at each of `walls` in turn, a reserve and a bit each."""
    clock = install(Time())
    from linkpulse.report.report_ids import Ids

    found = []
    for wall in walls:
        clock.set(int(wall))
        ids = Ids(state)
        for _ in range(300):
            found.append(ids.next())
    return found


def jumps(proc, state):
    """Reports while the wall clock jumps; the time between them in ticks, and their ids."""
    clock = install(Time())
    Proc(proc)
    times = []
    ids = []

    def decide(report_id):
        times.append(clock.now)
        ids.append(report_id)
        clock.set(START + (86400, -86400, 3600, -7200, 20 * 365 * 86400, 0, -1790000000)[len(ids) % 7])
        return "accept"

    one = rig.agent(clock, Broker(decide), proc, state=state)
    rig.run(one, clock, 20 * 300000)
    status = one.status()
    return {"between": [b - a for a, b in zip(times, times[1:])], "ids": ids, "status": status}


def wrap(proc, before):
    """An agent that starts `before` ms ahead of the wrap: times of its reports, then those of its retries."""
    clock = install(Time(ticks=(1 << 30) - int(before)))
    Proc(proc)
    times = []
    what = ["accept"]

    def decide(report_id):
        times.append(clock.now)
        return what[0]

    broker = Broker(decide)
    one = rig.agent(clock, broker, proc, timeout=20)
    rig.run(one, clock, 1800000)
    reports = list(times)
    accepted = one.status()["accepted"]
    what[0] = "deaf"
    rig.run(one, clock, 900000)
    lost = one.status()["last_error"]
    TLSStream.broker = None
    before = one.status()["errors"]
    rig.run(one, clock, 7200000)
    return {
        "reports": reports, "accepted": accepted, "deaf": times[len(reports) :], "lost": lost,
        "retries": one.status()["errors"] - before, "outcome": one.status()["outcome"],
    }  # fmt: skip


def wrap_quiet(proc, before):
    """Pings at a long interval over the wrap: the virtual minutes of each PINGREQ."""
    clock = install(Time(ticks=(1 << 30) - int(before)))
    Proc(proc)
    broker = Broker()
    pings = []
    packet = broker.packet

    def watched(link, p, body):
        if p[0] == 0xC0:
            pings.append(clock.now)
        packet(link, p, body)

    broker.packet = watched
    one = rig.agent(clock, broker, proc, interval=14400)
    rig.run(one, clock, 4 * 14400000)
    return {"pings": pings, "connects": broker.connects, "accepted": one.status()["accepted"]}


def wrap_link(port, before):
    """The real link against a server that accepts and says nothing: how long it waits, with the wrap in between."""
    clock = install(Time(ticks=(1 << 30) - int(before), step=True))
    import tls
    from linkpulse.errors import TimedOut
    from linkpulse.session.tls_stream import TLSStream

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    waited = []
    for _ in range(4):
        link = TLSStream("localhost")
        link.context = context
        link.arm(200)
        began = clock.elapsed()
        try:
            link.connect("127.0.0.1", int(port))
            link.send(b"x")
        except TimedOut:
            waited.append(clock.elapsed() - began)
        link.close()
    return waited


if __name__ == "__main__":
    rig.main(globals())
