from collections.abc import Callable, Sequence
from typing import Literal, TypedDict, type_check_only

from linkpulse.errors import LinkpulseError

ERROR: int
INFO: int
DEBUG: int

@type_check_only
class Values(TypedDict):
    outcome: Literal["accepted", "rejected", "unknown", "error"] | None
    error: str | None
    category: str | None
    retry_after: int | None
    report_id: int | None
    bytes: int
    published: int
    accepted: int
    rejected: int
    unknown: int
    errors: int
    connected_since: int | None
    last_accepted: int | None
    last_error: str | None
    skipped: int
    gaps: int
    source: str | None
    problem: str | None
    version: str
    heap: int

class Status:
    log: Callable[[int, str], object] | None
    changed: bool
    values: Values
    def __init__(self, log: Callable[[int, str], object] | None, warnings: Sequence[str]) -> None: ...
    def outcome(
        self,
        what: Literal["accepted", "rejected", "unknown", "error"],
        error: str | None = None,
        kind: str | None = None,
        category: str | None = None,
        retry_after: int | None = None,
    ) -> None: ...
    def failed(
        self, error: LinkpulseError | None, client_id: str | None = None, retry_after: int | None = None
    ) -> None: ...
    def say(self, level: int, text: str) -> None: ...
    def raised(self, what: str, e: Exception) -> None: ...
    def notify(self, on_outcome: Callable[[], object] | None) -> bool: ...
