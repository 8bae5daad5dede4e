"""A certificate that the operator provides, held against its key, its domain and the clock."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from hedgerow.declaration.words import RefusedError

SHORTEST_RSA = 2048
"""CA/Browser Forum baseline requirements, 6.1.5."""
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
BROKEN_HASHES = (hashes.MD5, hashes.SHA1)


def chain(pem: bytes) -> list[x509.Certificate]:
    """Read the certificates of a PEM file. Raises RefusedError."""
    if b"PRIVATE KEY-----" in pem:
        raise RefusedError(
            "the file holds a private key", "Keep the key in its own file, key_file; here only certificates."
        )
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise RefusedError(
            "the file holds no PEM certificate",
            "Convert it, if it is DER: `openssl x509 -inform der -in FILE -out FILE.pem`.",
        )
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise RefusedError(
            "a certificate in the file is damaged", "Copy it again, with its BEGIN and END lines."
        ) from None


def public_key(pem: bytes) -> None:
    """Read the key that images are signed with; Podman takes ECDSA P-256 keys alone here. Raises RefusedError."""
    fix = "Name the public half, which `cosign generate-key-pair` writes as cosign.pub."
    if b"PRIVATE KEY-----" in pem:
        raise RefusedError("the file holds a private key", fix)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise RefusedError("the file holds no PEM public key", fix) from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RefusedError("the key is not an ECDSA key", fix)


def private_key(pem: bytes) -> PrivateKey:
    """Read the private key of a server certificate. Raises RefusedError, and never repeats the key."""
    if b"PRIVATE KEY-----" not in pem:
        raise RefusedError(
            "the file holds no PEM private key", "Name the file that begins with -----BEGIN PRIVATE KEY-----."
        )
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise RefusedError(
            "the key asks for a passphrase, and nginx starts without a person beside it",
            "Write it without: `openssl pkey -in FILE -out FILE.pem`, then `chmod 600 FILE.pem`.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise RefusedError(
            "the key is damaged or of an unknown kind", "Copy it again, with its BEGIN and END lines."
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise RefusedError(
            f"an RSA key of {key.key_size} bits is too short", f"Ask for a new one of {SHORTEST_RSA} or more."
        )
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        kind = "DSA" if isinstance(key, dsa.DSAPrivateKey) else "this"
        raise RefusedError(f"browsers accept no {kind} key", "Ask for a certificate with an ECDSA P-256 or an RSA key.")
    return key


def chain_problems(certificates: list[x509.Certificate], domain: str, now: datetime.datetime) -> list[RefusedError]:
    """Say everything wrong with a chain for this domain at this time (UTC)."""
    try:
        return [*_dates(certificates, now), *_leaf(certificates[0], domain), *_order(certificates)]
    except (ValueError, UnsupportedAlgorithm):  # fields of a certificate are decoded only when they are looked at
        return [RefusedError("a certificate in the file cannot be understood", "Ask its issuer for a new one.")]


def authority_problems(certificates: list[x509.Certificate], now: datetime.datetime | None) -> Iterator[RefusedError]:
    """Say which of these may not sign the certificates of others. Without `now`, none has expired."""
    for index, each in enumerate(certificates):
        which = f"certificate {index + 1} in the file"
        try:
            signs = each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except (x509.ExtensionNotFound, ValueError):
            signs = False
        if not signs:
            yield RefusedError(f"{which} is no CA's", "Name the certificate of the CA that issues to people.")
        if now and each.not_valid_after_utc < now:
            yield RefusedError(f"{which} expired on {each.not_valid_after_utc:%Y-%m-%d}", "Renew it, then run again.")


def belongs(key: PrivateKey, leaf: x509.Certificate) -> bool:
    """Tell whether a certificate was made for this key."""
    try:
        return key.public_key() == leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _dates(certificates: list[x509.Certificate], now: datetime.datetime) -> Iterator[RefusedError]:
    for index, certificate in enumerate(certificates):
        which = "the certificate" if index == 0 else f"certificate {index + 1} of the chain"
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if end < now:
            yield RefusedError(f"{which} expired on {end:%Y-%m-%d}", "Renew it, then run again.")
        if begin > now:
            fix = "Wait until then, or correct the clock of this machine."
            yield RefusedError(f"{which} is not valid before {begin:%Y-%m-%d %H:%M} UTC", fix)


def _leaf(leaf: x509.Certificate, domain: str) -> Iterator[RefusedError]:
    if isinstance(leaf.signature_hash_algorithm, BROKEN_HASHES):
        broken = leaf.signature_hash_algorithm.name
        yield RefusedError(f"it is signed with {broken}", "Ask for a new one signed with SHA-256.")
    names = _names(leaf)
    if not any(_covers(name, domain) for name in names):
        fix = "Ask for a certificate with this domain among its subject alternative names, or correct `domain`."
        yield RefusedError(f"it is for {', '.join(names[:4]) or 'no name at all'}, not for {domain}", fix)
    if not _for_servers(leaf):
        yield RefusedError("it is not for servers (extended key usage)", "Ask for a TLS server certificate.")


def _order(certificates: list[x509.Certificate]) -> Iterator[RefusedError]:
    for index, (lower, upper) in enumerate(itertools.pairwise(certificates)):
        if not _issued(lower, upper):
            fix = "Order the file: first the server's own certificate, then each issuer, up to but without the root."
            yield RefusedError(f"certificate {index + 2} in the file did not sign certificate {index + 1}", fix)
            return


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _covers(name: str, domain: str) -> bool:
    """Match as browsers do: a wildcard stands for the whole first label (RFC 9525, 6.3)."""
    return name == domain or (name.startswith("*.") and name[2:] == domain.partition(".")[2])


def _for_servers(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
