"""Certificates of the private CA."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from hedgerow import pki

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("analytics.acme.example", "192.0.2.7")


@pytest.fixture(scope="module")
def authority() -> pki.Pair:
    return pki.new_authority("acme", NOW)


@pytest.fixture(scope="module")
def leaf(authority: pki.Pair) -> pki.Pair:
    return pki.issue(authority, NAMES, NOW)


def test_a_leaf_carries_its_names_and_may_sign_nothing(leaf: pki.Pair) -> None:
    certificate = x509.load_pem_x509_certificate(leaf.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAMES[0]]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [NAMES[1]]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc - NOW == timedelta(days=pki.LEAF_DAYS)


@pytest.mark.parametrize(
    ("names", "days", "renew"),
    [
        (NAMES, 0, False),
        (NAMES, pki.LEAF_DAYS - pki.RENEW_WITHIN_DAYS - 1, False),
        (NAMES, pki.LEAF_DAYS - pki.RENEW_WITHIN_DAYS + 1, True),
        (NAMES[:1], 0, True),
        ((*NAMES, "other.acme.example"), 0, True),
    ],
)
def test_when_a_leaf_is_renewed(
    authority: pki.Pair, leaf: pki.Pair, names: tuple[str, ...], days: int, renew: bool
) -> None:
    at = NOW + timedelta(days=days)
    assert pki.must_renew(leaf.certificate, authority.certificate, names, at) is renew


def test_a_leaf_of_another_authority_is_renewed(leaf: pki.Pair) -> None:
    other = pki.new_authority("other", NOW)
    assert pki.must_renew(leaf.certificate, other.certificate, NAMES, NOW)


def test_a_key_and_certificate_of_two_runs_do_not_belong_together(authority: pki.Pair, leaf: pki.Pair) -> None:
    other = pki.issue(authority, NAMES, NOW)
    assert pki.belong_together(leaf)
    assert not pki.belong_together(pki.Pair(leaf.certificate, other.key))
