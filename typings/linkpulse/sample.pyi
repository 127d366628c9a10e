from array import array
from collections.abc import Iterator, Sequence

from linkpulse.names import Names
from linkpulse.ports import PortTable

LOW_BITS: int
LOW_MASK: int
HIGH_MASK: int
BYTES_IN: int
PACKETS_IN: int
BYTES_OUT: int
PACKETS_OUT: int
RECORD: int
TOTAL: int
CAPACITY: int
RANDOM_A: int
RANDOM_B: int

class Counters:
    width: int
    from_start: bool
    names: Names
    resets: int
    def __init__(self, width: int = 64, from_start: bool = False) -> None: ...
    def begin(self) -> None: ...
    def end(self) -> None: ...
    def missing(self) -> None: ...
    def available(self) -> bool: ...
    def put(self, buf: bytes | bytearray | memoryview, start: int, end: int, values: Sequence[int]) -> bool: ...
    def difference(self, which: int) -> int: ...
    def commit(self) -> None: ...
    def baseline(self) -> Iterator[tuple[bytes, array[int]]]: ...
    def restore(self, name: bytes, values: Sequence[int]) -> None: ...

class SocketTable:
    names: Names
    tcp_ports: PortTable
    udp_ports: PortTable
    tcp_total: int
    udp_total: int
    tcp_read: bool
    udp_read: bool
    records: bytearray
    state: array[int]
    def __init__(self, connections: int = 50, ports: int = 128) -> None: ...
    def begin(self) -> None: ...
    def begin_tcp(self) -> None: ...
    def add(
        self,
        slot: int,
        family: int,
        local_port: int,
        remote_port: int,
        address: bytes | bytearray | memoryview,
        at: int,
    ) -> None: ...
    @property
    def connections(self) -> int: ...
    @property
    def kept(self) -> int: ...
