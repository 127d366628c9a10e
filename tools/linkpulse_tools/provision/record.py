"""provision.json: what provisioning remembers about a thing. It contains no secrets.

It is written before the things that it lists, so that an interrupted run leaves nothing that is not listed.
"""

import json
from dataclasses import asdict, dataclass, field

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.store import Store

NAME = "provision.json"
SIGNED_FILES = ("ca.der", "cert.der", "key.der")


@dataclass
class Record:
    """What provisioning did for one thing.

    `by` is "local" or "aws". `key` is "host" (made here) or "device" (known from a request). `made` lists the files
    that provisioning made and may remove. `serials` are those of all certificates that the local CA signed for the
    thing, in hexadecimal. `aws` lists what is in the account and whether provisioning made it.
    """

    thing: str
    by: str
    key: str
    made: list[str]
    serials: list[str] = field(default_factory=list)
    aws: dict = field(default_factory=dict)

    def save(self, store: Store) -> None:
        store.write(f"{self.thing}/{NAME}", json.dumps(asdict(self), indent=2).encode() + b"\n")


def load(store: Store, thing: str) -> Record | None:
    """The record of a thing, or None if there is none."""
    data = store.read(f"{thing}/{NAME}")
    if data is None:
        return None
    try:
        return Record(**json.loads(data))
    except (ValueError, TypeError) as error:
        path = store.path(f"{thing}/{NAME}")
        raise ToolError(f"{path} was not written by provision ({error}): put the right one back") from None


def fitting(store: Store, thing: str, by: str, key: str) -> Record | None:
    """The record of a thing, or None if there is none. A ToolError if the folder was made in another way."""
    found = load(store, thing)
    if found is None:
        foreign = [name for name in SIGNED_FILES if store.read(f"{thing}/{name}") is not None]
        if foreign:
            folder = store.path(thing)
            raise ToolError(
                f"{folder} contains {', '.join(foreign)}, which provision did not make: move it away, or use "
                f"another --out"
            )
        return None
    if found.by != by:
        ways = {"local": "a local CA", "aws": "AWS"}
        raise ToolError(
            f"{thing} was provisioned with {ways[found.by]}: run linkpulse provision {thing} --remove first"
        )
    if key == "device" and found.key == "host":
        raise ToolError(
            f"{thing} has a key that was made here: run linkpulse provision {thing} --remove first, then use --csr"
        )
    return found


def start(store: Store, thing: str, by: str, key: str) -> Record:
    """The record of a thing. A new one is begun if there is none."""
    found = fitting(store, thing, by, key)
    if found is None:
        made = [name for name in SIGNED_FILES if key == "host" or name != "key.der"]
        if store.read(f"{thing}/settings.json") is None:
            made.append("settings.json")
        found = Record(thing, by, key, made)
        found.save(store)
    return found
