# SPDX-License-Identifier: MIT
"""One TLS connection with a deadline: no operation waits longer than `arm()` allows.

Every operation succeeds, or raises NetworkError (no name, no route, reset, end of stream), TLSError or AuthError (in
the handshake), or TimedOut.
"""

import errno
from ..errors import NetworkError, TimedOut
from ..port import const, select, socket, time
from .trust import explain

PIECE = const(250)  # the most ms of waiting between two beats
_BROKEN = select.POLLERR | select.POLLHUP


class TLSStream:
    """A TLS connection. `beat()`, if given, is called several times a second while it waits."""

    def __init__(self, context, server_name, beat=None):
        self._context = context
        self._server_name = server_name
        self._beat = beat
        self._poll = select.poll()
        self._raw = self._tls = None
        self._secured = self._answered = False
        self.arm(0)

    def arm(self, timeout):
        """All operations until the next call of arm() have `timeout` ms together."""
        self._deadline = time.ticks_add(time.ticks_ms(), timeout)

    def left(self):
        return time.ticks_diff(self._deadline, time.ticks_ms())

    def connected(self):
        return self._tls is not None

    def connect(self, host, port):
        """Resolves the name and tries every address."""
        try:
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except OSError as e:
            raise NetworkError("the name %s is not resolved (error %s)" % (host, e.args[0]))
        error = NetworkError("the name %s has no address" % host)
        for i, info in enumerate(found):
            try:
                # Each address gets its share of the time, so that one that never answers does not take it all.
                return self._connect(info, self.left() // (len(found) - i))
            except OSError as e:
                self.close()
                if abs(e.args[0]) == errno.ENOMEM:  # from TLS, if it uses the Python heap
                    raise MemoryError
                error = NetworkError("%s port %d does not answer (error %s)" % (host, port, e.args[0]))
        raise error

    def _connect(self, info, timeout):
        self._secured = self._answered = False
        self._raw = socket.socket(info[0], info[1])
        self._raw.setblocking(False)
        try:
            self._raw.connect(info[-1])
        except OSError as e:
            if abs(e.args[0]) != errno.EINPROGRESS:
                raise
            self._established(timeout)
        # The first write does the handshake, because there it has our deadline.
        self._tls = self._context.wrap_socket(
            self._raw, server_hostname=self._server_name, do_handshake_on_connect=False
        )
        self._poll.register(self._tls, select.POLLIN)

    def _established(self, timeout):
        # The platform's own timeout is not used, because `beat` would not be called then.
        end = time.ticks_add(time.ticks_ms(), timeout)
        self._poll.register(self._raw, select.POLLOUT)
        try:
            while True:
                left = time.ticks_diff(end, time.ticks_ms())
                for event in self._events(left):
                    if event[1] & _BROKEN:
                        self._raw.send(b"")  # this raises the reason
                        raise OSError(errno.ECONNREFUSED)
                    return
                if left <= 0:
                    raise OSError(errno.ETIMEDOUT)
        finally:
            self._poll.unregister(self._raw)

    def close(self):
        # Nothing here may allocate, because memory may have run out.
        tls = self._tls
        raw = self._raw
        self._tls = self._raw = None
        if tls is not None:
            self._poll.unregister(tls)
            _close(tls)
        if raw is not None:
            _close(raw)

    def ready(self, timeout):
        """Waits at most `timeout` ms. Returns whether there is something to read."""
        if self._tls is None:
            raise NetworkError("not connected")
        self._poll.modify(self._tls, select.POLLIN)
        return bool(self._poll.poll(timeout))

    def send(self, view):
        """Sends all of `buf`. The first call does the handshake before that."""
        at = 0
        while at < len(view):
            n = self._try(True, view[at:])
            if n:
                at += n
                self._secured = True
            else:
                self._wait(select.POLLOUT)

    def receive(self, view, wait):
        """Fills all of `buf`. Returns False if no byte is there and `wait` is false."""
        at = 0
        while at < len(view):
            n = self._try(False, view[at:])
            if n is None:
                if not at and not wait:
                    return False
                self._wait(select.POLLIN)
            elif n == 0:
                raise NetworkError("the broker closed the connection")
            else:
                at += n
        return True

    def _try(self, write, view):
        if self._tls is None:
            raise NetworkError("not connected")
        if self.left() <= 0:
            doing = "answer" if not write else "take a packet" if self._secured else "end the TLS handshake"
            raise TimedOut("the broker did not %s in time" % doing)
        try:
            return self._tls.write(view) if write else self._tls.readinto(view)
        except (OSError, ValueError) as e:
            raise explain(e, not self._secured, self._answered)

    def _wait(self, what):
        self._poll.modify(self._tls, what)
        for event in self._events(self.left()):
            self._answered |= not event[1] & _BROKEN

    def _events(self, timeout):
        if self._beat is not None:
            self._beat()
        return self._poll.poll(max(0, min(timeout, PIECE)))


def _close(socket):
    try:
        socket.close()
    except OSError:
        pass  # the connection is given up anyway
    except ValueError:
        pass
