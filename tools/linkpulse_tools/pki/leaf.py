"""One certificate of the CA. It is signed again if it is not suitable any more."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.certs import Pair
from linkpulse_tools.pki.store import Store

LIFETIME = datetime.timedelta(days=730)
SOON = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Leaf:
    """A certificate in the file `name` for a public key.

    `suits(certificate)` says whether its contents are right. `sign(authority, public key, first moment, last moment)`
    signs another one, and `on_signed` is called with it before it is written.
    """

    name: str
    public_key: object
    suits: Callable[[x509.Certificate], bool]
    sign: Callable[..., x509.Certificate]
    on_signed: Callable[[x509.Certificate], None] = lambda certificate: None


def ensure(store: Store, authority: Pair, leaf: Leaf, renew: bool) -> tuple[str, str]:
    """(state, detail) of a certificate. If `renew`, one that expires soon is signed again."""
    now = datetime.datetime.now(datetime.timezone.utc)
    old = read(store, leaf.name)
    if old is not None and not (_ours(old, authority, leaf.public_key) and leaf.suits(old)):
        state = "changed"
    elif old is not None and (not renew or old.not_valid_after_utc - now > SOON):
        return "there", until(old, now)
    else:
        state = "made" if old is None else "renewed"
    last = min(now + LIFETIME, authority.certificate.not_valid_after_utc)
    new = leaf.sign(authority, leaf.public_key, None, last)
    leaf.on_signed(new)
    store.write(leaf.name, new.public_bytes(Encoding.DER if leaf.name.endswith(".der") else Encoding.PEM))
    return state, until(new, now)


def read(store: Store, name: str) -> x509.Certificate | None:
    """The certificate in a file, as PEM or DER, or None if there is none."""
    data = store.read(name)
    if data is None:
        return None
    try:
        return (x509.load_pem_x509_certificate if b"-----BEGIN" in data else x509.load_der_x509_certificate)(data)
    except ValueError:
        raise ToolError(f"{store.path(name)} is not a certificate: remove it, and provision again") from None


def until(certificate: x509.Certificate, now: datetime.datetime) -> str:
    """How long a certificate is valid, and what to do if that is not long."""
    end = certificate.not_valid_after_utc
    if end < now:
        return f"expired {end:%Y-%m-%d}: --renew"
    return f"until {end:%Y-%m-%d}" + ("" if end - now > SOON else ": --renew")


def common_name(certificate: x509.Certificate) -> str:
    """The subject's common name."""
    names = certificate.subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _ours(certificate: x509.Certificate, authority: Pair, public_key) -> bool:
    """Whether the CA signed it for this key."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate.public_key() == public_key
