from collections.abc import Callable, Sequence
from typing import Any, Literal

MAX_SIZE: int
MAX_TEXT: int

class Response:
    status: Literal["accepted", "rejected", "malformed"]
    report_id: int | None
    code: str | None
    message: str | None
    matches: bool
    late: bool
    def __init__(
        self,
        status: Literal["accepted", "rejected", "malformed"],
        report_id: int | None,
        code: str | None = None,
        message: str | None = None,
    ) -> None: ...

def parse(
    status: Literal["accepted", "rejected"],
    payload: bytes | bytearray | memoryview,
    fields: Callable[[Any, Sequence[int | None]], Sequence[Any]],
    expected: Sequence[int | None],
) -> Response: ...
