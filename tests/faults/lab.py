"""What the advisor's cases need beside a World: certificates of every kind, and a look into a ClientHello."""

import datetime
import itertools
import struct
from contextlib import ExitStack
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from linkpulse_tools import paths
from linkpulse_tools.build import umqtt
from linkpulse_tools.device import interpreter
from linkpulse_tools.pki import certs
from tests.doubles.scripted_broker import server_context
from tests.faults.harness import World

DAY = datetime.timedelta(days=1)
SERVER_NAME = 0  # extensions of a ClientHello (IANA, TLS ExtensionType Values)


class Lab:
    """world() makes a device with its broker; `bundle` has the certificates, `authority` signs more of them."""

    def __init__(self, folder: Path):
        self._folder, self._numbers, self._stack = folder, itertools.count(), ExitStack()
        umqtt.ensure(paths.VENDOR)
        self._interpreter = interpreter.find()
        self.authority = certs.make_authority()
        pairs = certs.make_server(self.authority), certs.make_client(self.authority, "thing-1")
        server, thing = (certs.save(pair, folder, f"own-{n}") for n, pair in enumerate(pairs))
        self.bundle = certs.Bundle(certs.save(self.authority, folder, "ca"), server, server, thing, "thing-1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def world(self, context=None, **settings):
        world = World(self._interpreter, paths.VENDOR, self.bundle, self._new(), context, **settings)
        return self._stack.enter_context(world)

    def context(self, pair=None, chain=(), ciphers=None, client_ca=True, **versions):
        """A server's context with the certificate of `pair`, and `chain` after it."""
        files = self.bundle.server
        if pair is not None:
            files = certs.save(pair, self._new(), "server")
            with files.pem.open("ab") as pem:
                for other in chain:
                    pem.write(other.certificate.public_bytes(certs.serialization.Encoding.PEM))
        context = server_context(files, self.bundle.ca if client_ca else None, **versions)
        if ciphers:
            context.set_ciphers(ciphers)
        return context

    def trusting(self, pair):
        """Devices made from here on trust the authority in `pair`, and are known to the broker all the same."""
        ca = certs.save(pair, self._new(), "ca")
        return {"ca": str(ca.der)}

    def _new(self):
        return self._folder / str(next(self._numbers))


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def issue(name, issuer=None, authority=False, names=(), modulus=0):
    """A certificate signed by `issuer` (itself without): P-256, or RSA with a modulus of so many bits."""
    key = rsa.generate_private_key(65537, modulus) if modulus else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signer_name = (issuer.key, issuer.certificate.subject) if issuer else (key, subject)
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(signer_name, subject, key.public_key(), serial, now() - DAY, now() + DAY)
    builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    return certs.Pair(builder.sign(signer, hashes.SHA256()), key)


def client_hello(record):
    """(cipher suites, extensions as {type: data}) of a TLS record with a ClientHello (RFC 5246, 7.4.1.2)."""
    at = 5 + 4 + 2 + 32
    at += 1 + record[at]
    size = struct.unpack_from("!H", record, at)[0]
    suites = struct.unpack_from(f"!{size // 2}H", record, at + 2)
    at += 2 + size
    at += 1 + record[at] + 2
    extensions = {}
    while at < len(record):
        kind, size = struct.unpack_from("!HH", record, at)
        extensions[kind] = record[at + 4 : at + 4 + size]
        at += 4 + size
    return suites, extensions
