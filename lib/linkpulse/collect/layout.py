# SPDX-License-Identifier: MIT
"""The layout of the arrays and records that the loops share, and their return codes.

mpy-cross folds a `const` only inside its own module, so each user repeats the lines that it needs. That costs nothing,
and tests/host/lib/test_layout.py compares them with these. For the same reason, this module is empty when it is
compiled.
"""

from ..port import const

# The scanners' state, array("i"): their position, what they look for, what they found.
_POS = const(0)  # in the buffer
_DIGITS = const(1)  # of an address in hex: 8 or 32
_LISTEN = const(2)  # the socket state that listens: 10 TCP, 7 UDP
_CONNECTED = const(3)  # the socket state that is a connection: 1, or 256 for none
_ORDER = const(4)  # byte order: 3 little-endian, 0 big-endian
_LOOPBACK = const(5)  # whether loopback is reported
_KNOWN = const(6)  # entries in the address table
_SKIPPED = const(7)  # rows that could not be read
_PORT = const(8)  # LISTENING: the port; UNKNOWN: _OPEN or _OPEN_LEFT_OUT if the device tells, or 0
_SLOT = const(9)  # LISTENING: the slot of its interface; UNKNOWN: the family of its address
_HINT = const(10)  # the entry of the address table that matched last
_LENGTH = const(11)  # bytes of each netlink message, 0 while that is not known
_COUNTED = const(12)  # sockets in netlink messages so far
_ANSWER = const(13)  # to an UNKNOWN whose device tells: the slot of this one socket's interface, and 1; or 0
_BOUND = const(14)  # not 0 if this socket is bound to a device
_STATE = const(15)  # size of the array

# What the scanners return.
_DONE = const(0)  # all was read
_LISTENING = const(1)  # a listening socket, in _PORT and _SLOT
_UNKNOWN = const(2)  # a local address, in `raw`: not in the address table, open there, or of a bound IPv4 socket
_OVER = const(3)  # the netlink dump is over
_BROKEN = const(4)  # the netlink dump is wrong

# A socket in `raw`, in the order of the wire.
_LOCAL = const(0)
_LOCAL_PORT = const(16)
_REMOTE = const(18)
_REMOTE_PORT = const(34)
_RAW = const(36)  # size

# A connection's record. Ports are big-endian.
_RECORD_SLOT = const(0)
_RECORD_FAMILY = const(1)  # 4 or 6
_RECORD_PORT = const(2)  # local, 0 where the platform does not know it
_RECORD_REMOTE_PORT = const(4)
_RECORD_REMOTE = const(6)
_RECORD = const(22)  # size

# SocketTable.state, array("i").
_TOTAL = const(0)  # connections so far
_CAPACITY = const(1)  # records that there is room for
_RANDOM_A = const(2)  # the two generators of the reservoir
_RANDOM_B = const(3)

# An entry of the address table.
_ENTRY_SLOT = const(0)
_ENTRY_FAMILY = const(1)
_ENTRY_ADDRESS = const(2)
_ENTRY = const(18)  # size

# Slots that are no interface.
_OPEN = const(252)  # several have this address, so it is the socket's own device that tells
_OPEN_LEFT_OUT = const(253)  # the same; without a device it is left out, as one of them is not wanted
_LEFT_OUT = const(254)  # one that the owner does not want reported
_NO_INTERFACE = const(255)  # none, or not known

# The state of report rows, array("i").
_NEXT = const(0)  # record
_RECORDS = const(1)  # after which the first is next again
_LEFT = const(2)  # rows to write
