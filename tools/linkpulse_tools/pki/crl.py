"""The CA's revocation list: the certificates that a broker must not accept any more.

It is valid as long as the CA, because a broker refuses every client once its list has expired.
"""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.certs import SKEW, Pair
from linkpulse_tools.pki.store import Store

NAME = "ca/crl.pem"


def ensure(store: Store, authority: Pair) -> str:
    """The state of the list. An empty list is created if there is none."""
    return revoke(store, authority, [])


def revoke(store: Store, authority: Pair, serials: list[int]) -> str:
    """Add serial numbers to the list. The ones that are already on it stay."""
    old = _read(store, authority)
    listed = [] if old is None else list(old)
    missing = sorted(set(serials) - {entry.serial_number for entry in listed})
    if old is not None and not missing:
        return "there"
    now = datetime.datetime.now(datetime.timezone.utc)
    added = [x509.RevokedCertificateBuilder().serial_number(n).revocation_date(now).build() for n in missing]
    number = 1 if old is None else old.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - SKEW)
        .next_update(authority.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(identifier, critical=False)
    )
    for entry in [*listed, *added]:
        builder = builder.add_revoked_certificate(entry)
    return store.write(NAME, builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM))


def revoked(store: Store, authority: Pair, serial: int) -> bool:
    """Whether the revocation list names this serial number."""
    old = _read(store, authority)
    return old is not None and old.get_revoked_certificate_by_serial_number(serial) is not None


def _read(store: Store, authority: Pair) -> x509.CertificateRevocationList | None:
    """The list. An unreadable list is never replaced, because that would admit revoked things again."""
    data = store.read(NAME)
    if data is None:
        return None
    try:
        found = x509.load_pem_x509_crl(data)
        if found.is_signature_valid(authority.certificate.public_key()):
            return found
    except (ValueError, TypeError):
        pass
    raise ToolError(f"{store.path(NAME)} is not this CA's revocation list: put the right one back")
