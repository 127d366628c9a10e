"""Checks the certificates, and whether the key belongs to one of them. Only the device reads the key."""

import datetime
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linkpulse_tools.deploy.folder import SOON
from linkpulse_tools.doctor import probes
from linkpulse_tools.doctor.examination import Examination
from linkpulse_tools.doctor.model import FAILED, OK, WARNING, Finding, failed, ok, skipped, warning

BIT_STRING, INTEGER = 0x03, 0x02  # ASN.1's universal tags
RENEW = "`linkpulse provision THING --renew` makes a new one; check the clocks of the device and the broker, too"
RENEW_SERVER = "`linkpulse provision THING --renew` makes a new one: copy server.pem to the broker, and restart it"
EARLY = "is the clock of this device right, and that of the machine that made the certificate?"
AGAIN = "`linkpulse provision` makes both, `linkpulse deploy` copies them"


def parse(data: bytes) -> list[x509.Certificate]:
    """The certificates in a file, as PEM or DER. A ValueError if there are none."""
    if b"-----BEGIN" in data:
        return x509.load_pem_x509_certificates(data)
    return [x509.load_der_x509_certificate(data)]


def public_part(certificate: x509.Certificate) -> tuple[bytes, bytes] | None:
    """(header, body) of the DER that stands for this public key in a private key's file, or None for other kinds.

    In an EC key it is a BIT STRING with the point (RFC 5915), in an RSA key an INTEGER, the modulus (RFC 8017).
    """
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        tag, body = BIT_STRING, b"\0" + key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    elif isinstance(key, rsa.RSAPublicKey):
        tag, modulus = INTEGER, key.public_numbers().n
        body = modulus.to_bytes(modulus.bit_length() // 8 + 1, "big")
    else:
        return None
    size = len(body)
    length = [size] if size < 128 else [0x81, size] if size < 256 else [0x82, size >> 8, size & 255]
    return bytes([tag, *length]), body


def key(this: Examination) -> Finding:
    """Whether the private key belongs to the certificate. Only yes or no leaves the device."""
    names = f"{this.settings['key']} and {this.settings['cert']}"
    part = public_part(_read(this, "cert")[0])
    same, comparable = this.place.with_settings(probes.KEY, HEADER=part[0], BODY=part[1]) if part else (False, False)
    if same:
        return ok(f"{names} belong together")
    if comparable:
        return failed(f"{this.settings['key']} is not the key of {this.settings['cert']}", AGAIN)
    if this.conversation.get("secured"):
        return ok(f"{names} belong together: the broker has accepted them")
    text = f"whether {names} belong together is unknown: the key is of another kind, or has no public part"
    return warning(text, AGAIN)


def dates(this: Examination) -> Finding:
    """The dates of the device's certificate, of its CA, and of the server's certificate if it was seen."""
    now, seen = datetime.datetime.now(datetime.timezone.utc), []
    for kind, name in (("cert", "cert"), ("ca", "CA")):
        try:
            found = _read(this, kind)
        except ValueError:
            continue
        # One valid CA certificate is enough. The certificates after the device's own are its chain.
        best = max(found, key=lambda c: c.not_valid_after_utc) if kind == "ca" else found[0]
        seen.append(_judged(f"{name} {this.settings[kind]}", best, now))
    server = this.conversation.get("server")
    if this.place.gateway and not server and this.found["port"].status == OK:
        server = _server(this.settings)
    if server:
        seen.append(_judged("server", parse(server)[0], now))
    if not seen:
        return skipped("there is no certificate that can be read")
    worst = next(status for status in (FAILED, WARNING, OK) if any(status == found for found, _, _ in seen))
    hints = dict.fromkeys(hint for _, _, hint in seen if hint)
    return Finding(worst, "; ".join(text for _, text, _ in seen), ". ".join(hints))


def _server(settings: dict) -> bytes | None:
    """The certificate that the broker shows to this machine. It is read only: nothing is sent over the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((settings["host"], settings["port"]), settings["timeout"]) as raw,
            context.wrap_socket(raw, server_hostname=settings["server_name"]) as tls,
        ):
            return tls.getpeercert(True)
    except (OSError, ValueError):
        return None  # it ended the handshake, because it got no certificate


def _read(this: Examination, kind: str) -> list[x509.Certificate]:
    return parse(this.place.read(this.settings[kind]) or b"")


def _judged(name: str, certificate: x509.Certificate, now: datetime.datetime) -> tuple[str, str, str]:
    """(status, text, hint)."""
    renew = RENEW_SERVER if name == "server" else RENEW
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end < now:
        return FAILED, f"{name} expired on {end:%Y-%m-%d}", renew
    if begin > now:
        return FAILED, f"{name} is not valid before {begin:%Y-%m-%d %H:%M} UTC", EARLY
    status, hint = (WARNING, renew) if end < now + SOON else (OK, "")
    return status, f"{name} until {end:%Y-%m-%d}", hint
