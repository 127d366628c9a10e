"""A network namespace like a small board's, and sockets in it."""

import ctypes
import fcntl
import os
import resource
import socket
import struct
import subprocess
from pathlib import Path

BUCKETS = 4096
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
SYSCTL = Path("/proc/sys/net/ipv4")
LISTENERS, DATAGRAM = 3, 2


def isolate() -> str | None:
    """Move this process into a network namespace of its own with BUCKETS hash buckets; None, or why it could not.

    The number is set in a first namespace and holds for those made in it, so nothing of the machine is changed.
    Without root a user namespace gives the right to do this, where the kernel allows one.
    """
    try:
        user, group = os.geteuid(), os.getegid()
        if user:
            _unshare(CLONE_NEWUSER | CLONE_NEWNET)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        else:
            _unshare(CLONE_NEWNET)
        (SYSCTL / "tcp_child_ehash_entries").write_text(str(BUCKETS))
        _unshare(CLONE_NEWNET)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    except OSError as error:
        return str(error)
    _wire()
    return None


def _wire() -> None:
    """An Ethernet interface with addresses, as every board has besides lo; none where iproute2 or veth is missing.

    Its other end stays down and without an address.
    """
    for command in (
        "link add eth0 type veth peer name wire0",
        "address add 192.0.2.7/24 dev eth0",
        "address add 2001:db8::7/64 dev eth0 nodad",
        "link set eth0 up",
    ):
        try:
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return


def interfaces() -> list[str]:
    """This namespace's interfaces."""
    return sorted(name for _, name in socket.if_nameindex())


def buckets() -> int:
    """Buckets of this namespace's TCP hash, which every read of /proc/net/tcp walks; 0 when the kernel does not say."""
    try:
        return abs(int((SYSCTL / "tcp_ehash_entries").read_text()))
    except (OSError, ValueError):
        return 0


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Sockets:
    """LISTENERS TCP listeners, DATAGRAM UDP sockets and any even number of established rows, all on loopback."""

    def __init__(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if hard > 0 else 4096, hard))
        self._open = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(DATAGRAM)]
        for one in self._open:
            one.bind(("127.0.0.1", 0))
        self._listeners = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(LISTENERS)]
        self._open += self._listeners
        self.rows = 0

    def grow(self, rows: int) -> None:
        """More connections until there are `rows` established ones; both ends of each are rows of this machine."""
        while self.rows < rows:
            listener = self._listeners[self.rows // 2 % LISTENERS]
            self._open.append(socket.create_connection(listener.getsockname()))
            self._open.append(listener.accept()[0])
            self.rows += 2

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._open:
            one.close()
