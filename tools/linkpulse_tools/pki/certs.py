"""Certificates of an authority, a server and things. Keys that are made here are P-256.

`make run` uses `ensure`. The other functions take dates, names and signers, so that tests can make every kind of wrong
certificate.
"""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from linkpulse_tools import files

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
LIFETIME = datetime.timedelta(days=365)
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Files:
    """The files of one pair: certificate and key, each as PEM and DER."""

    pem: Path
    der: Path
    key_pem: Path
    key_der: Path

    @classmethod
    def of(cls, folder: Path, stem: str) -> "Files":
        return cls(*(folder / f"{stem}{end}" for end in (".pem", ".der", ".key.pem", ".key.der")))


@dataclass(frozen=True)
class Bundle:
    """The files that a broker and its clients need. Without a thing, those of the broker and the service.

    `crl` is a PEM file with the revoked certificates.
    """

    ca: Files
    server: Files
    service: Files
    thing: Files | None = None
    thing_name: str = ""
    crl: Path | None = None


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(name: str = "linkpulse demo CA", not_before=None, not_after=None, key=None) -> Pair:
    """A self-signed authority. By default it is valid from an hour ago for a year. The dates are aware datetimes."""
    key = key or new_key()
    builder = _builder(name, key.public_key(), not_before, not_after).issuer_name(_name(name))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def make_server(authority: Pair, names=LOCAL_NAMES, not_before=None, not_after=None) -> Pair:
    """A server's certificate for host names and addresses, and its new key."""
    key = new_key()
    return Pair(sign_server(authority, key.public_key(), names, not_before, not_after), key)


def make_client(authority: Pair, name: str, not_before=None, not_after=None) -> Pair:
    """A client's certificate and its new key. `name`, the thing's name, is its common name (at most 64 characters)."""
    key = new_key()
    return Pair(sign_client(authority, key.public_key(), name, not_before, not_after), key)


def sign_server(authority: Pair, public_key, names, not_before=None, not_after=None) -> x509.Certificate:
    """A server's certificate for an existing key. The first of `names` is its common name."""
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    # A common name has at most 64 characters. Clients use the alternative names.
    return _leaf(authority, public_key, names[0][:64], usage, not_before, not_after, alternatives)


def sign_client(authority: Pair, public_key, name: str, not_before=None, not_after=None) -> x509.Certificate:
    """A client's certificate for an existing key."""
    return _leaf(authority, public_key, name, ExtendedKeyUsageOID.CLIENT_AUTH, not_before, not_after)


def encode_key(key, encoding: serialization.Encoding) -> bytes:
    """A private key as bytes for a file, without a password."""
    return key.private_bytes(encoding, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def save(pair: Pair, folder: Path, stem: str) -> Files:
    """Write PEM and DER. Keys have mode 0600 from the first byte."""
    paths = Files.of(folder, stem)
    encoding = serialization.Encoding
    files.write(paths.pem, pair.certificate.public_bytes(encoding.PEM))
    files.write(paths.der, pair.certificate.public_bytes(encoding.DER))
    for path, kind in ((paths.key_pem, encoding.PEM), (paths.key_der, encoding.DER)):
        files.write(path, encode_key(pair.key, kind), 0o600)
    return paths


def ensure(folder: Path, thing: str) -> Bundle:
    """The bundle for `thing` in `folder`. A new one is made unless the present one is valid for another day."""
    bundle = Bundle(*(Files.of(folder, stem) for stem in ("ca", "server", "service", "thing")), thing)
    if not usable(bundle):
        make_bundle(folder, thing)
    return bundle


def make_bundle(folder: Path, thing: str) -> Bundle:
    """A new authority and everything that it signs. The authority's own key is not kept."""
    authority = make_authority()
    ca = save(authority, folder, "ca")
    for path in (ca.key_pem, ca.key_der):
        path.unlink()
    pairs = (make_server(authority), make_client(authority, "service"), make_client(authority, thing))
    saved = (save(pair, folder, stem) for pair, stem in zip(pairs, ("server", "service", "thing"), strict=True))
    return Bundle(ca, *saved, thing)


def usable(bundle: Bundle) -> bool:
    """Whether all files are there, belong together and are valid for another day."""
    tomorrow = now() + datetime.timedelta(days=1)
    try:
        authority = x509.load_der_x509_certificate(bundle.ca.der.read_bytes())
        for paths in (bundle.server, bundle.service, bundle.thing):
            certificate = x509.load_der_x509_certificate(paths.der.read_bytes())
            certificate.verify_directly_issued_by(authority)
            key = serialization.load_der_private_key(paths.key_der.read_bytes(), None)
            if certificate.public_key() != key.public_key() or certificate.not_valid_after_utc < tomorrow:
                return False
            if not (paths.pem.exists() and paths.key_pem.exists() and bundle.ca.pem.exists()):
                return False
        return certificate.subject == _name(bundle.thing_name)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False


def _leaf(authority: Pair, public_key, name: str, usage, not_before, not_after, alternatives=None) -> x509.Certificate:
    builder = _builder(name, public_key, not_before, not_after).issuer_name(authority.certificate.subject)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(identifier, critical=False)
    if alternatives:
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _builder(name, public_key, not_before, not_after) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now() - SKEW)
        .not_valid_after(not_after or now() + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(**given) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: given.get(name, False) for name in USAGES})


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def now() -> datetime.datetime:
    """This moment, with its time zone: dates without one are not compared."""
    return datetime.datetime.now(datetime.timezone.utc)
