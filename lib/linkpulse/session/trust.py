# SPDX-License-Identifier: MIT
"""Mutual TLS: makes the context from files, and explains TLS failures."""

import binascii
import errno
import os
from ..errors import AuthError, NetworkError, SettingsError, TLSError
from ..port import const

# What mbedTLS says about a certificate, and the text of the error.
_REASONS = (
    ("expired", "the server's certificate has expired: renew it, or set this device's clock"),
    ("future", "the server's certificate is not valid yet: is this device's clock right?"),
    ("expected CN", "the server's certificate is for another name: set host or server_name to the name in it"),
    ("not correctly signed", "the server's certificate is not signed by the CA in `ca`: is it the right broker?"),
)
_MAX_FILE = const(16384)
_ROOM = const(4096)  # more than a parsed certificate takes
REFUSED = "the broker ended the TLS handshake: does it know this device's certificate, and TLS 1.2?"
# The alerts that mean this device or its protocol (RFC 5246, 7.2.2; 116 is certificate_required of RFC 8446).
_REFUSALS = b"\x28\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x33\x46\x47\x74"
_FATAL_ALERT = const(-0x7780)  # MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
_BAD_CERTIFICATE = const(-0x7A00)
_BAD_VERSION = const(-0x6E80)
_CLOSE_NOTIFY = const(-0x7880)  # MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY
_CONN_EOF = const(-0x7280)  # MBEDTLS_ERR_SSL_CONN_EOF


def context(ca, cert, key):
    """A client's SSLContext that always verifies the server, from three files in PEM or DER.

    Raises SettingsError if a file is missing or has wrong contents, or if other users can read the key. Raises
    TLSError if this firmware cannot verify certificates.
    """
    from ..port import tls

    try:
        mode = os.stat(key)[0]
    except OSError as e:
        raise SettingsError("key: %s cannot be read (error %s)" % (key, e.args[0]))
    if mode & 0o077:
        raise SettingsError("key: %s can be read by others: chmod 600 it" % key)
    c = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    required = getattr(tls, "CERT_REQUIRED", None)  # axTLS does not have it
    if required is not None:
        c.verify_mode = required
    if required is None or c.verify_mode != required:
        raise TLSError("this firmware's TLS does not verify certificates: use one with mbedTLS")
    for der in ders("ca", ca):
        _load(c.load_verify_locations, (der,), ca)
    # In DER, a chain is one buffer, too. The first certificate is the device's own.
    _load(c.load_cert_chain, (ders("cert", cert)[0], ders("key", key)[0]), cert, key)
    return c


def _load(load, blocks, path, key=None):
    try:
        load(*blocks)
    except (ValueError, OSError) as e:
        bytearray(_ROOM)  # raises MemoryError if memory ran out, which TLS does not say
        name = "ca"
        if key is not None:
            name = "cert"
            if "key" in str(e):
                name = "key"
                path = key
        raise SettingsError("%s: %s does not hold what it should, as PEM or DER" % (name, path))


def ders(name, path):
    """The DER blocks of a file in PEM or DER. Most builds of MicroPython read only DER, so PEM is decoded here.

    Raises SettingsError, which names the setting `name`.
    """
    try:
        size = os.stat(path)[6]
        if size > _MAX_FILE:
            raise SettingsError("%s: %s has %d bytes: that is neither a key nor a certificate" % (name, path, size))
        with open(path, "rb") as f:
            data = f.read(size)
    except OSError as e:
        raise SettingsError("%s: %s cannot be read (error %s)" % (name, path, e.args[0]))
    if b"-----BEGIN" not in data:
        return (data,)
    blocks = []
    for part in data.split(b"-----BEGIN ")[1:]:
        label, _, body = part.partition(b"-----")
        if label != b"EC PARAMETERS":
            blocks.append(_decoded(name, path, body.partition(b"-----END")[0]))
    if not blocks:
        raise SettingsError("%s: %s has neither a key nor a certificate in it" % (name, path))
    return blocks


def _decoded(name, path, body):
    try:
        return binascii.a2b_base64(b"".join(body.split()))
    except ValueError:
        raise SettingsError("%s: %s is not whole: its base64 cannot be read" % (name, path))


def explain(error, alert=0):
    """The typed error for what a socket or TLS raised. `alert` is the number of the alert that ended the handshake, 0
    if there is none. Returns MemoryError if memory ran out."""
    text = str(error)
    if isinstance(error, ValueError):
        for mark, reason in _REASONS:
            if mark in text:
                return TLSError(reason)
        return TLSError("the server's certificate is refused: " + text)
    code = error.args[0] if error.args else 0
    # On most boards mbedTLS uses the Python heap. ESP-IDF has its own texts.
    if abs(code) == errno.ENOMEM or "ALLOC_FAILED" in text or "allocation failed" in text:
        return MemoryError()
    if alert in _REFUSALS or code == _FATAL_ALERT:
        return AuthError(REFUSED)
    if code < -255:
        return _failure(code, text)
    return NetworkError("the connection is lost (error %s)" % text)


def _failure(code, text):
    if code == _CLOSE_NOTIFY or code == _CONN_EOF:
        return NetworkError("the broker closed the connection")
    if code == _BAD_CERTIFICATE:
        return TLSError("the server's certificate is not for a server: its key usage must include serverAuth")
    if code == _BAD_VERSION:
        return TLSError("the broker speaks an older TLS than 1.2: let it speak 1.2")
    return TLSError("TLS failed (%s): is that port a TLS listener?" % text)
