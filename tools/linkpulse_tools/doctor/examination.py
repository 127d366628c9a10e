"""Does the checks in their order. A check that cannot work after an earlier failure is skipped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from linkpulse_tools.device.serial_board import BoardError
from linkpulse_tools.doctor.model import FAILED, SKIPPED, Check, Finding, failed, skipped
from linkpulse_tools.doctor.places import Gone, Place

MORE_HEAP = "free heap: freeze the agent into the firmware, lower `connections`, or load less in boot.py"
# What an exception on the device means, if the check does not explain it better.
MEANINGS = {
    "MemoryError": (
        "this check does not fit into the heap of this device",
        MORE_HEAP,
    ),
    "ImportError": ("the code is not complete", "`linkpulse deploy` copies what is missing"),
}


@dataclass
class Examination:
    """What is examined, and what is known about it so far.

    `settings` are the device's own, as probes.FACTS lists them, or {} until they are read. `conversation` is the result
    of the session with the broker, and `report` that of the report, as the probes print them. `report_wanted` says
    whether to make one.
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
        """The seconds for a check on the network: network, name, TCP, TLS and each packet have a timeout of their
        own."""
        return 10.0 * self.settings["timeout"]


@dataclass(frozen=True)
class Step:
    """One check. `look(examination)` returns its finding.

    `needs` names the checks without which it cannot work. It is done if `when(examination)` is true.
    """

    name: str
    look: Callable[[Examination], Finding]
    needs: tuple[str, ...] = ()
    when: Callable[[Examination], bool] = lambda this: True


def examine(steps: tuple[Step, ...], this: Examination, begins=lambda name: None) -> Iterator[Check]:
    """Yields every check when it is done. `begins` is called with the name of each check before it."""
    for step in steps:
        if not step.when(this):
            continue
        begins(step.name)
        finding = _blocked(step, this) or _look(step, this)
        this.found[step.name] = finding
        yield Check(step.name, finding.status, finding.text, finding.hint)


def _blocked(step: Step, this: Examination) -> Finding | None:
    """Why a check cannot be done: the failure that caused it, and not a check that was skipped for the same reason."""
    for need in step.needs:
        finding = this.found.get(need)
        if finding and finding.status in (FAILED, SKIPPED):
            cause = this.causes.get(need, need)
            this.causes[step.name] = cause
            return skipped(f"not possible until this works: {cause}")
    return skipped("the device does not answer any more") if this.gone else None


def _look(step: Step, this: Examination) -> Finding:
    try:
        return step.look(this)
    except BoardError as error:
        text, hint = MEANINGS.get(error.kind, (f"{error.kind}: {error.text}", ""))
        return failed(f"{text} ({error.text})" if error.kind in MEANINGS and error.text else text, hint)
    except Gone as error:
        this.gone = True
        if this.place.gateway:
            return failed(f"the check did not end: {error}", "is this machine very busy? Run the command again")
        return failed(
            f"the device does not answer any more: {error}",
            "was it unplugged? A watchdog resets a board that takes longer than `watchdog` to resolve a name. "
            "In that case, "
            "use the broker's address as `host`",
        )
