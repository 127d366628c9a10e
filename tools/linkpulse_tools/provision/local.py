"""Provisioning with a CA of one's own, for any broker."""

from dataclasses import dataclass

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki import authority, certs, crl, keys, leaf
from linkpulse_tools.pki.leaf import Leaf
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import mosquitto, record, settings
from linkpulse_tools.provision.record import Record

PORT = 8883


@dataclass(frozen=True)
class Broker:
    """Where devices find the broker."""

    host: str
    port: int


def where(store: Store, old: dict, host: str | None, port: int | None) -> tuple[str | None, int]:
    """Host and port: those given, those of the thing's settings, those that the CA's broker has. No host: None."""
    host = host or old.get("host") or authority.host(store)
    return host, port or old.get("port") or mosquitto.port(store) or PORT


def provision(store: Store, steps: Steps, thing: str, request, values: dict, renew: bool) -> None:
    """Have all files of `thing` and of the broker. `request`: of the device's own key, None for a key made here.
    `values`: for its settings; `host` and `port` among them."""
    noted = record.start(store, thing, "local", "device" if request else "host")
    signer = authority.ensure(store, steps)
    authority.ensure_broker_side(store, steps, signer, values["host"], renew)
    public_key = _public_key(store, steps, noted, request)
    _certificate(store, steps, signer, noted, public_key, renew)
    ca = f"{thing}/ca.der"
    steps.add(ca, store.write(ca, store.read(authority.DER)))
    steps.add(f"{thing}/{settings.NAME}", settings.write(store, thing, values))
    mosquitto.ensure(store, steps, values["port"], topics(store))


def remove(store: Store, steps: Steps, noted: Record) -> None:
    """Take back what `provision` made for a thing: its certificates go on the revocation list before its files go."""
    signer = authority.load(store)
    if signer is None:
        steps.add(crl.NAME, "kept", "the CA is not here: its certificates stay valid")
    else:
        serials = [int(serial, 16) for serial in noted.serials]
        steps.add(crl.NAME, crl.revoke(store, signer, serials), "restart the broker: until then it lets the thing in")
        steps.add(mosquitto.ACL, mosquitto.ensure_acl(store, topics(store, without=noted.thing)))
    remove_files(store, steps, noted)


def remove_files(store: Store, steps: Steps, noted: Record) -> None:
    """Remove a thing's own files, the record last; the folder too where nothing else is in it."""
    for name in (*noted.made, record.NAME):
        if store.remove(f"{noted.thing}/{name}"):
            steps.add(f"{noted.thing}/{name}", "removed")
    left = store.names(noted.thing)
    if left:
        steps.add(noted.thing, "kept", f"not made by provision: {', '.join(left)}")
    else:
        store.remove_folder(noted.thing)


def topics(store: Store, without: str | None = None) -> dict[str, str]:
    """The topics of things of the local CA that report to one of their own: thing to topic."""
    return {thing: values["topic"] for thing, values in _things(store, without) if values.get("topic")}


def reports(store: Store, unread=None) -> dict[str, tuple[str, str]]:
    """The same the other way round: topic to thing and format. `unread(error)`, if given, hears of things whose files
    cannot be read, and these are left out."""
    chosen = (pair for pair in _things(store, None, unread) if pair[1].get("topic"))
    return {values["topic"]: (thing, values.get("format", "cbor")) for thing, values in chosen}


def _things(store: Store, without: str | None, unread=None):
    """Each thing of the local CA with its settings."""
    for folder in store.folders():
        if folder == without:
            continue
        try:
            noted = record.load(store, folder)
            values = settings.read(store, folder)
        except ToolError as error:
            if unread is None:
                raise
            unread(error)
            continue
        if noted and noted.by == "local":
            yield folder, values


def _public_key(store: Store, steps: Steps, noted: Record, request):
    if request:
        return request.public_key()
    if noted.key == "device":  # the certificate that it got the first time has it
        old = leaf.read(store, f"{noted.thing}/cert.der")
        if old is None:
            raise ToolError(f"{noted.thing} has a key of its own and no certificate yet: give its request with --csr")
        return old.public_key()
    key, state = keys.ensure(store, f"{noted.thing}/key.der")
    steps.add(f"{noted.thing}/key.der", state)
    return key.public_key()


def _certificate(store: Store, steps: Steps, signer, noted: Record, public_key, renew: bool) -> None:
    def suits(found) -> bool:
        return leaf.common_name(found) == noted.thing and not crl.revoked(store, signer, found.serial_number)

    def sign(signer, public_key, first, last):
        return certs.sign_client(signer, public_key, noted.thing, first, last)

    def note(certificate) -> None:
        noted.serials.append(f"{certificate.serial_number:x}")
        noted.save(store)

    one = Leaf(f"{noted.thing}/cert.der", public_key, suits, sign, note)
    state, detail = leaf.ensure(store, signer, one, renew)
    steps.add(one.name, state, detail)
