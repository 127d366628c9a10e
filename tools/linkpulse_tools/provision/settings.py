"""The device's settings.json. Provisioning writes the settings that it knows and keeps all others."""

import json

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.store import Store

NAME = "settings.json"


def read(store: Store, thing: str) -> dict:
    """The settings of a thing, or {} if there are none."""
    name = f"{thing}/{NAME}"
    data = store.read(name)
    try:
        found = json.loads(data) if data is not None else {}
    except ValueError as error:
        raise ToolError(f"{store.path(name)} is not JSON ({error}): correct it or remove it") from None
    if not isinstance(found, dict):
        raise ToolError(f'{store.path(name)} must be one JSON map, {{"thing": …}}: correct it or remove it')
    return found


def write(store: Store, thing: str, values: dict) -> str:
    """Put `values` into the settings. Only its owner can read the file if it contains a password."""
    name, old = f"{thing}/{NAME}", read(store, thing)
    new = {**old, **values}
    mode = 0o600 if new.get("wifi_password") else None
    data = store.read(name)
    if data is None or new != old:
        data = json.dumps(new, indent=2, ensure_ascii=False).encode() + b"\n"
    return store.write(name, data, mode)
