"""What is in an AWS account for one thing: made where it is missing, removed where provisioning made it."""

from dataclasses import dataclass

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import record
from linkpulse_tools.provision.account import Account
from linkpulse_tools.provision.record import Record

# The key of a record that lists what a thing uses of a kind.
USES = {"policy": "policies", "metric": "metrics", "profile": "profiles"}


@dataclass
class Cloud:
    """A thing's record tells what it uses, and what provisioning made: "kind:name". Policies, metrics, profiles and
    groups serve many things: what any record in the folder calls made is ours, and stays while another one uses it."""

    account: Account
    store: Store
    steps: Steps
    noted: Record

    def __post_init__(self):
        where = {"account": self.account.number, "region": self.account.region}
        if not self.noted.aws:
            lists = ("certificates", *USES.values(), "made")
            self.noted.aws = {**where, **{name: [] for name in lists}}
        here, there = (f"account {aws['account']}, {aws['region']}" for aws in (where, self.noted.aws))
        if here != there:
            raise ToolError(
                f"{self.noted.thing} is in {there}, and this is {here}: set AWS_PROFILE or AWS_DEFAULT_REGION"
            )

    def have(self, kind: str, name: str, found: dict | None, operation: str, **parameters) -> None:
        """Make what was not `found`. It is noted before it is made."""
        self._note(kind, name, made=not found or self.ours(kind, name))
        if not found:
            self.account.write(operation, **parameters)
        self.steps.add(f"{kind} {name}", "there" if found else "made")

    def change(self, kind: str, name: str, operation: str, **parameters) -> None:
        """Make what is there what it should be, if provisioning made it."""
        if not self.ours(kind, name):
            raise ToolError(f"AWS has a {kind} {name} that is another one: rename that, or make it what it should be")
        self._note(kind, name, made=True)
        self.account.write(operation, **parameters)
        self.steps.add(f"{kind} {name}", "changed")

    def forget(self, kind: str, name: str) -> None:
        """The thing does not use it any more."""
        self.noted.aws[USES[kind]].remove(name)
        self.noted.aws["made"] = [item for item in self.noted.aws["made"] if item != f"{kind}:{name}"]
        self.noted.save(self.store)

    def attached(self, what: str, there: bool, operation: str, note: str | None = None, **parameters) -> None:
        """Join two that are not yet. `note`: "kind:name" of a join that does not end with one of the two."""
        if note:
            kind, _, name = note.partition(":")
            self._note(kind, name, made=not there or self.ours(kind, name))
        if not there:
            self.account.write(operation, **parameters)
        self.steps.add(what, "there" if there else "made")

    def drop(self, kind: str, name: str, operation: str, **parameters) -> None:
        """Remove what is there, if provisioning made it."""
        if self.ours(kind, name):
            self.account.write(operation, **parameters)
            self.steps.add(f"{kind} {name}", "removed")
        else:
            self.steps.add(f"{kind} {name}", "kept", "provision did not make it")

    def ours(self, kind: str, name: str) -> bool:
        """Whether provisioning made it."""
        return any(f"{kind}:{name}" in aws["made"] for aws in (self.noted.aws, *self._others()))

    def shared(self, kind: str, name: str) -> bool:
        """Whether another thing uses it."""
        return any(name in aws[USES[kind]] for aws in self._others())

    def _note(self, kind: str, name: str, made: bool) -> None:
        lists = [(self.noted.aws["made"], f"{kind}:{name}")] if made else []
        if kind in USES:
            lists.append((self.noted.aws[USES[kind]], name))
        for items, item in lists:
            if item not in items:
                items.append(item)
        self.noted.save(self.store)

    def _others(self):
        """The records of other things in this account."""
        for folder in self.store.folders():
            other = record.load(self.store, folder) if folder != self.noted.thing else None
            if other and all(other.aws.get(key) == self.noted.aws[key] for key in ("account", "region")):
                yield other.aws
