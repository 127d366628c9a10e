# SPDX-License-Identifier: MIT
"""A sorted table of listening ports, of bounded size."""

from array import array


class PortTable:
    """Listening ports, sorted, with each (port, interface) once. If they do not fit, it keeps the lowest and the true
    total.

    The table grows with the ports that it takes, and keeps its memory.
    """

    def __init__(self, capacity=128):
        self._capacity = capacity
        self.keys = array("i")
        self._second = None
        self.begin()

    def begin(self, floor=-1):
        """Empties the table. From now on it takes only keys above `floor`."""
        self.kept = 0
        self.more = False  # whether there were keys above the last one that was kept
        self._floor = floor

    def add(self, port, slot):
        key = port << 8 | slot
        if key <= self._floor:
            return
        keys = self.keys
        low = 0
        high = self.kept
        while low < high:
            middle = (low + high) >> 1
            if keys[middle] < key:
                low = middle + 1
            else:
                high = middle
        if low < self.kept and keys[low] == key:
            return
        if self.kept == self._capacity:
            self.more = True
            if low == self.kept:
                return
        else:
            if self.kept == len(keys):
                keys.append(0)
            self.kept += 1
        i = self.kept - 1
        while i > low:
            keys[i] = keys[i - 1]
            i -= 1
        keys[low] = key

    def rest(self, first):
        """The table for a pass that counts the ports above this table's, or None if there are none.

        It is the second table of `first`, which has the same size and is made when it is needed.
        """
        if not self.more:
            return None
        floor = self.keys[self.kept - 1]
        if first._second is None:
            first._second = PortTable(self._capacity)
        first._second.begin(floor)
        return first._second

    def port(self, i):
        return self.keys[i] >> 8

    def slot(self, i):
        return self.keys[i] & 255
