"""The local CA and the certificates that it signs for the broker's side, in the folder ca/."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki import certs, crl, keys, leaf
from linkpulse_tools.pki.certs import LOCAL_NAMES, Bundle, Files, Pair
from linkpulse_tools.pki.leaf import Leaf
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store

FOLDER = "ca"
LIFETIME = datetime.timedelta(days=3652)
# No thing can have this name, because a thing's name contains no dot.
SERVICE = "linkpulse.service"
KEY, PEM, DER = f"{FOLDER}/ca.key.pem", f"{FOLDER}/ca.pem", f"{FOLDER}/ca.der"


def ensure(store: Store, steps: Steps) -> Pair:
    """The CA. It is created if there is none."""
    certificate, now = leaf.read(store, PEM), datetime.datetime.now(datetime.timezone.utc)
    if certificate is not None and store.read(KEY) is None:
        raise ToolError(f"{store.path(KEY)} is missing: put it back, or use another --out for a new CA")
    key, state = keys.ensure(store, KEY, Encoding.PEM)
    if certificate is None:
        certificate = certs.make_authority("linkpulse CA", not_after=now + LIFETIME, key=key).certificate
        state = "made"
    if certificate.public_key() != key.public_key():
        raise ToolError(f"{store.path(KEY)} is not the key of {store.path(PEM)}: put the right one back")
    if certificate.not_valid_after_utc < now:
        raise ToolError(f"{store.path(PEM)} has expired: provision all things again, with another --out")
    pem = store.write(PEM, store.read(PEM) or certificate.public_bytes(Encoding.PEM))
    der = store.write(DER, certificate.public_bytes(Encoding.DER))
    steps.add(PEM, next(s for s in ("made", "changed", "there") if s in (state, pem, der)), _until(certificate))
    return Pair(certificate, key)


def load(store: Store) -> Pair | None:
    """The CA, or None if there is none."""
    certificate = leaf.read(store, PEM)
    return None if certificate is None or store.read(KEY) is None else Pair(certificate, keys.load(store, KEY))


def ensure_broker_side(store: Store, steps: Steps, authority: Pair, host: str, renew: bool) -> None:
    """Make sure that the server's and the service's certificates and the revocation list exist."""
    old = leaf.read(store, f"{FOLDER}/server.pem")
    # Programs on the broker's machine use localhost. An old name stays until all devices know the new one.
    names = list(dict.fromkeys([host, *(_names(old) if old else ()), *LOCAL_NAMES]))

    def sign_server(signer, public_key, first, last):
        return certs.sign_server(signer, public_key, names, first, last)

    def sign_service(signer, public_key, first, last):
        return certs.sign_client(signer, public_key, SERVICE, first, last)

    wanted = {
        "server": (lambda found: set(names) <= set(_names(found)), sign_server),
        "service": (lambda found: leaf.common_name(found) == SERVICE, sign_service),
    }
    for stem, (suits, sign) in wanted.items():
        key, _ = keys.ensure(store, f"{FOLDER}/{stem}.key.pem", Encoding.PEM)
        one = Leaf(f"{FOLDER}/{stem}.pem", key.public_key(), suits, sign)
        state, detail = leaf.ensure(store, authority, one, renew)
        if stem == "server":
            detail += f", for {', '.join(names)}" + ("; restart the broker" if state in ("changed", "renewed") else "")
        steps.add(one.name, state, detail)
    steps.add(crl.NAME, crl.ensure(store, authority))


def host(store: Store) -> str | None:
    """The newest of the broker's names, or None if there is none yet."""
    found = leaf.read(store, f"{FOLDER}/server.pem")
    return next(iter(_names(found)), None) if found is not None else None


def bundle(store: Store) -> Bundle:
    """The files of the CA's folder that a broker and the service need."""
    ca, server, service = (Files.of(store.path(FOLDER), stem) for stem in ("ca", "server", "service"))
    return Bundle(ca, server, service, crl=store.path(crl.NAME))


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found]


def _until(certificate: x509.Certificate) -> str:
    return f"until {certificate.not_valid_after_utc:%Y-%m-%d}"
