"""What is to be done so that a board has what it should: copy, remove, keep. Computed without the board."""

import ast
import hashlib
import json
from dataclasses import dataclass, field

from linkpulse_tools import __version__, paths
from linkpulse_tools.errors import ToolError

RECORD = "linkpulse.deployed"  # on the board: what deploy has put there
SCRIPTS = ("boot.py", "main.py")
UMQTT = ("lib/umqtt/simple.py", "lib/umqtt/simple.mpy")
FORMS = (".py", ".mpy")
# Every module of linkpulse, in either form.
MODULES = frozenset(
    "lib/" + path.relative_to(paths.LIB).with_suffix(form).as_posix()
    for path in paths.LIB.rglob("*.py")
    for form in FORMS
)
# What firmwares put into boot.py by themselves imports these and collects garbage.
IDLE = ("esp", "gc", "machine", "os", "uos", "webrepl")


@dataclass(frozen=True)
class Step:
    """`action` "copy", "remove" or "keep", of the file at `path` with `size` bytes, and `why`."""

    action: str
    path: str
    size: int
    why: str
    data: bytes = field(default=b"", repr=False)

    def as_dict(self) -> dict:
        return {"action": self.action, "path": self.path, "bytes": self.size, "why": self.why}


@dataclass(frozen=True)
class Found:
    """What is on a board: `sizes` of the files below lib/, `hashes` (sha256) of these and of all that is wanted,
    `texts` of main.py and boot.py, `record` as deploy left it or {}."""

    sizes: dict
    hashes: dict
    texts: dict
    record: dict


@dataclass(frozen=True)
class Plan:
    """Steps in their order: what is removed makes room, main.py comes last. `foreign`: scripts that stay another's."""

    steps: list[Step]
    foreign: list[str]

    def of(self, action: str) -> list[Step]:
        return [step for step in self.steps if step.action == action]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def record(data: bytes | None, own_key: str | None = None) -> dict:
    """What deploy noted the last time, {} for none that can be read; without the device's own key, which stays."""
    try:
        found = json.loads(data or b"{}")
        return {**found, "files": [path for path in found["files"] if path != own_key]}
    except (ValueError, TypeError, KeyError):
        return {}


def candidates(wanted: dict, sizes: dict, record: dict) -> list[str]:
    """The paths whose hashes a plan needs, of a board with `sizes` below lib/."""
    own = [path for path in sizes if path in (*MODULES, *UMQTT)]
    return sorted({RECORD, *SCRIPTS, *wanted, *own, *record.get("files", ())})


def make(wanted: dict, found: Found, force: bool = False) -> Plan:
    """The plan. `wanted`: path -> bytes, in the order in which they are to be copied."""
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
    """A ToolError when the copies do not fit. An estimate: files take whole blocks, a new folder takes two."""

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
        free -= taken(step.size)  # the new one is whole before the old one goes
        lowest = min(lowest, free)
        free += taken(found.sizes.get(step.path, 0))
    if lowest < 0:
        raise ToolError(
            f"the board's file system is too full: {start - lowest:,} bytes are needed, {start:,} are free. "
            "Remove files that are not needed, or freeze linkpulse into the firmware (docs/deploy.md)"
        )


def _foreign(name: str, wanted: dict, found: Found) -> bool:
    present = found.hashes.get(name)
    known = (None, digest(wanted[name]), found.record.get("scripts", {}).get(name))
    return present not in known and not idle(found.texts[name])


def idle(source: bytes) -> bool:
    """Whether nobody would miss a script: no statements but those that firmwares come with."""
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
    """What deploy put there, or what has the name of a linkpulse module, and is not wanted any more."""
    recorded = set(found.record.get("files", ())) - set(SCRIPTS)
    for path in sorted(found.hashes):
        stem = path.rpartition(".")[0]
        twins = [stem + form for form in FORMS if stem + form in wanted]
        if path in wanted or path in SCRIPTS:
            continue
        if twins and path.startswith("lib/"):  # of two forms a board takes the .py
            yield Step("remove", path, found.sizes.get(path, 0), f"another form of {twins[0]}")
        elif path in MODULES:
            yield Step("remove", path, found.sizes.get(path, 0), "not needed on this board")
        elif path in recorded:
            yield Step("remove", path, found.sizes.get(path, 0), "of an earlier deploy")
