from collections.abc import Sequence

from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable

class Collector:
    width: int
    @property
    def source(self) -> str: ...
    counts_from_start: bool
    def __init__(
        self,
        proc: str = "/proc",
        loopback: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None: ...
    @property
    def skipped(self) -> int: ...
    def counters(self, into: Counters) -> None: ...
    def sockets(self, into: SocketTable) -> None: ...
