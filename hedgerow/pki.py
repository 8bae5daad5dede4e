"""The private CA: certificates for everything that talks inside, and for the edge without a public one.

The CA's key never reaches a host. Pure but for the clock and the random numbers, which are passed in or are the
library's own.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 5 * 365
LEAF_DAYS = 90
RENEW_WITHIN_DAYS = 45
"""A monthly re-run meets every certificate at least once before it ends."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


def new_authority(name: str, at: datetime) -> Pair:
    """Return a new CA that may sign end certificates and nothing else (path length 0)."""
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Hedgerow private CA of {name}")])
    builder = (
        _builder(subject, subject, key.public_key(), at, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA384()), key)


def issue(authority: Pair, names: tuple[str, ...], at: datetime, *, client: bool = False) -> Pair:
    """Return a certificate for these DNS names and IP addresses; the first is its common name.

    It is a server's, or with `client` one that a client shows; neither can be used as the other.
    """
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    ca = x509.load_pem_x509_certificate(authority.certificate.encode())
    ca_key = serialization.load_pem_private_key(authority.key.encode(), password=None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = (
        _builder(subject, ca.subject, key.public_key(), at, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return _pair(builder.sign(ca_key, hashes.SHA384()), key)


def must_renew(certificate: str, authority: str, names: tuple[str, ...], at: datetime) -> bool:
    """Whether a certificate is near its end, was signed by another CA, or does not carry just these names."""
    leaf = x509.load_pem_x509_certificate(certificate.encode())
    ca = x509.load_pem_x509_certificate(authority.encode())
    carried = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if [_text(name) for name in carried] != list(names):
        return True
    try:
        leaf.verify_directly_issued_by(ca)
    except Exception:
        return True
    return leaf.not_valid_after_utc - at < timedelta(days=RENEW_WITHIN_DAYS)


def belong_together(pair: Pair) -> bool:
    """Whether the key is the certificate's: a run that was cut off between the two left a pair that does not match."""
    leaf = x509.load_pem_x509_certificate(pair.certificate.encode())
    key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    return leaf.public_key() == key.public_key()


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, at: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # An hour back, for a host whose clock is behind.
        .not_valid_before(at - timedelta(hours=1))
        .not_valid_after(at + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _text(name: x509.GeneralName) -> str:
    return str(name.value)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )
