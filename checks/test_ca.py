"""The private authority: trusted by name, and its key nowhere here."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from checks.gathered import PRIVATE_KEYS
from hedgerow.checking import CouldNotAsk

TRUSTED = "openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt /etc/hedgerow/ca.crt"
FINGERPRINT = "openssl x509 -in /etc/hedgerow/ca.crt -noout -fingerprint -sha256"


# The fingerprint of each key's public half. A key in OpenSSH's own form signs no certificates;
# one under a passphrase does not tell whose it is.
PUBLIC_HALVES = PRIVATE_KEYS + (
    ' | while read -r file; do if grep -q \'BEGIN OPENSSH\' "$file"; then echo "openssh $file";'
    ' elif half=$(openssl pkey -in "$file" -passin pass: -pubout -outform DER | sha256sum | cut -d " " -f 1);'
    ' then echo "$half $file"; else echo "sealed $file"; fi; done'
)

ASK_AHEAD = (PUBLIC_HALVES,)


def authority(declared) -> x509.Certificate:
    """Return the certificate that the controller holds."""
    try:
        return x509.load_pem_x509_certificate(Path(declared.ca_file).read_bytes())
    except (OSError, ValueError) as error:
        raise CouldNotAsk(f"the controller has no certificate of the private authority: {error}") from error


@pytest.mark.control("ca.trusted")
def test_the_host_trusts_our_authority(host, finding, declared):
    """The system's own bundle must vouch for it, and it must be the controller's, not one of the same name."""
    ours = authority(declared).fingerprint(hashes.SHA256()).hex().upper()
    finding.expect(f"the system's trust store vouches for the authority {ours[:16]}…")
    there = finding.ask(host, FINGERPRINT, codes=(0, 1)).stdout.strip().rpartition("=")[2].replace(":", "")
    verified = finding.ask(host, TRUSTED, codes=(0, 1, 2))
    finding.observe(f"{there[:16] or 'no certificate'}…, {'trusted' if verified.rc == 0 else 'not trusted'}")
    assert there, "the host has no certificate of the private authority"
    assert there == ours, "the host's authority is not the controller's"
    assert verified.rc == 0, "the system's trust store does not vouch for the authority"


@pytest.mark.control("ca.key-absent")
def test_the_authority_s_key_is_not_here(host, finding, declared):
    """Each private key on the host is asked for its public half; none may be the authority's."""
    ours = hashlib.sha256(
        authority(declared)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()
    finding.expect("no private key on the host belongs to the authority")
    rows = [
        line.split(" ", 1) for line in finding.ask(host, PUBLIC_HALVES, timeout=60, codes=(0, 123)).stdout.splitlines()
    ]
    sealed = [path for half, path in rows if half == "sealed"]
    found = [path for half, path in rows if half == ours]
    finding.observe(f"{len(rows)} private keys, of the authority: {', '.join(found) or 'none'}")
    assert not found, f"the authority's private key lies in {', '.join(found)}"
    if sealed:
        raise CouldNotAsk(f"whose keys these are cannot be seen: {', '.join(sealed)}")
