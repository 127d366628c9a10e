"""Rows 36 and 37: power cuts at every write of a littlefs, state and baseline files that cannot be used."""

import gc
import os
import rig
import vfs
from proc_folder import Proc
from state_file import content, forget, store
from virtual_broker import Broker
from virtual_time import START, Time, install

BLOCK = 512
BLOCKS = 24


class Cut(BaseException):
    """The power is gone."""


class Flash:
    """NOR flash of `memory`, which outlives it: erasing makes ones, programming only clears bits.

    The write number `cut` (from 0) is torn: only its first `part` of 4 quarters happens, and then nothing more does.
    """

    def __init__(self, memory, cut=-1, part=0):
        self._memory = memory
        self.left = cut
        self._part = part
        self.dead = False
        self.gone = False  # a file that a cut left open is closed by the collector: that must not reach the memory
        self.writes = 0

    def readblocks(self, block, buf, offset=0):
        if self.gone:
            return -5
        self._alive()
        at = block * BLOCK + offset
        buf[:] = memoryview(self._memory)[at : at + len(buf)]
        return 0

    def writeblocks(self, block, buf, offset=0):
        if self.gone:
            return -5
        n = self._torn(len(buf))
        at = block * BLOCK + offset
        for i in range(n):
            self._memory[at + i] &= buf[i]
        self._written()
        return 0

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if self.gone:
            return -5
        if op == 6:
            n = self._torn(BLOCK)
            for i in range(n):
                self._memory[arg * BLOCK + i] = 0xFF
            self._written()
        return 0

    def _alive(self):
        if self.dead:
            raise Cut

    def _torn(self, n):
        self._alive()
        self.writes += 1
        if self.left == 0:
            self.dead = True
            return n * self._part // 4
        self.left -= 1
        return n

    def _written(self):
        self._alive()


def formatted():
    memory = bytearray(b"\xff" * (BLOCK * BLOCKS))
    vfs.VfsLfs2.mkfs(Flash(memory))
    return memory


def boot(flash, use):
    """Mounts the flash, lets `use(folder)` work until it is done or the power fails; True when it was done."""
    mounted = flash.gone = False
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/flash")
        mounted = True
        use("/flash")
        return True
    except Cut:
        return False
    finally:
        if mounted:
            flash.dead = False  # for the unmounting only; nothing is written by it
            before = flash.writes
            vfs.umount("/flash")
            assert flash.writes == before
        flash.gone = True
        gc.collect()


def reserves(state, clock, taken, walls, cut=-1):
    """Ids as an agent uses them over one boot: some, or more than a reserve; each is noted once it is handed out."""
    from linkpulse.report.report_ids import Ids

    for count, wall in walls:
        clock.set(wall)
        ids = Ids(state)
        for _ in range(count):
            taken.append(ids.next())
        if ids.problem:
            raise AssertionError(ids.problem)


# What becomes of the wall clock over the boots of one run.
CLOCKS = {
    "right": (START, START + 90000, START + 180000, START + 270000),
    "never set": (0, 0, 0, 0),
    "lies": (START, START + 5 * 31557600, START, 0),
}


def cuts(what, part):
    """A cut at every write of four boots with six reserves: how many there were, and ids that repeat."""
    clock = install(Time())
    walls = CLOCKS[what]
    repeated = 0
    n = 0
    while True:
        memory = formatted()
        taken = []
        flash = Flash(memory, n, int(part))
        whole = True
        for i, wall in enumerate(walls):
            plan = ((3 + 257 * (i % 2), wall), (2, wall + 50))
            if whole:
                whole = boot(flash, lambda folder: reserves(folder + "/linkpulse.state", clock, taken, plan))
            if not whole:
                # The power is back, with what is in the flash now.
                flash = Flash(memory)
                boot(flash, lambda folder: reserves(folder + "/linkpulse.state", clock, taken, plan))
                whole = True
        for a, b in zip(taken, taken[1:]):
            repeated += b <= a
        if flash.left >= 0:
            return {"cuts": n, "ids": len(taken), "repeated": repeated}
        n += 1


def cut_before_the_rename():
    """The power fails when the temporary file is whole and not renamed yet: at every reserve in turn."""
    clock = install(Time(0))
    from linkpulse.report import report_ids

    class Os:
        left = 0

        def __getattr__(self, name):
            return getattr(os, name)

        def rename(self, a, b):
            if Os.left == 0:
                raise Cut
            Os.left -= 1
            os.rename(a, b)

    report_ids.os = Os()
    results = []
    for n in range(6):
        memory = formatted()
        taken = []
        Os.left = n
        for _ in range(8):
            if not boot(Flash(memory), lambda folder: reserves(folder + "/s", clock, taken, ((260, 0),))):
                Os.left = 100
        results.append((len(taken), sum([b <= a for a, b in zip(taken, taken[1:])])))
    return results


