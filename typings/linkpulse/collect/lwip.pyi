from collections.abc import Sequence

from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable

class Collector:
    width: int
    counts_from_start: bool
    source: str
    skipped: int
    def __init__(
        self,
        loopback: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        rows: int = 16,
    ) -> None: ...
    def counters(self, into: Counters) -> None: ...
    def sockets(self, into: SocketTable) -> None: ...
