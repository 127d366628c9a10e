# SPDX-License-Identifier: MIT
"""One TLS connection with a deadline: no operation waits longer than `arm()` allows.

Every operation succeeds, or raises NetworkError (no name, no route, reset, end of stream), TLSError or AuthError (in
the handshake), or TimedOut.
"""

import errno
from ..errors import AuthError, NetworkError, TimedOut
from ..port import POLLS_DESCRIPTORS, const, select, socket, time
from .trust import REFUSED, explain

_TOO_OFTEN = const(10)  # they take about eight minutes with the agent's back-off
_EPIPE = const(32)
_ALERT = const(21)  # a TLS record with an alert (RFC 5246, 6.2.1): seven bytes
PIECE = const(250)  # the most ms of waiting between two beats
_BROKEN = select.POLLERR | select.POLLHUP


class TLSStream:
    """A TLS connection. `beat()`, if given, is called several times a second while it waits.

    `secured` says whether the last handshake succeeded, also after the connection has ended.
    """

    def __init__(self, server_name, beat=None):
        self.context = None  # an SSLContext; set it before each connect()
        self._server_name = server_name
        self._beat = beat
        self._poll = select.poll()
        # Where the platform would look at TLS every millisecond, wait for the socket itself.
        self._idle = select.poll() if POLLS_DESCRIPTORS else None
        self._unread = False  # whether TLS may have data that it has read already
        self._raw = self._tls = None
        self.secured = self._answered = False
        self._broken = 0  # handshakes in a row that the broker ended without an alert, after it had answered
        self.arm(0)

    def arm(self, timeout):
        """Gives all operations until the next call of arm() `timeout` ms together."""
        self._deadline = time.ticks_add(time.ticks_ms(), timeout)

    def left(self):
        return time.ticks_diff(self._deadline, time.ticks_ms())

    def connected(self):
        return self._tls is not None

    def peer_certificate(self):
        """The broker's certificate as DER, or None if there is no connection or the platform does not show it."""
        try:
            return self._tls.getpeercert(True)
        except AttributeError:
            return None

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
                self._connect(info, self.left() // (len(found) - i))
                self.context = None  # free what was parsed, together with the connection
                return
            except OSError as e:
                wrapping = self._wrapping
                self.close()
                if abs(e.args[0]) == errno.ENOMEM:
                    if wrapping:  # TLS may use the Python heap
                        raise MemoryError
                    raise NetworkError("no free TCP connection: close some, or build lwIP with more")
                error = NetworkError("%s port %d does not answer (error %s)" % (host, port, e.args[0]))
        self._broken = 0
        raise error

    def _connect(self, info, timeout):
        self.secured = self._answered = self._wrapping = False
        self._raw = socket.socket(info[0], info[1])
        self._raw.setblocking(False)
        try:
            self._raw.connect(info[-1])
        except OSError as e:
            if abs(e.args[0]) != errno.EINPROGRESS:
                raise
            self._established(timeout)
        # The first write does the handshake, because there it has our deadline.
        self._wrapping = True
        self._tls = self.context.wrap_socket(
            self._raw, server_hostname=self._server_name, do_handshake_on_connect=False
        )
        self._poll.register(self._tls, select.POLLIN)
        if self._idle is not None:
            self._idle.register(self._raw, select.POLLIN)

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
            if self._idle is not None:
                self._idle.unregister(raw)
            _close(tls)
        if raw is not None:
            _close(raw)

    def ready(self, timeout):
        """Waits at most `timeout` ms. Returns whether there is something to read."""
        if self._tls is None:
            raise NetworkError("not connected")
        if self._idle is not None and not self._unread:
            return bool(self._idle.poll(timeout))
        self._poll.modify(self._tls, select.POLLIN)
        self._unread = bool(self._poll.poll(0 if self._idle is not None else timeout))
        return self._unread or self._idle is not None and bool(self._idle.poll(timeout))

    def send(self, view):
        """Sends all of `view`. The first call does the handshake before that."""
        at = 0
        while at < len(view):
            n = self._try(True, view[at:])
            if n:
                at += n
                self.secured = True
                self._broken = 0
            else:
                self._wait(select.POLLOUT)

    def receive(self, view, wait):
        """Fills all of `view`. Returns False if no byte is there and `wait` is false."""
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
                self._unread = True
        return True

    def _try(self, write, view):
        if self._tls is None:
            raise NetworkError("not connected")
        if self.left() <= 0:
            doing = "answer" if not write else "take a packet" if self.secured else "end the TLS handshake"
            raise TimedOut("the broker did not %s in time" % doing)
        if self._beat is not None:
            self._beat()  # a flood of messages is read without waiting
        try:
            return self._tls.write(view) if write else self._tls.readinto(view)
        except (OSError, ValueError) as e:
            if self.secured:
                raise explain(e)
            raise self._handshake_failed(e)

    def _handshake_failed(self, e):
        # A broker that refuses this device's certificate says so in an alert. The alert is still on the socket if the
        # write of the certificate has failed. A broker that restarts or hands over its load sends no alert.
        alert = 0
        if isinstance(e, OSError):
            # The device finds the connection closed only after the broker has answered its first message.
            self._answered |= abs(e.args[0]) == _EPIPE
            try:
                record = self._raw.read(7)
                if record and len(record) == 7 and record[0] == _ALERT:
                    alert = record[6]
            except OSError:
                pass
        error = explain(e, alert)
        if not isinstance(error, NetworkError):
            self._broken = 0
        elif self._answered:
            self._broken += 1
            return (AuthError if self._broken >= _TOO_OFTEN else NetworkError)(REFUSED)
        return error

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
