"""Times a socket's calls without and with counting: `micropython counting.py PORT`, of a peer that only reads."""

import gc
import sys
import time
from linkpulse.collect import counted
from linkpulse.collect.counted import socket_proxy
import socket as plain

counted.install()
ADDRESS = plain.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1]
TIMES = 2000


def timed(call, *args):
    gc.collect()
    start = time.ticks_us()
    for _ in range(TIMES):
        call(*args)
    return time.ticks_diff(time.ticks_us(), start) / TIMES


def best(kind, of):
    s = kind()
    s.connect(ADDRESS)
    result = min([of(s) for _ in range(5)])
    s.close()
    return result


def size(kind):
    s = kind()
    s.connect(ADDRESS)
    gc.collect()
    before = gc.mem_alloc()
    more = [kind() for _ in range(10)]
    for s in more:
        s.connect(ADDRESS)
    gc.collect()
    result = (gc.mem_alloc() - before) // 10
    for s in more:
        s.close()
    return result


for name, of in (
    ("send of 64 bytes", lambda s: timed(s.send, b"x" * 64)),
    ("send of 1,400 bytes", lambda s: timed(s.send, b"x" * 1400)),
):
    print("%s|%.2f|%.2f" % (name, best(plain.socket, of), best(socket_proxy.SocketProxy, of)))
print("heap of a connected socket|%d|%d" % (size(plain.socket), size(socket_proxy.SocketProxy)))
