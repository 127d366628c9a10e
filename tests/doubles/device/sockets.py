"""What stands in for the module `socket` under a device's link: slow sockets, and names that fail or change."""

import errno
import io
import select
import socket
import time


class Slow(io.IOBase):
    """A socket below TLS that takes one byte a write and gives one byte a read."""

    def __init__(self, *args):
        self._s = socket.socket(*args)
        self._poll = select.poll()
        self.settimeout = self._s.settimeout
        self.setblocking = self._s.setblocking
        self.connect = self._s.connect
        self.writes = self.reads = 0

    def write(self, buf, *_):
        self.writes += 1
        return self._s.write(memoryview(buf)[:1])

    def readinto(self, buf, *_):
        self.reads += 1
        return self._s.readinto(memoryview(buf)[:1])

    def close(self):
        self._s.close()

    def ioctl(self, op, arg):
        if op != 3:  # MP_STREAM_POLL
            return -errno.EINVAL
        self._poll.register(self._s, arg)
        found = self._poll.poll(0)
        return found[0][1] if found else 0


class Names:
    """`answers` of one getaddrinfo() after another, the last one again and again: a list of ports of 127.0.0.1 or an
    exception, after `delay` ms. `asked` counts."""

    SOCK_STREAM = socket.SOCK_STREAM

    def __init__(self, *answers, delay=0, make=socket.socket):
        self._answers = list(answers)
        self._delay = delay
        self.socket = make
        self.asked = 0

    def getaddrinfo(self, host, port, *more):
        self.asked += 1
        time.sleep_ms(self._delay)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [socket.getaddrinfo("127.0.0.1", p, 0, socket.SOCK_STREAM)[0] for p in answer]


def nameless(ca, cert, key):
    """trust.context() of a device that has no certificate."""
    import tls

    c = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    c.verify_mode = tls.CERT_REQUIRED
    with open(ca, "rb") as f:
        c.load_verify_locations(f.read())
    return c
