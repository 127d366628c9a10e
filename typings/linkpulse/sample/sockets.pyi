from array import array

from linkpulse.sample.names import Names
from linkpulse.sample.ports import PortTable

RECORD: int

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
    def reserve(self) -> None: ...
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
