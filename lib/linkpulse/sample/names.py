# SPDX-License-Identifier: MIT
"""Numbers the names of interfaces."""

from ..port import const

NO_INTERFACE = const(255)  # a slot that means: the interface is not known, or the address is a wildcard

NAMES = const(250)  # the most names, so that a slot fits a byte
_SIZE = const(16)  # IFNAMSIZ of linux/if.h, with the zero at the end
_SEEN = const(1)
_SEEN_BEFORE = const(2)


class Names:
    """Gives each interface name a small number, its slot.

    A slot is used again only after a whole sample without its name.
    """

    def __init__(self):
        self._names = []
        self.marks = bytearray()  # of each slot: whether its name was in the sample, and in the one before
        self.fresh = False  # whether the last `find` met a name that was not in the sample before

    def begin(self):
        for slot in range(len(self._names)):
            self.marks[slot] = (self.marks[slot] & _SEEN) << 1

    def again(self):
        """Drops the sample that was begun. The next one follows the one before it."""
        for slot in range(len(self._names)):
            if self.marks[slot]:
                self.marks[slot] = _SEEN

    def name(self, slot):
        """The name of a slot as bytes, or None for NO_INTERFACE."""
        return None if slot == NO_INTERFACE else self._names[slot]

    def known(self):
        """The number of slots in use."""
        return len(self._names)

    def vanished(self, slot):
        """Whether the name was in the sample before, but is not in this one."""
        return self.marks[slot] == _SEEN_BEFORE

    def seen(self, slot):
        return self.marks[slot] & _SEEN

    def keep(self, slot):
        """The name of this slot is in the sample, too. It must have been in the one before."""
        self.marks[slot] |= _SEEN

    def find(self, buf, start, end):
        """The slot of the name buf[start:end]. A new name gets a new slot.

        NO_INTERFACE if all slots are taken, or if it cannot be a name because it is empty, too long or not UTF-8.
        """
        n = end - start
        if not 0 < n < _SIZE:
            return NO_INTERFACE
        for slot in range(len(self._names)):
            name = self._names[slot]
            if len(name) == n and buf.find(name, start, end) == start:
                self.fresh = not self.marks[slot]
                self.marks[slot] |= _SEEN
                return slot
        self.fresh = True
        return self._new(bytes(buf[start:end]))

    def _new(self, name):
        try:
            str(name, "utf-8")
        except ValueError:  # UnicodeError is a ValueError
            return NO_INTERFACE
        slot = len(self._names)
        if slot < NAMES:
            if len(self.marks) == slot:
                self.marks.append(0)
            self._names.append(name)
        else:
            slot = 0
            while self.marks[slot]:
                slot += 1
                if slot == NAMES:
                    return NO_INTERFACE
            self._names[slot] = name
        self.marks[slot] = _SEEN
        return slot
