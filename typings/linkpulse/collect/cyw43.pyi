from collections.abc import Callable, MutableSequence
from typing import Any

from linkpulse.collect.counted import Collector as Sockets
from linkpulse.sample.counters import Counters as Sampled
from linkpulse.sample.sockets import SocketTable

class Radio:
    width: int
    name: bytes
    reason: str | None
    def __init__(self, wlan: Any) -> None: ...
    def read(self, values: MutableSequence[int]) -> bool: ...

class Collector:
    width: int
    counts_from_start: bool
    sockets: Callable[[SocketTable], None]
    accepted: Callable[[], None]
    def __init__(self, sockets: Sockets, wlan: Any) -> None: ...
    @property
    def source(self) -> str: ...
    @property
    def skipped(self) -> int: ...
    def counters(self, into: Sampled) -> None: ...
