"""What provisioning remembers of a thing, beside its files: provision.json. No secrets are in it.

It is written before what it tells of, so that a run that was cut off leaves nothing unknown behind.
"""

import json
from dataclasses import asdict, dataclass, field

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.store import Store

NAME = "provision.json"
SIGNED_FILES = ("ca.der", "cert.der", "key.der")


@dataclass
class Record:
    """`by`: "local" or "aws". `key`: "host" (made here) or "device" (from a request). `made`: the files that are
    provisioning's to remove. `serials`: of all certificates that the local CA signed for it, in hexadecimal. `aws`:
    what is in the account and whether provisioning made it."""

    thing: str
    by: str
    key: str
    made: list[str]
    serials: list[str] = field(default_factory=list)
    aws: dict = field(default_factory=dict)

    def save(self, store: Store) -> None:
        store.write(f"{self.thing}/{NAME}", json.dumps(asdict(self), indent=2).encode() + b"\n")


def load(store: Store, thing: str) -> Record | None:
    """The record of a thing, None where there is none."""
    data = store.read(f"{thing}/{NAME}")
    if data is None:
        return None
    try:
        return Record(**json.loads(data))
    except (ValueError, TypeError) as error:
        path = store.path(f"{thing}/{NAME}")
        raise ToolError(f"{path} is not what provision wrote ({error}): put the right one back") from None


def fitting(store: Store, thing: str, by: str, key: str) -> Record | None:
    """The record of a thing, None where there is none. Refuses what another kind of run made, or somebody else."""
    found = load(store, thing)
    if found is None:
        foreign = [name for name in SIGNED_FILES if store.read(f"{thing}/{name}") is not None]
        if foreign:
            folder = store.path(thing)
            raise ToolError(
                f"{folder} has {', '.join(foreign)} that provision did not make: move it away, or take another --out"
            )
        return None
    if found.by != by:
        ways = {"local": "a local CA", "aws": "AWS"}
        raise ToolError(f"{thing} was provisioned with {ways[found.by]}: linkpulse provision {thing} --remove first")
    if key == "device" and found.key == "host":
        raise ToolError(f"{thing} has a key made here: linkpulse provision {thing} --remove first, then take its --csr")
    return found


def start(store: Store, thing: str, by: str, key: str) -> Record:
    """The record of a thing, begun where there is none."""
    found = fitting(store, thing, by, key)
    if found is None:
        made = [name for name in SIGNED_FILES if key == "host" or name != "key.der"]
        if store.read(f"{thing}/settings.json") is None:
            made.append("settings.json")
        found = Record(thing, by, key, made)
        found.save(store)
    return found
