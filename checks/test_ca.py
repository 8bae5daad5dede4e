"""The private authority: trusted by name, and its key nowhere here."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from checks.gathered import PRIVATE_KEYS, private_keys
from hedgerow.checking import CouldNotAsk

TRUSTED = "openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt /etc/hedgerow/ca.crt"
FINGERPRINT = "openssl x509 -in /etc/hedgerow/ca.crt -noout -fingerprint -sha256"

ASK_AHEAD = (PRIVATE_KEYS,)


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
    ours = (
        authority(declared)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    finding.expect("no private key on the host belongs to the authority")
    found = []
    looked = 0
    for path in private_keys(host, finding):
        kept = finding.ask(host, f"grep -m1 -a 'BEGIN' {shlex.quote(path)}").stdout
        if "OPENSSH" in kept:
            continue  # a form that only SSH reads, and no authority signs with
        answer = finding.ask(host, f"openssl pkey -in {shlex.quote(path)} -pubout -passin pass:", codes=(0, 1))
        if answer.rc != 0:
            raise CouldNotAsk(f"whose key {path} is cannot be seen: {answer.stderr.strip().splitlines()[-1:]}")
        looked += 1
        found += [path] if answer.stdout.encode() == ours else []
    finding.observe(f"{looked} private keys, of the authority: {', '.join(found) or 'none'}")
    assert not found, f"the authority's private key lies in {', '.join(found)}"
