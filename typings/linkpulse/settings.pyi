from collections.abc import Mapping, Sequence
from typing import Any, Literal

MIN_INTERVAL: int
KEYS: dict[str, tuple[Any, ...]]

class Settings:
    thing: str
    host: str
    port: int
    ca: str
    cert: str
    key: str
    client_id: str
    server_name: str
    topic: str
    interval: int
    allow_short_interval: bool
    timeout: int
    format: Literal["cbor", "json"]
    tags: Literal["short", "long"]
    connections: int
    buffer: int
    loopback: bool
    include: Sequence[str]
    exclude: Sequence[str]
    proc: str
    state: str
    baseline: str
    ntp: str
    wifi_ssid: str
    wifi_password: str
    ethernet: dict[str, Any] | Literal[False]
    led: int | str
    watchdog: int
    warnings: list[str]
    def __init__(self, values: Mapping[str, Any], base: str = "", online: bool = True) -> None: ...
    def board(self) -> bool: ...

def load(path: str, online: bool = True) -> Settings: ...
