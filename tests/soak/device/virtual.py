"""Hours of the agent in seconds: `virtual.py FOLDER HOURS SEED FORMAT TAGS`. One line of JSON an hour, one at the end.

The agent, session, stream and umqtt are the real ones; the link and the broker behind it are TLSStream and
Broker, whose broker accepts, refuses, forgets, delays, disconnects and falls silent at random.
"""

import gc
import json
import random
import sys
import rig
from proc_folder import Proc
from virtual_broker import Broker, TLSStream, decode
from virtual_time import Time, install

_WHAT = ("accept",) * 20 + ("reject", "throttle", "lose", "late", "cut", "deaf", "again", "away", "refuse")


class Soak:
    def __init__(self, folder, seed, form, tags):
        random.seed(seed)
        self.clock = install(Time(ticks=(1 << 30) - 3600000))  # the ticks wrap after an hour
        self.proc = Proc(folder)
        self.cbor = form == "cbor"
        self.broker = Broker(self.decide, self.cbor)
        self.total = self.first = self.last = 1000000
        self.reported = self.away = self.backward = self.ids = self.counted = 0
        self.pending = self.pending_total = 0
        self.counts = dict([(what, 0) for what in _WHAT])
        self.proc.traffic(self.total)
        self.one = rig.agent(
            self.clock, self.broker, folder, format=form, tags=tags, timeout=20, state=folder + "/state",
            baseline=folder + "/baseline",
        )  # fmt: skip

    def decide(self, report_id):
        """What becomes of a report; more traffic after it."""
        again = self.pending == report_id
        if not again:
            self.backward += report_id <= self.ids
            self.ids = report_id
            numbers = rig.numbers(decode(self.broker.report) if self.cbor else json.loads(self.broker.report))
            self.pending_total = self.total
            self.difference = 0
            if numbers is not None:
                self.difference = numbers[0]
                assert numbers == (numbers[0], numbers[0], 2 * numbers[0], 3 * numbers[0]), numbers
            self.pending = report_id
            self.total += random.getrandbits(10)
            self.proc.traffic(self.total)
        what = _WHAT[random.getrandbits(16) % len(_WHAT)]
        self.counts[what] += 1
        if what == "away":
            self.away = self.clock.now + 60000 + random.getrandbits(20)
            what = "cut"
        elif what == "refuse":
            self.broker.refuse = 3
            what = "cut"
        return what

    def told(self):
        """After every outcome: an accepted report moves what is known to be reported."""
        accepted = self.one.status()["accepted"]
        if accepted > self.counted:
            self.counted = accepted
            if not self.backward and self.first is not None and self.reported == 0 and self.difference == 0:
                self.first = self.pending_total  # the first accepted report sets the baseline
            self.reported += self.difference
            self.last = self.pending_total
        if self.broker.refuse and random.getrandbits(2) == 0:
            self.broker.refuse = 0

    def uncertain(self):
        """Whether memory is taken for reports that may still be answered."""
        status = self.one.status()
        return status["connected_since"] is None or status["outcome"] != "accepted" or self.one.reports.waiting

    def hour(self):
        """Runs for an hour of virtual time, and on until the last report is accepted; the heap in use then."""
        end = self.clock.now + 3600000
        before = self.counted
        while self.clock.now < end or self.counted == before or self.uncertain():
            TLSStream.broker = None if self.clock.now < self.away else self.broker
            rig.run_on(self.one, self.clock, 5000, self.told)
        self.one.status()["last_error"] = None  # texts of different lengths are no growth
        self.broker.report = b""
        self.broker._kept = None
        gc.collect()
        return gc.mem_alloc()


def tell(hour, heap, values):
    print(json.dumps({"hour": hour, "heap": heap, "accepted": values["accepted"], "errors": values["errors"]}))


def main(folder, hours, seed, form, tags):
    s = Soak(folder, int(seed), form, tags)
    heaps = rig.zeros(int(hours))
    files = rig.descriptors()
    for hour in range(int(hours)):
        heap = s.hour()
        heaps[hour] = heap
        if hour == 1:
            files = rig.descriptors()
        tell(hour + 1, heap, s.one.status())
    print(json.dumps({
        "growth": max(heaps[1:]) - heaps[0], "heaps": sorted(set(heaps)), "files": rig.descriptors() - files,
        "ids backward": s.backward, "reported": s.reported, "counted": s.last - s.first, "counts": s.counts,
        "connects": s.broker.connects, "reports": s.broker.reports, "again": s.broker.again,
        "status": {k: s.one.status()[k] for k in ("accepted", "rejected", "unknown", "errors")},
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
