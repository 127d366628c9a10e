"""Plans which files to copy, remove and keep on a board. It does not talk to the board."""

import ast
import hashlib
import json
from dataclasses import dataclass, field

from linkpulse_tools import __version__, paths
from linkpulse_tools.errors import ToolError

RECORD = "linkpulse.deployed"  # a file on the board that lists what deploy copied
SCRIPTS = ("boot.py", "main.py")
UMQTT = ("lib/umqtt/simple.py", "lib/umqtt/simple.mpy")
FORMS = (".py", ".mpy")
# The paths of all modules of linkpulse, in both forms.
MODULES = frozenset(
    "lib/" + path.relative_to(paths.LIB).with_suffix(form).as_posix()
    for path in paths.LIB.rglob("*.py")
    for form in FORMS
)
# The boot.py that comes with a firmware only imports these and collects garbage.
IDLE = ("esp", "gc", "machine", "os", "uos", "webrepl")


@dataclass(frozen=True)
class Step:
    """What happens to the file at `path` with `size` bytes: `action` is "copy", "remove" or "keep". `why` is the
    reason."""

    action: str
    path: str
    size: int
    why: str
    data: bytes = field(default=b"", repr=False)

    def as_dict(self) -> dict:
        return {"action": self.action, "path": self.path, "bytes": self.size, "why": self.why}


@dataclass(frozen=True)
class Found:
    """What is on a board: `sizes` of the files below lib/, `hashes` (sha256) of the files that may be copied or
    removed, `texts` of main.py and boot.py, and `record`, which the last deploy left, or {}."""

    sizes: dict
    hashes: dict
    texts: dict
    record: dict


@dataclass(frozen=True)
class Plan:
    """The steps in their order. Removals come first, to make room, and main.py comes last.

    `foreign` are scripts that are not linkpulse's and stay.
    """

    steps: list[Step]
    foreign: list[str]

    def of(self, action: str) -> list[Step]:
        return [step for step in self.steps if step.action == action]


def digest(data: bytes) -> str:
    """SHA-256 in hex digits."""
    return hashlib.sha256(data).hexdigest()


def record(data: bytes | None, own_key: str | None = None) -> dict:
    """The record of the last deploy, or {} if there is none that can be read. The device's own key is left out, so that
    it stays."""
    try:
        found = json.loads(data or b"{}")
        return {**found, "files": [path for path in found["files"] if path != own_key]}
    except (ValueError, TypeError, KeyError):
        return {}


def candidates(wanted: dict, sizes: dict, record: dict) -> list[str]:
    """The paths whose hashes a plan needs, for a board with the files `sizes` below lib/."""
    own = [path for path in sizes if path in (*MODULES, *UMQTT)]
    return sorted({RECORD, *SCRIPTS, *wanted, *own, *record.get("files", ())})


def make(wanted: dict, found: Found, force: bool = False) -> Plan:
    """The plan. `wanted` maps paths to bytes, in the order of copying."""
    foreign = [] if force else [name for name in SCRIPTS if name in wanted and _foreign(name, wanted, found)]
    ours = {path: data for path, data in wanted.items() if path not in foreign}
    wanted = {RECORD: _record(ours), **wanted}
    steps = list(_removals(wanted, found))
    for path, data in wanted.items():
        present = found.hashes.get(path)
        if path in foreign:
            steps.append(Step("keep", path, len(found.texts[path]), "not linkpulse's"))
        elif present == digest(data):
            steps.append(Step("keep", path, len(data), "the same"))
        else:
            steps.append(Step("copy", path, len(data), "new" if present is None else "changed", data))
    return Plan(steps, foreign)


def check_space(plan: Plan, found: Found, free: int, block: int) -> None:
    """Raise a ToolError if the copies do not fit. This is an estimate: a file takes whole blocks, and a new folder
    two."""

    def taken(size: int) -> int:
        return -(-size // block) * block

    free += sum(taken(step.size) for step in plan.of("remove"))
    folders = {path.rpartition("/")[0] for path in found.sizes}
    start = free
    lowest = free
    for step in plan.of("copy"):
        folder = step.path.rpartition("/")[0]
        if folder and folder not in folders:
            folders.add(folder)
            free -= 2 * block
        free -= taken(step.size)  # the new file is complete before the old one is removed
        lowest = min(lowest, free)
        free += taken(found.sizes.get(step.path, 0))
    if lowest < 0:
        raise ToolError(
            f"the board's file system is too full: {start - lowest:,} bytes are needed, {start:,} are free. "
            "Remove files that are not needed, or freeze linkpulse into the firmware"
        )


def _foreign(name: str, wanted: dict, found: Found) -> bool:
    present = found.hashes.get(name)
    known = (None, digest(wanted[name]), found.record.get("scripts", {}).get(name))
    return present not in known and not idle(found.texts[name])


def idle(source: bytes) -> bool:
    """Whether a script contains only statements that come with firmwares, so that nobody would miss it."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return False
    return all(
        isinstance(node, ast.Import)
        and all(alias.name in IDLE for alias in node.names)
        or isinstance(node, ast.Expr)
        and (isinstance(node.value, ast.Constant) or ast.unparse(node.value) == "gc.collect()")
        for node in body
    )


def _record(ours: dict) -> bytes:
    scripts = {name: digest(ours[name]) for name in SCRIPTS if name in ours}
    return json.dumps({"version": __version__, "files": sorted(ours), "scripts": scripts}).encode()


def _removals(wanted: dict, found: Found):
    """The files that are not needed any more, if deploy copied them or if they have the name of a linkpulse module."""
    recorded = set(found.record.get("files", ())) - set(SCRIPTS)
    for path in sorted(found.hashes):
        stem = path.rpartition(".")[0]
        twins = [stem + form for form in FORMS if stem + form in wanted]
        if path in wanted or path in SCRIPTS:
            continue
        if twins and path.startswith("lib/"):  # if both forms exist, a board imports the .py
            yield Step("remove", path, found.sizes.get(path, 0), f"another form of {twins[0]}")
        elif path in MODULES:
            yield Step("remove", path, found.sizes.get(path, 0), "not needed on this board")
        elif path in recorded:
            yield Step("remove", path, found.sizes.get(path, 0), "of an earlier deploy")
