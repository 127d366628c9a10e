# SPDX-License-Identifier: MIT
"""Decides which interfaces are reported, and what loopback is."""


class InterfaceFilter:
    """Chooses interfaces by name.

    `include` and `exclude` are sequences of names; a `*` at the end of a name matches any rest. Loopback is chosen only
    if `loopback` is true.
    """

    def __init__(self, loopback=False, include=(), exclude=()):
        self._include = [name.encode() for name in include]
        self._exclude = [name.encode() for name in exclude]
        self.chosen = bool(self._include or self._exclude)  # the owner does not want every interface
        self.loopback = loopback or "lo" in include or "lo0" in include

    def name(self, buf, start, end):
        """Whether to report the interface with the name buf[start:end]. Loopback is `lo`, and `lo0` in lwIP."""
        n = end - start
        if 2 <= n <= 3 and buf[start] == 108 and buf[start + 1] == 111 and (n == 2 or buf[start + 2] == 48):
            return self.loopback and not _listed(self._exclude, buf, start, end)
        if self._include:
            return _listed(self._include, buf, start, end)
        return not _listed(self._exclude, buf, start, end)


def _listed(names, buf, start, end):
    for name in names:
        n = len(name)
        if name[n - 1] == 42:
            n -= 1
            if end - start < n:
                continue
        elif end - start != n:
            continue
        i = 0
        while i < n and name[i] == buf[start + i]:
            i += 1
        if i == n:
            return True
    return False


def is_loopback(buf, at, family):
    """Whether the address at buf[at:] is in 127.0.0.0/8 or is ::1."""
    if family == 4:
        return buf[at] == 127
    for i in range(15):
        if buf[at + i]:
            return False
    return buf[at + 15] == 1
