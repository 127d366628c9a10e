"""The resources of one thing in an AWS account. They are created if missing, and removed if provisioning made them."""

from dataclasses import dataclass

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import record
from linkpulse_tools.provision.account import Account
from linkpulse_tools.provision.record import Record

# The key in a record that lists which resources of a kind the thing uses.
USES = {"policy": "policies", "metric": "metrics", "profile": "profiles"}


@dataclass
class Cloud:
    """A thing's record lists what the thing uses and what provisioning made, each as "kind:name".

    Policies, metrics, profiles and groups serve many things. A resource is provisioning's own if any record in the
    folder lists it as made. It stays as long as another record uses it.
    """

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
                f"{self.noted.thing} is in {there}, but these credentials are for {here}: set AWS_PROFILE or "
                f"AWS_DEFAULT_REGION"
            )

    def have(self, kind: str, name: str, found: dict | None, operation: str, **parameters) -> None:
        """Create the resource if it was not `found`. The record names it before it is created."""
        self._note(kind, name, made=not found or self.ours(kind, name))
        if not found:
            self.account.write(operation, **parameters)
        self.steps.add(f"{kind} {name}", "there" if found else "made")

    def change(self, kind: str, name: str, operation: str, **parameters) -> None:
        """Correct a resource that differs from what it should be, if provisioning made it."""
        if not self.ours(kind, name):
            raise ToolError(
                f"AWS has a {kind} {name} that provision did not make, and it differs: rename it or correct it there"
            )
        self._note(kind, name, made=True)
        self.account.write(operation, **parameters)
        self.steps.add(f"{kind} {name}", "changed")

    def forget(self, kind: str, name: str) -> None:
        """Note that the thing does not use it any more."""
        self.noted.aws[USES[kind]].remove(name)
        self.noted.aws["made"] = [item for item in self.noted.aws["made"] if item != f"{kind}:{name}"]
        self.noted.save(self.store)

    def attached(self, what: str, there: bool, operation: str, note: str | None = None, **parameters) -> None:
        """Join two resources unless they are joined. `note` is the "kind:name" of a join that outlives both."""
        if note:
            kind, _, name = note.partition(":")
            self._note(kind, name, made=not there or self.ours(kind, name))
        if not there:
            self.account.write(operation, **parameters)
        self.steps.add(what, "there" if there else "made")

    def drop(self, kind: str, name: str, operation: str, **parameters) -> None:
        """Remove the resource if it exists and provisioning made it."""
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