def starts(proc, folder):
    """An agent over each kind of state file: (problem before a report, problem after three, first id, ids increase)."""
    clock = install(Time())
    import binascii
    from linkpulse.report.report_ids import Ids

    Proc(proc)
    later = b"%d" % (START + 1000000)
    whole = later + b" %08x\n" % binascii.crc32(later)
    files = {
        "missing": None,
        "empty": b"",
        "zeros": bytes(40),
        "erased": b"\xff" * 40,
        "text": b"hello world",
        "number only": later + b"\n",
        "wrong check": later + b" 00000000\n",
        "cut": whole[:-3],
        "long": b"1" * 100000,
        "whole": whole,
        "behind": b"7 %08x\n" % binascii.crc32(b"7"),
    }
    found = {}
    for name, data in files.items():
        path = folder + "/" + name.replace(" ", "-")
        if data is not None:
            store(path, data)
        found[name] = observed(clock, proc, path)
        found[name].append(content(path).decode())
        last = found[name][3]
        found[name].append(Ids(path).next() > last)
    return found


def observed(clock, proc, path):
    ids = []
    broker = Broker(lambda report_id: (ids.append(report_id), "accept")[1])
    one = rig.agent(clock, broker, proc, state=path)
    before = one.status()["problem"]
    rig.run(one, clock, 900000)
    status = one.status()
    assert status["accepted"] == len(ids) == 3, status
    return [before, status["problem"], ids[0], ids[-1], all([b > a for a, b in zip(ids, ids[1:])])]


def impossible(proc):
    """The same where the file cannot be written: read-only, full, a folder in its place, no such folder."""
    clock = install(Time())
    Proc(proc)
    found = {}
    memory = formatted()
    vfs.mount(vfs.VfsLfs2(Flash(memory)), "/flash")
    found["no folder"] = observed(clock, proc, "/flash/none/state")
    os.mkdir("/flash/folder")
    found["a folder"] = observed(clock, proc, "/flash/folder")
    with open("/flash/fill", "wb") as f:
        try:
            while True:
                f.write(bytes(128))
                f.flush()
        except OSError:
            pass
    for made in range(10000):  # a small file lives with its name and needs no block of its own
        try:
            with open("/flash/%d" % made, "wb") as f:
                f.write(bytes(40))
        except OSError:
            break
    found["full"] = observed(clock, proc, "/flash/state")
    vfs.umount("/flash")
    memory = formatted()
    vfs.mount(vfs.VfsLfs2(Flash(memory)), "/flash")
    first = observed(clock, proc, "/flash/state")
    vfs.umount("/flash")
    vfs.mount(vfs.VfsLfs2(Flash(memory)), "/flash", readonly=True)
    found["read-only"] = observed(clock, proc, "/flash/state")
    assert first[3] < found["read-only"][2], "the reserve of the file was not heeded"
    vfs.umount("/flash")
    return found


def baselines(proc, folder):  # noqa: C901
    """Differences over restarts of the agent: nothing lost, nothing doubled; and what is not to be used is not."""
    clock = install(Time())
    import json
    from linkpulse.collect.linux import baseline

    p = Proc(proc)
    path = folder + "/baseline"
    found = {}
    answers = ["accept"]

    def life(*totals, more=()):
        """One agent's life, a report for each total of eth0: what its reports said."""
        broker = Broker(lambda report_id: answers[0])
        one = rig.agent(clock, broker, proc, baseline=path)
        result = []
        for total in totals:
            p.traffic(total, *more)
            before = broker.reports
            while broker.reports == before:
                clock.now += max(1, one.step())
            one.step()
            result.append(rig.numbers(json.loads(broker.report)))
        problem = one.status()["problem"]
        one.close()
        return [numbers and numbers[0] for numbers in result], problem

    found["first life"] = life(1000, 1100)
    found["same boot"] = life(1400, 1450)
    answers[0] = "lose"
    found["answers lost"] = life(1500, 1600)
    answers[0] = "accept"
    found["after them"] = life(1700)
    found["at once again"] = life(1700)
    found["a new interface"] = life(1800, 1801, more=(("eth1", 5000, 1, 1, 1),))
    found["a reset"] = life(10, 30)
    whole = content(path)
    lines = whole.split(b"\n")
    for name, changed in (
        ("another boot", b"\n".join([b"00000000-1111-2222-3333-444444444444"] + lines[1:])),
        ("empty", b""),
        ("cut", whole[: len(whole) - 5]),
        ("half", whole[: len(whole) // 2]),
        ("no end", b"\n".join(lines[:-2]) + b"\n"),
        ("not numbers", whole.replace(b" 30 ", b" x0 ")),
        ("too few", b"\n".join([lines[0], b"eth0 1 2 3", b"end", b""])),
        ("too large", b"\n".join([lines[0], b"eth0 1 2 3 4 5 6 7 99999999999", b"end", b""])),
        ("negative", b"\n".join([lines[0], b"eth0 -1 2 3 4 5 6 7 8", b"end", b""])),
        ("binary", bytes(range(256)) * 8),
    ):
        forget(path)
        store(path, changed)
        found[name] = life(1000000, 1000007)
    forget(path)
    os.mkdir(path)
    found["a folder"] = life(5, 6)
    os.rmdir(path)
    forget(path)
    found["no boot id"] = no_boot_id(path, baseline)
    return found


def no_boot_id(path, baseline):
    from linkpulse.sample.counters import Counters

    c = Counters()
    b = baseline.Baseline(path, path + ".none")
    b.load(c)
    b.save(c)
    return [c.available()], b.problem


if __name__ == "__main__":
    rig.main(globals())
