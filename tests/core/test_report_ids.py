"""Report ids that strictly increase, whatever becomes of the clock and of the file."""

from check import equal, raises
from state_file import content, forget, store
from linkpulse.report import report_ids
from linkpulse.report.report_ids import Ids

PATH = "ids-test.state"
NOW = 1800000000


class Clock:
    """In place of the wall clock: `now` may be None."""

    def __init__(self, now):
        self.now = now

    def epoch(self):
        return self.now


def ids(now=NOW, path=PATH):
    global clock
    clock = Clock(now)
    report_ids.epoch = clock.epoch
    return Ids(path)


def clean():
    forget(PATH)


def test_the_first_id_is_the_time():
    clean()
    i = ids()
    equal([i.next() for _ in range(3)], [NOW, NOW + 1, NOW + 2])
    equal(i.problem, None)


def test_ids_increase_by_one_through_every_reserve():
    clean()
    i = ids()
    last = i.next()
    for _ in range(1000):
        found = i.next()
        assert found > last
        last = found
    equal(last, NOW + 1000)


def test_a_reserve_that_found_no_memory_to_be_written_is_written_at_the_next_id():
    clean()
    i = ids()

    def full(path, mode):
        raise MemoryError

    report_ids.open = full
    try:
        raises(MemoryError, i.next)
    finally:
        del report_ids.open
    equal(i.next(), NOW)
    equal(ids(None).next(), NOW + 256)


def test_the_file_is_written_once_in_256_reports():
    clean()
    writes = []

    def counting(path, mode):
        if "w" in mode:
            writes.append(path)
        return open(path, mode)

    report_ids.open = counting
    try:
        i = ids()
        for n in range(1, 1025):
            i.next()
            equal(len(writes), (n + 255) // 256)
    finally:
        del report_ids.open
    equal(writes[0], PATH + ".new")


def test_the_reserve_is_written_before_it_is_used():
    clean()
    i = ids()
    for _ in range(300):
        used = i.next()
        assert int(content(PATH).split()[0]) >= used


def test_ids_increase_across_restarts():
    clean()
    last = 0
    for start in range(20):
        i = ids(NOW + start * 3)  # far less time than the ids that were used
        for _ in range(start * 40):
            found = i.next()
            assert found > last, (start, found, last)
            last = found


def test_ids_increase_when_the_clock_goes_back_or_is_not_set():
    clean()
    last = 0
    for now in (NOW, NOW - 10**8, None, NOW + 5, None, NOW - 1):
        i = ids(now)
        for _ in range(3):
            found = i.next()
            assert found > last
            last = found


def test_a_clock_that_jumps_while_it_runs():
    clean()
    i = ids()
    last = 0
    for n in range(2000):
        clock.now = (NOW, NOW + 10**7, None, 5, NOW - 10**7)[n % 5]
        found = i.next()
        assert found > last
        last = found
    assert ids(None).next() > last


def test_an_id_is_above_zero_without_clock_and_file():
    for path in (None, "", "no-such-folder/state"):
        equal(ids(None, path).next(), 1)


def test_without_a_file_ids_rest_on_the_clock():
    i = ids(NOW, None)
    equal([i.next() for _ in range(300)], [NOW + n for n in range(300)])
    equal(i.problem, None)


def test_every_truncation_of_the_file():
    clean()
    ids().next()
    whole = content(PATH)
    for n in range(len(whole)):
        store(PATH, whole[:n])
        i = ids(NOW + 1000)
        if n < len(whole) - 1:  # without its newline it is whole all the same
            assert PATH in i.problem, n
            equal(i.next(), NOW + 1000)
            equal(i.problem, None)  # written anew
            assert ids(NOW).next() > NOW + 1000
        else:
            equal((i.problem, i.next()), (None, NOW + 1000))


def test_every_flipped_bit_of_the_file():
    clean()
    ids().next()
    whole = content(PATH)
    for n in range(8 * (len(whole) - 1)):
        broken = bytearray(whole)
        broken[n >> 3] ^= 1 << (n & 7)
        store(PATH, broken)
        i = ids(NOW + 1000)
        assert i.next() == NOW + 1000, broken


def test_files_that_are_something_else():
    for data in (b"", b"\n", b" ", b"hello", b"\xff" * 100, b"1800000000", b"1800000000 00000000\n", b" 00000000\n"):
        store(PATH, data)
        i = ids()
        assert i.problem, data
        equal(i.next(), NOW)
    clean()


def test_a_torn_write_leaves_the_file_before_it():
    clean()
    i = ids()
    last = i.next()
    with open(PATH + ".new", "wb") as f:
        f.write(b"180")
    i = ids(NOW - 5)
    assert i.next() > last


class Broken:
    """In place of os: its rename fails."""

    def rename(self, old, new):
        raise OSError(28, "")


def test_a_file_that_cannot_be_written():
    i = ids(NOW, "no-such-folder/state")
    equal([i.next(), i.next()], [NOW, NOW + 1])
    assert "no-such-folder/state" in i.problem
    clean()
    kept = report_ids.os
    report_ids.os = Broken()
    try:
        i = ids()
        equal(i.next(), NOW)
        assert "28" in i.problem
    finally:
        report_ids.os = kept
    for _ in range(256):
        i.next()
    equal(i.problem, None)  # it works again
    clean()
