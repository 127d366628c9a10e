"""The counters' baseline across restarts on one boot."""

import os
from check import equal
from proc_root import collector, dev, usual
from state_file import content, forget, store
from linkpulse.collect.linux import baseline as module
from linkpulse.collect.linux.baseline import Baseline
from linkpulse.sample.counters import Counters

PATH = "baseline-test"
BOOT = "boot-id-test"


def boot(name=b"one\n"):
    store(BOOT, name)


def clean():
    forget(PATH, BOOT)


def baseline():
    return Baseline(PATH, BOOT)


def sample(counters, *interfaces):
    collector(usual(dev=dev(*interfaces))).counters(counters)
    return counters.difference(0) if counters.available() else None


def stopped(*interfaces):
    """An agent that had its report accepted, and is gone."""
    clean()
    boot()
    counters = Counters()
    sample(counters, *interfaces)
    counters.commit()
    b = baseline()
    b.save(counters)
    equal(b.problem, None)


def restarted():
    counters = Counters()
    baseline().load(counters)
    return counters


def test_nothing_of_the_time_between_is_lost():
    stopped(("eth0", 1000, 10, 2000, 20), ("br-lan", (1 << 40) + 5, 1, 1, 1))
    c = restarted()
    equal(sample(c, ("eth0", 1500, 11, 2000, 20), ("br-lan", (1 << 40) + 15, 1, 1, 1)), 510)
    equal([c.difference(i) for i in range(4)], [510, 1, 0, 0])
    clean()


def test_after_a_reboot_it_is_not_used():
    stopped(("eth0", 1000, 10, 2000, 20))
    boot(b"two\n")
    equal(sample(restarted(), ("eth0", 1500, 11, 2000, 20)), None)
    clean()


def test_an_interface_that_is_new_or_was_reset_makes_no_spike():
    stopped(("eth0", 1000, 10, 2000, 20), ("ppp0", 5000, 1, 1, 1))
    equal(sample(restarted(), ("eth0", 1001, 10, 2000, 20), ("ppp0", 7, 1, 1, 1), ("wg0", 10**9, 1, 1, 1)), 1)
    clean()


def test_without_a_file_it_is_a_first_start():
    clean()
    boot()
    equal(sample(restarted(), ("eth0", 1000, 1, 1, 1)), None)
    clean()


def test_without_a_boot_id_it_is_not_used_and_not_written():
    stopped(("eth0", 1000, 10, 2000, 20))
    os.remove(BOOT)
    equal(sample(restarted(), ("eth0", 1500, 11, 2000, 20)), None)
    b = baseline()
    b.save(Counters())
    assert PATH in b.problem
    clean()


def test_every_truncation_is_a_first_start():
    stopped(("eth0", 1000, 10, 2000, 20), ("eth1", 1000, 10, 2000, 20))
    whole = content(PATH)
    for n in range(len(whole)):
        store(PATH, whole[:n])
        equal((n, sample(restarted(), ("eth0", 1500, 11, 2000, 20))), (n, None))
    clean()


def test_what_is_not_a_baseline():
    stopped(("eth0", 1000, 10, 2000, 20))
    for lines in (
        b"eth0 1 2 3", b"eth0 1 2 3 4 5 6 7 8 9", b"eth0 a 2 3 4 5 6 7 8", b" 1 2 3 4 5 6 7 8",
        b"eth0 -1 2 3 4 5 6 7 8",
        b"eth0 1 2 3 4 5 6 7 1073741824", b"\xff", b"",
    ):  # fmt: skip
        store(PATH, b"one\n" + lines + b"\nend\n")
        equal((lines, sample(restarted(), ("eth0", 1500, 11, 2000, 20))), (lines, None))
    clean()


def test_a_whole_file_is_read_in_little_memory():
    """8 KB at once were more than the unix port's heap of 128 KB had left at the second start."""
    stopped(*[("interface-%02d" % i, 1000, 10, 2000, 20) for i in range(60)])
    b = baseline()
    sizes = []
    b.load(Read(sizes))
    equal(len(sizes), 60)
    module.open = lambda path, mode: Watched(path, mode, sizes)
    try:
        del sizes[:]
        b.load(Read([]))
    finally:
        del module.open
    assert 0 < max(sizes) <= 128, max(sizes)
    clean()


class Read:
    def __init__(self, into):
        self.restore = lambda name, values: into.append(len(name))


class Watched:
    """A file that notes how much is asked of it at once."""

    def __init__(self, path, mode, sizes):
        self._f = open(path, mode)
        self._sizes = sizes
        self.seek = self._f.seek

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._f.close()

    def read(self, n=1 << 20):
        self._sizes.append(n)
        return self._f.read(n)

    def readline(self, n=1 << 20):
        self._sizes.append(n)
        return self._f.readline(n)


def test_a_file_that_cannot_be_written():
    clean()
    boot()
    b = Baseline("no-such-folder/baseline", BOOT)
    b.save(Counters())
    assert "no-such-folder/baseline" in b.problem
    clean()
