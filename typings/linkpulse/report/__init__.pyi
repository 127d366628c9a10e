from collections.abc import Callable
from typing import Literal

from linkpulse.collect import Collector
from linkpulse.report.response import Response
from linkpulse.sample.counters import Counters

class Reporter:
    topic: str
    accepted: str
    rejected: str
    report_id: int | None
    problem: str | None
    counters: Counters
    def __init__(
        self,
        collector: Collector,
        thing: str,
        next_id: Callable[[], int],
        *,
        format: Literal["cbor", "json"] = "cbor",
        tags: Literal["short", "long"] = "short",
        topic: str = "",
        connections: int = 50,
        size: int = 0,
    ) -> None: ...
    @property
    def skipped(self) -> int: ...
    @property
    def source(self) -> str | None: ...
    def report(self) -> memoryview: ...
    def receive(self, topic: str | bytes, payload: bytes | bytearray | memoryview) -> Response | None: ...
