"""A proc root in memory: the kernel's tables as its own format strings write them (net/ipv4/tcp_ipv4.c and others)."""

import errno
import sys
from io import BytesIO
from linkpulse.report import rows
from linkpulse.collect.linux import proc_lines
from linkpulse.collect.linux import Collector
from linkpulse.sample.sockets import RECORD, SocketTable

_COLUMNS = "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
TCP = "  sl  local_address rem_address   " + _COLUMNS
TCP6 = "  sl  local_address                         remote_address                        " + _COLUMNS
UDP = "   sl  local_address rem_address   " + _COLUMNS + " ref pointer drops"
DEV = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|"
    "bytes    packets errs drop fifo colls carrier compressed\n"
)
ROUTE = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"

ROOT = "/fixture"

ESTABLISHED, CLOSE, LISTEN = 1, 7, 10


def ip(text):
    """The 4 or 16 bytes of an address; of IPv6 only the form with eight groups and "::"."""
    if "." in text:
        return bytes([int(part) for part in text.split(".")])
    left, _, right = text.partition("::")
    head = [int(part, 16) for part in left.split(":") if part]
    tail = [int(part, 16) for part in right.split(":") if part]
    groups = head + [0] * (8 - len(head) - len(tail)) + tail if "::" in text else head
    return b"".join([bytes((group >> 8, group & 255)) for group in groups])


def words(address):
    """Hex digits as the kernel prints an address: words of four bytes in the order of the host."""
    text = ""
    for i in range(0, len(address), 4):
        word = address[i : i + 4]
        if sys.byteorder == "little":
            word = bytes([word[3], word[2], word[1], word[0]])
        text += "%02X%02X%02X%02X" % tuple(word)
    return text


def row(local, port, remote="0.0.0.0", remote_port=0, state=LISTEN, width=149, sl=0):
    """One row of /proc/net/tcp, tcp6 (addresses of 16 bytes) or, with width 127, udp."""
    local = ip(local)
    remote = ip(remote) if len(local) == 4 or ":" in remote else bytes(16)
    text = "%4d: %s:%04X %s:%04X %02X 00000000:00000000 00:00000000 00000000     0        0 21477 1 0 100 0 0 10 0" % (
        sl, words(local), port, words(remote), remote_port, state,
    )  # fmt: skip
    return text + " " * (width - len(text))


def udp(local, port, remote="0.0.0.0", remote_port=0, state=CLOSE):
    return row(local, port, remote, remote_port, state, 127)


def table(header, rows, width=149):
    """The whole text of a table."""
    return (header + " " * (width - len(header)) + "\n" + "".join([row + "\n" for row in rows])).encode()


def inet6(*entries):
    """if_inet6 of (address, name) pairs."""
    text = ""
    for address, name in entries:
        text += "".join(["%02x" % byte for byte in ip(address)]) + " 02 40 20 80 %8s\n" % name
    return text.encode()


def route(*entries):
    """The route table of (name, network, mask[, flags]), flags RTF_UP 1, RTF_GATEWAY 2."""
    line = "%s\t%s\t%s\t%04X\t0\t0\t0\t%s\t0\t0\t0"
    rows = []
    for name, net, mask, *flags in entries:
        gateway = ip("192.0.2.254" if flags else "0.0.0.0")
        rows.append(line % (name, words(ip(net)), words(gateway), flags[0] if flags else 1, words(ip(mask))))
    return table(ROUTE, rows, 127)


def trie(*addresses, numbered=True):
    """fib_trie with these local addresses, in both tables, as where there are no rules; one of two interfaces twice.

    If `numbered`, they are in networks of 25, 24 and 16 bits, whose broadcast addresses are in the file.
    """
    text = ""
    for name in ("Main", "Local"):
        text += name + ":\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
        for address in sorted(set(addresses)):
            text += "        |-- %s\n" % address + "           /32 host LOCAL\n" * addresses.count(address)
        text += "        |-- 192.168.1.0\n           /24 link UNICAST\n"
        for address in addresses if numbered else ():
            a, b, c, _ = address.split(".")
            for end in ((a, b, c, 127), (a, b, c, 255), (a, b, 255, 255)):
                text += "           |-- %s.%s.%s.%s\n              /32 link BROADCAST\n" % end
    return text.encode()


def dev(*entries):
    """/proc/net/dev of (name, bytes in, packets in, bytes out, packets out)."""
    line = "%6s: %7d %7d    0    0    0     0          0         0 %8d %7d    0    0    0     0       0          0\n"
    return (DEV + "".join([line % entry for entry in entries])).encode()


USUAL = {
    "tcp": table(TCP, []),
    "tcp6": table(TCP6, []),
    "udp": table(UDP, [], 127),
    "udp6": table(UDP, [], 127),
    "dev": dev(("lo", 10, 1, 10, 1), ("eth0", 1000, 10, 2000, 20)),
    "if_inet6": inet6(("::1", "lo"), ("fd00::1", "eth0")),
    "fib_trie": trie("192.0.2.1"),
    "route": route(("eth0", "0.0.0.0", "0.0.0.0"), ("eth0", "192.0.2.0", "255.255.255.0")),
}


def usual(**files):
    """The files of a quiet machine, some of them replaced; None takes one away, an OSError refuses to open it."""
    result = dict(USUAL)
    result.update(files)
    return result


class Pieces:
    """A file whose reads give at most the sizes in `sizes`, over and over; then an OSError where `error` is one."""

    def __init__(self, content, sizes, error=None):
        self._content = content
        self._sizes = sizes
        self._error = error
        self.seek(0)

    def seek(self, at):
        self._at = at
        self._turn = 0

    def readinto(self, buf):
        size = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        piece = self._content[self._at : self._at + min(size, len(buf))]
        if self._error is not None and not piece:
            raise OSError(self._error, "")
        buf[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self):
        pass


def collector(files, **options):
    """A Collector of these files. The name `open` of its module is set, and stays so until the next call."""

    def opened(path, mode, buffering):
        assert path.startswith(ROOT + "/net/") and mode == "rb" and buffering == 0
        content = files.get(path[len(ROOT + "/net/") :])
        if content is None:
            raise OSError(errno.ENOENT, "")
        if isinstance(content, OSError):
            raise content
        return BytesIO(content) if isinstance(content, bytes) else content

    proc_lines.open = opened
    return Collector(ROOT, **options)


def collect(files, connections=50, ports=128, **options):
    """(the collector, its SocketTable) after one pass."""
    c = collector(files, **options)
    sockets = SocketTable(connections, ports)
    c.sockets(sockets)
    return c, sockets


def ports(sockets, which):
    """[(port, interface or None)] of a PortTable of these sockets."""
    result = []
    for i in range(which.kept):
        name = sockets.names.name(which.slot(i))
        result.append((which.port(i), name and name.decode()))
    return result


def connections(sockets):
    """[(remote, local port, interface or None)] of all records, sorted by the first two."""
    text = bytearray(48)
    result = []
    for i in range(sockets.kept):
        at = i * RECORD
        record = sockets.records
        size = rows.remote(text, record, at)
        name = sockets.names.name(record[at])
        name = name and name.decode()
        result.append((bytes(text[:size]).decode(), record[at + 2] << 8 | record[at + 3], name))
    return sorted(result, key=lambda row: row[:2])
