# mpy-cross: -X emit=viper
"""The loop over sock_diag(7)'s messages. One source for two compilers, see scan.py."""

from .classify import classify


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


# What `messages` returns besides classify's: the dump is over; it is not what it should be.
OVER, BROKEN = 3, 4


def messages(buf, end: int, st, raw, addresses, records, table) -> int:
    """Reads messages from buf[st[0]:end] and goes on where it stopped: struct nlmsghdr, then struct inet_diag_msg.

    DONE at the end of the range. `st` besides classify's: 0 position, 2 the state that listens, 3 the state that is
    a connection, 4 byte order, 11 bytes of each message (0: not known yet, take the first one's and stop), 12 sockets
    counted.
    """
    b = ptr8(buf)
    s = ptr32(st)
    r = ptr8(raw)
    little = int(s[4])
    pos = int(s[0])
    while pos < end:
        if pos + 16 > end:
            return 4
        if little:
            length = int(b[pos]) | int(b[pos + 1]) << 8
            kind = int(b[pos + 4])
        else:
            length = int(b[pos + 3]) | int(b[pos + 2]) << 8
            kind = int(b[pos + 5])
        if length < 16 or pos + length > end:
            return 4
        if kind == 3:  # NLMSG_DONE
            return 3
        if kind != 20 or length < 88:  # SOCK_DIAG_BY_FAMILY
            return 4
        if int(s[11]) == 0:
            s[11] = length
            return 4
        if length != int(s[11]):
            return 4
        state = int(b[pos + 17])
        listening = 1 if state == int(s[2]) else 0
        event = 0
        if listening or state == int(s[3]):
            i = 0
            while i < 16:
                r[i] = b[pos + 24 + i]
                r[18 + i] = b[pos + 40 + i]
                i += 1
            r[16] = b[pos + 20]
            r[17] = b[pos + 21]
            r[34] = b[pos + 22]
            r[35] = b[pos + 23]
            event = int(classify(raw, 4 if b[pos + 16] == 2 else 6, listening, st, addresses, records, table))
            if event == 2:
                s[0] = pos
                return 2
        s[12] = int(s[12]) + 1
        pos += length
        if event:
            s[0] = pos
            return event
    s[0] = pos
    return 0
