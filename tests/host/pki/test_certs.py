"""Demo certificates: what they say, how they are kept, when they are made again."""

import datetime
import stat

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from linkpulse_tools.pki import certs as module

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def test_keys_are_p256_and_readable_by_their_owner_only(certs):
    for pair in (certs.server, certs.service, certs.thing):
        for path in (pair.key_pem, pair.key_der):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        certificate = x509.load_der_x509_certificate(pair.der.read_bytes())
        assert isinstance(certificate.public_key().curve, ec.SECP256R1)
        assert certificate == x509.load_pem_x509_certificate(pair.pem.read_bytes())


def test_authority_key_is_not_kept(certs):
    assert not certs.ca.key_pem.exists()
    assert not certs.ca.key_der.exists()


def test_server_is_named_for_loopback(certs):
    certificate = x509.load_der_x509_certificate(certs.server.der.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_thing_is_the_common_name(certs):
    certificate = x509.load_der_x509_certificate(certs.thing.der.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=thing-1"


def test_dates_and_signer_are_as_asked():
    authority, other = module.make_authority(), module.make_authority("other")
    pair = module.make_client(authority, "x", not_before=NOW - 2 * DAY, not_after=NOW - DAY)
    assert pair.certificate.not_valid_after_utc < NOW
    pair.certificate.verify_directly_issued_by(authority.certificate)
    with pytest.raises((InvalidSignature, ValueError)):
        pair.certificate.verify_directly_issued_by(other.certificate)


def test_ensure_keeps_what_is_good(tmp_path):
    first = module.ensure(tmp_path, "a").thing.der.read_bytes()
    assert module.ensure(tmp_path, "a").thing.der.read_bytes() == first


def test_ensure_makes_new_ones_for_another_thing(tmp_path):
    module.ensure(tmp_path, "a")
    bundle = module.ensure(tmp_path, "b")
    certificate = x509.load_der_x509_certificate(bundle.thing.der.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=b"


@pytest.mark.parametrize("spoil", ["missing", "garbage", "expired", "other key"])
def test_ensure_mends_what_cannot_be_used(tmp_path, spoil):
    bundle = module.ensure(tmp_path, "a")
    authority = module.make_authority()
    if spoil == "missing":
        bundle.server.key_pem.unlink()
    elif spoil == "garbage":
        bundle.thing.der.write_bytes(b"\x30\x03abc")
    elif spoil == "expired":
        module.save(module.make_server(authority, not_after=NOW + DAY / 2), tmp_path, "server")
        module.save(authority, tmp_path, "ca")
    else:
        bundle.thing.key_der.write_bytes(bundle.service.key_der.read_bytes())
    assert not module.usable(bundle)
    assert module.usable(module.ensure(tmp_path, "a"))
