"""Reads what the other end of a TLS connection showed."""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from syndicate.core.doctor.certificate import Certificate


def certificate_of(secured: ssl.SSLSocket | ssl.SSLObject) -> Certificate | None:
    """The server's certificate, whether it was verified or not; None when it cannot be read."""
    encoded = secured.getpeercert(True)  # by position: httpx hands out what is beneath, which knows no names
    if not encoded:
        return None
    try:
        found = x509.load_der_x509_certificate(encoded)
        return Certificate(_names(found), _issuer(found), found.not_valid_after_utc)
    except ValueError:
        return None


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    return (*extension.get_values_for_type(x509.DNSName), *addresses)


def _issuer(found: x509.Certificate) -> str:
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in found.issuer.get_attributes_for_oid(oid):
            return str(attribute.value)
    return ""
