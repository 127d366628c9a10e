"""What the counted socket sees on lwIP; `peers`, {name: port}, is set before it. One line of JSON."""

import errno
import gc
import json
import select
import tls
from linkpulse.collect import counted

ledger = counted.install(6)
import socket

told = {}


def dial(name):
    s = socket.socket()
    s.connect(("10.0.2.2", peers[name]))
    return s


def raised(call, *args):
    try:
        call(*args)
    except OSError as e:
        return abs(e.errno)


def kinds():
    return [ledger.kind(i) for i in range(6) if ledger.kind(i)]


def totals():
    t = ledger.totals()
    return [t[i] | t[i + 1] << 24 for i in range(0, 8, 2)]


s = dial("echo")
s.sendall(b"x" * 3000)
n = 0
while n < 3000:
    n += len(s.recv(3000))
told["plain"] = totals()
poller = select.poll()
poller.register(s, select.POLLIN | select.POLLOUT)
told["poll"] = [flags for _, flags in poller.poll(1000)]
s.settimeout(0.05)
told["timeout"] = raised(s.recv, 1) == errno.ETIMEDOUT
s.close()
told["ended"] = kinds()

s = socket.socket()
s.setblocking(False)
told["pending"] = raised(s.connect, ("10.0.2.2", peers["lines"])) == errno.EINPROGRESS
told["not yet"] = len(kinds())
poller = select.poll()
poller.register(s, select.POLLOUT)
told["writable"] = len(poller.poll(5000))
poller.modify(s, select.POLLIN)
told["readable"] = len(poller.poll(5000))
told["line"] = s.readline().decode()
told["made"] = kinds()
s.close()

told["refused"] = raised(dial, "refused") in (errno.ECONNREFUSED, errno.ECONNRESET)
s = dial("reset")
s.write(b"x")
told["reset"] = raised(s.recv, 1) == errno.ECONNRESET
s.close()

u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("", 5000))
listener = socket.socket()
listener.bind(("", 8080))
listener.listen(1)
told["open"] = kinds()
told["ports"] = [ledger.local(i) for i in range(6) if ledger.kind(i) in (1, 2)]
u.close()
listener.close()

context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_NONE


def secured(name):
    s = dial(name)
    try:
        t = context.wrap_socket(s)
        t.write(b"hello")
        told["tls"] = t.read(5).decode()
        t.close()
    except OSError as e:
        s.close()
        return abs(e.errno)


before = totals()
secured("tls")
told["tls bytes"] = [b - a for a, b in zip(before, totals())]
errors = set()
for _ in range(5):
    errors.add(secured("reset"))
gc.collect()
heap = gc.mem_alloc()
for _ in range(20):
    errors.add(secured("reset"))
gc.collect()
told["grown"] = gc.mem_alloc() - heap
told["tls reset"] = list(errors) == [errno.ECONNRESET]
print(json.dumps(told))
