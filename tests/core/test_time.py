"""Back-off, the clock that may be wrong, and when reports are due."""

from check import equal, raises
from linkpulse.agent import schedule
import linkpulse.port.clock as clock
from linkpulse.port import wall_clock
from linkpulse.agent.reports import Reports
from linkpulse.agent.schedule import Backoff, spread
from linkpulse.agent.status import Status
from linkpulse.errors import ClockError
from linkpulse.settings import Settings


class Time:
    """In place of `time`: ticks wrap as on a board."""

    WRAP = 1 << 30

    def __init__(self, ticks=0, seconds=0):
        self.ticks = ticks
        self.seconds = seconds

    def time(self):
        return self.seconds

    def ticks_ms(self):
        return self.ticks % self.WRAP

    def ticks_add(self, ticks, ms):
        return (ticks + ms) % self.WRAP

    def ticks_diff(self, a, b):
        return (a - b + self.WRAP // 2) % self.WRAP - self.WRAP // 2


class Largest:
    """In place of `random`: every number at its highest, modulo what it is asked for."""

    def __init__(self, bound):
        self.bound = bound

    def getrandbits(self, bits):
        return self.bound - 1


def test_back_off_stays_within_its_bounds():
    for _ in range(20):
        b = Backoff(2000, 60000, 1000)
        bound = 2000
        for _ in range(10):
            wait = b.next()
            assert 1000 <= wait < 1000 + bound, (wait, bound)
            bound = min(60000, 2 * bound)


def test_back_off_doubles_to_its_cap():
    kept = schedule.random
    try:
        b = Backoff(2000, 10000, 500)
        for bound in (2000, 4000, 8000, 10000, 10000):
            schedule.random = Largest(bound)
            equal(b.next(), 500 + bound - 1)
        b.reset()
        schedule.random = Largest(2000)
        equal(b.next(), 500 + 1999)
    finally:
        schedule.random = kept


def test_jitter_is_spread_over_all_of_it():
    seen = [0] * 10
    for _ in range(2000):
        seen[spread(1000) // 100] += 1
    assert min(seen) > 100 and max(seen) < 320, seen  # 200 each; six and nine standard deviations
    equal(spread(1), 0)


def epoch(seconds):
    kept = clock.wall_clock
    clock.wall_clock = lambda: int(seconds)
    try:
        return clock.epoch()
    finally:
        clock.wall_clock = kept


def test_a_clock_that_can_be_right():
    for now in (clock.BUILD, clock.BUILD + 1, 1800000000):
        equal(epoch(now), now)
    equal(epoch(1800000000.75), 1800000000)


def test_the_epoch_of_this_platform():
    import time

    equal(abs(wall_clock() - int(time.time()) - {1970: 0, 2000: 946684800}[time.gmtime(0)[0]]) < 2, True)


def test_a_clock_that_was_never_set():
    for now in (0, 946684800, 1420070400, 1609459200, clock.BUILD - 1):  # 1970, 2000, 2015, 2021
        equal(epoch(now), None)


def test_a_clock_that_lies():
    for now in (clock._LATEST, 4102444800, 1 << 40):
        equal(epoch(now), None)


def answer(now, nonce=b"12345678", mode=4, stratum=2):
    a = bytearray(48)
    a[0] = 0x20 | mode
    a[1] = stratum
    a[24:32] = nonce
    seconds = (now + 2208988800) & 0xFFFFFFFF
    for i in range(4):
        a[40 + i] = seconds >> 24 - 8 * i & 255
    return a


def test_a_time_servers_answer():
    for now in (clock.BUILD, 1800000000, 2085978496 + 5, clock._LATEST - 1):  # the third after NTP's own wrap in 2036
        equal(clock.checked(answer(now), b"12345678", "s"), now)


def test_answers_of_a_time_server_that_are_refused():
    now = 1800000000
    for bad in (
        b"", bytes(48), answer(now)[:47], answer(now, b"12345679"), answer(now, mode=3), answer(now, stratum=0),
        answer(now, stratum=16), answer(clock.BUILD - 1), answer(clock._LATEST), answer(0),
    ):  # fmt: skip
        assert "time.example" in str(raises(ClockError, clock.checked, bad, b"12345678", "time.example"))


class Timed:
    """Runs work(time) with ticks of its own in agent.schedule, once well before their wrap and once across it."""

    def __init__(self, work):
        kept = schedule.time
        try:
            for start in (1000, Time.WRAP - 5000):
                schedule.time = Time(start)
                work(schedule.time)
        finally:
            schedule.time = kept


def test_until_and_after():
    def work(time):
        due = schedule.after(10000)
        equal(schedule.until(due), 10000)
        time.ticks += 9999
        equal(schedule.until(due), 1)
        time.ticks += 2
        equal(schedule.until(due), -1)

    Timed(work)


class Collector:
    width = 64
    counts_from_start = False


def test_the_first_report_is_somewhere_in_the_interval():
    """A fleet that gets its power back at once must not report at once."""
    values = {name: "t" for name in ("thing", "host", "ca", "cert", "key")}
    settings = Settings(dict(values, state="", connections=0))
    status = Status(None, ())

    def work(time):
        dues = [Reports(settings, Collector(), status).due() for _ in range(200)]
        assert 0 <= min(dues) < 30000 and 270000 < max(dues) < 300000, (min(dues), max(dues))

    Timed(work)


def test_a_time_that_is_long_past_does_not_become_far_away():
    def work(time):
        r = schedule.Retry(1)
        time.ticks += Time.WRAP // 2 - 1000
        assert r.left() <= 0
        time.ticks += 2000
        assert r.left() <= 0

    Timed(work)


def test_a_lasting_failure_waits_a_quarter_of_an_hour():
    def work(time):
        s = schedule.Retry(300000)
        wait = s.failed(False, True)
        assert 900000 <= wait < 1800000, wait
        assert s.left() >= wait
        assert schedule.Retry(300000).failed(False, False) < 3000

    Timed(work)


def grown(s):
    """Whether the next wait may be longer than a first one: full jitter is over it half of the time."""
    return any([s.failed(False, False) >= 3000 for _ in range(40)])


def test_back_off_starts_over_when_the_connection_has_lived():
    def work(time):
        s = schedule.Retry(300000)
        assert grown(s)
        s.connected()
        time.ticks += 59000
        s.check()
        assert s._backoff._bound > 2000
        time.ticks += 1001
        s.check()
        assert s.failed(True, False) < 3000
        assert not s.kicked()
        assert grown(s)
        s.good()
        assert s.failed(False, False) < 3000

    Timed(work)


def test_connections_that_are_lost_again_and_again():
    def work(time):
        s = schedule.Retry(300000)
        for n in range(3):
            assert not s.kicked(), n
            s.connected()
            s.failed(True, False)
        s.good()
        assert s.kicked()  # an accepted report between two kicks does not end them
        s.connected()
        time.ticks = time.ticks_add(time.ticks, 300001)
        s.failed(True, False)  # it lived for an interval
        assert not s.kicked()
        for _ in range(5):
            s.connected()
            s.failed(False, False)  # not lost
            s.failed(True, False)  # not connected
        assert not s.kicked()

    Timed(work)
