"""The checks one after the other: what an earlier failure makes impossible is skipped, all else is done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from linkpulse_tools.device.serial_board import BoardError
from linkpulse_tools.doctor.model import FAILED, SKIPPED, Check, Finding, failed, skipped
from linkpulse_tools.doctor.places import Gone, Place

MORE_HEAP = "free heap: freeze the agent into the firmware (boards/), lower `connections`, load less in boot.py"
# What a device's own exception means where a check says nothing better.
MEANINGS = {
    "MemoryError": (
        "this check does not fit into the heap of this device",
        MORE_HEAP,
    ),
    "ImportError": ("the code is not complete", "`linkpulse deploy` copies what is missing"),
}


@dataclass
class Examination:
    """What is examined, and what is known of it so far.

    `settings`: the device's own, as probes.FACTS lists them, {} until they are read. `conversation`: what the session
    with the broker came to, `report`: what the report came to, as the probes tell it. `report_wanted`: whether to make
    one.
    """

    place: Place
    report_wanted: bool = True
    found: dict[str, Finding] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    conversation: dict = field(default_factory=dict)
    report: dict = field(default_factory=dict)
    gone: bool = False

    def is_failed(self, name: str) -> bool:
        return name in self.found and self.found[name].status == FAILED

    @property
    def patience(self) -> float:
        """Seconds for what is tried on the network: network, name, TCP, TLS and each packet have their time."""
        return 10.0 * self.settings["timeout"]


@dataclass(frozen=True)
class Step:
    """One check: `look(examination)` gives its finding. It cannot work without those that `needs` names; it is made
    where `when(examination)` is true."""

    name: str
    look: Callable[[Examination], Finding]
    needs: tuple[str, ...] = ()
    when: Callable[[Examination], bool] = lambda this: True


def examine(steps: tuple[Step, ...], this: Examination, begins=lambda name: None) -> Iterator[Check]:
    """Every check as it is done; `begins` is called with the name of each before it."""
    for step in steps:
        if not step.when(this):
            continue
        begins(step.name)
        finding = _blocked(step, this) or _look(step, this)
        this.found[step.name] = finding
        yield Check(step.name, finding.status, finding.text, finding.hint)


def _blocked(step: Step, this: Examination) -> Finding | None:
    """Why it cannot be done: the failure that is behind it, not what was skipped for the same reason."""
    for need in step.needs:
        finding = this.found.get(need)
        if finding and finding.status in (FAILED, SKIPPED):
            cause = this.causes.get(need, need)
            this.causes[step.name] = cause
            return skipped(f"not possible before this is well: {cause}")
    return skipped("the device does not answer any more") if this.gone else None


def _look(step: Step, this: Examination) -> Finding:
    try:
        return step.look(this)
    except BoardError as error:
        text, hint = MEANINGS.get(error.kind, (f"{error.kind}: {error.text}", ""))
        return failed(f"{text} ({error.text})" if error.kind in MEANINGS else text, hint)
    except Gone as error:
        this.gone = True
        return failed(
            f"the device does not answer any more: {error}",
            "was it unplugged? A watchdog resets a board that looks up a name for longer than `watchdog`: "
            "write the broker's address in `host` then",
        )
