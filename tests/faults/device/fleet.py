"""A fleet in virtual time, with the device's own Backoff and spread: on CPython and, as a script, under MicroPython.

Arguments as a script: how many devices, and how many seconds the outage lasts. Prints the tries in each second as JSON.
"""

from linkpulse.agent.schedule import Backoff, spread


def outage(devices, seconds):
    """All devices lose the broker at 0 and find it again at the first try after `seconds`: the tries in each second."""
    counts = [0] * (seconds + 602)
    end = seconds * 1000
    for _ in range(devices):
        backoff = Backoff()
        now = 0
        while now < end:
            now += backoff.next()
            counts[now // 1000] += 1
    return counts


def power(devices, interval):
    """All devices start at 0: the first reports in each second of the interval."""
    counts = [0] * interval
    for _ in range(devices):
        counts[spread(interval * 1000) // 1000] += 1
    return counts


def worst(counts, begin, end):
    """The most that a second between `begin` and `end` had, as a multiple of the mean of its minute."""
    found = 0
    for start in range(begin, end, 60):
        minute = counts[start : min(end, start + 60)]
        found = max(found, max(minute) * len(minute) / max(1, sum(minute)))
    return found


if __name__ == "__main__":
    import json
    import random
    import sys

    random.seed(1)  # a thousand are so few in a second that chance alone comes near the bound
    print(json.dumps(outage(int(sys.argv[1]), int(sys.argv[2]))))
