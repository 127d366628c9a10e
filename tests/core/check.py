"""What the core tests share, on CPython and on MicroPython."""

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython's heap cannot be locked: there the test only shows that the work is done

    def heap_lock():
        pass

    def heap_unlock():
        pass


import json


def _notices(text):
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


# MicroPython up to 1.25 takes what is cut off for what it has of it, so `{` is an empty map there.
CUT_JSON_IS_NOTICED = _notices("{")
DOUBLES = 1.0 + 2.0**-40 != 1.0  # boards compute with floats of 32 bits


def raises(kind, call, *args):
    """The exception of exactly that kind, or of one that descends from it, which the call must raise."""
    try:
        result = call(*args)
    except kind as e:
        return e
    raise AssertionError("no %s, but %r" % (kind.__name__, result))


def refused(writer, everything, kind):
    """Yields (bytes needed, room, the error of `kind`) without a buffer, and for each buffer that is too small."""
    needed = None
    for room in range(-1, 1000):
        w = writer(None if room < 0 else bytearray(room))
        everything(w)
        if needed is not None:
            equal(w.size, needed)
        needed = w.size
        if room == needed:
            equal(len(w.result()), needed)
            return
        yield needed, max(room, 0), raises(kind, w.result)


def equal(found, expected):
    assert found == expected, "%r, expected %r" % (found, expected)


def without_heap(work):
    """Runs work(), in which nothing may allocate."""
    heap_lock()
    try:
        work()
    finally:
        heap_unlock()
