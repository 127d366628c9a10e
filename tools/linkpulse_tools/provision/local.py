"""Provisioning with a CA of your own, for any broker."""

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
    """Host and port: the given ones, or those in the thing's settings, or those of the CA's broker. The host may be
    None."""
    host = host or old.get("host") or authority.host(store)
    return host, port or old.get("port") or mosquitto.port(store) or PORT


def provision(store: Store, steps: Steps, thing: str, request, values: dict, renew: bool) -> None:
    """Make sure that all files of `thing` and of the broker exist.

    `request` is the certificate request for the device's own key, or None if the key is made here. `values` are for its
    settings and include `host` and `port`.
    """
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
    """Undo what `provision` did for a thing. Its certificates are revoked before its files are removed."""
    signer = authority.load(store)
    if signer is None:
        steps.add(crl.NAME, "kept", "the CA is missing: certificates stay valid")
    else:
        serials = [int(serial, 16) for serial in noted.serials]
        steps.add(crl.NAME, crl.revoke(store, signer, serials), "restart the broker: until then it accepts the thing")
        steps.add(mosquitto.ACL, mosquitto.ensure_acl(store, topics(store, without=noted.thing)))
    remove_files(store, steps, noted)


def remove_files(store: Store, steps: Steps, noted: Record) -> None:
    """Remove a thing's own files, the record last. Remove the folder too if nothing else is in it."""
    for name in (*noted.made, record.NAME):
        if store.remove(f"{noted.thing}/{name}"):
            steps.add(f"{noted.thing}/{name}", "removed")
    left = store.names(noted.thing)
    if left:
        steps.add(noted.thing, "kept", f"not made by provision: {', '.join(left)}")
    else:
        store.remove_folder(noted.thing)


def topics(store: Store, without: str | None = None) -> dict[str, str]:
    """Thing to topic, for the things of the local CA that report to a topic of their own."""
    return {thing: values["topic"] for thing, values in _things(store, without) if values.get("topic")}


def reports(store: Store, unread=None) -> dict[str, tuple[str, str]]:
    """Topic to (thing, format), for the same things. `unread(error)`, if given, is called for a thing whose files
    cannot be read, and the thing is left out."""
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
    if noted.key == "device":  # it is in the certificate that the thing got the first time
        old = leaf.read(store, f"{noted.thing}/cert.der")
        if old is None:
            raise ToolError(
                f"{noted.thing} has its own key and no certificate yet: give its certificate request with --csr"
            )
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
