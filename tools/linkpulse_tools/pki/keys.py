"""The device's key: made here, or the device's own, of which there is only a certificate request."""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki import certs
from linkpulse_tools.pki.store import Store

RSA_BITS = 2048
LARGEST = 65536  # bytes of a file that may be a request


def read_request(path: Path) -> x509.CertificateSigningRequest:
    """The request in a file, as PEM or DER. It must be signed by its own key, of a kind that brokers accept."""
    with path.open("rb") as file:
        data = file.read(LARGEST)
    load = x509.load_pem_x509_csr if b"-----BEGIN" in data else x509.load_der_x509_csr
    try:
        request = load(data)
        sound = request.is_signature_valid
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ToolError(f"{path} is not a certificate request as PEM or DER: {error}") from None
    if not sound:
        raise ToolError(f"{path}: the request is not signed by its own key: create it again on the device")
    good = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not good and not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS):
        raise ToolError(f"{path}: the key must be EC P-256, or RSA with {RSA_BITS} bits or more")
    return request


def make_request(key, thing: str) -> x509.CertificateSigningRequest:
    """A request for a key that is here."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing)])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())


def ensure(store: Store, name: str, encoding=serialization.Encoding.DER):
    """(key, state) of the private key in a file. It is created if there is none."""
    data = store.read(name)
    if data is None:
        key = certs.new_key()
        return key, store.write(name, certs.encode_key(key, encoding), 0o600)
    return load(store, name), store.write(name, data, 0o600)


def load(store: Store, name: str):
    """The private key in a file, as PEM or DER and without a password."""
    data = store.read(name)
    pem = b"-----BEGIN" in data
    try:
        return (serialization.load_pem_private_key if pem else serialization.load_der_private_key)(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ToolError(f"{store.path(name)} is not a private key without a password: put the right one back") from None
