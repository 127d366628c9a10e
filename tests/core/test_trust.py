"""What an error of TLS means."""

from check import raises
from linkpulse.errors import NetworkError, SettingsError, TLSError
from linkpulse.session import trust
from linkpulse.session.trust import explain


def test_memory_that_tls_does_not_get_is_memory():
    for error in (
        OSError(12),
        OSError(-10368, "MBEDTLS_ERR_X509_ALLOC_FAILED"),
        OSError(-17168, "RSA - The private key operation failed : BIGNUM - Memory allocation failed"),
    ):
        assert isinstance(explain(error), MemoryError), error


def test_other_errors_are_not():
    assert isinstance(explain(OSError(-28928, "MBEDTLS_ERR_SSL_BAD_INPUT_DATA")), TLSError)
    assert isinstance(explain(OSError(104)), NetworkError)


def test_a_certificate_that_finds_no_memory_is_no_wrong_certificate():
    """TLS says the same of both."""

    def load(*ders):
        raise ValueError("invalid cert")

    raises(SettingsError, trust._load, load, (b"",), "ca.der")

    def full(size):
        raise MemoryError

    trust.bytearray = full
    try:
        raises(MemoryError, trust._load, load, (b"",), "ca.der")
    finally:
        del trust.bytearray
