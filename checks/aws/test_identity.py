"""The account itself: who can be it."""

from __future__ import annotations

import pytest

from checks.aws.found import judge
from hedgerow.checking import NotExercised

LEAST_LENGTH = 14
"""Characters of a password, after CIS's foundations benchmark for AWS, section on identity."""


def _summary(aws, finding, name: str, wanted: int) -> None:
    finding.expect(f"{name} {wanted}")
    said = aws.ask("iam.get_account_summary")["SummaryMap"]
    judge(finding, {name: said.get(name)}, lambda number: number == wanted, "account summary")


@pytest.mark.control("aws.root-second-factor")
def test_root_has_a_second_factor(aws, finding):
    _summary(aws, finding, "AccountMFAEnabled", 1)


@pytest.mark.control("aws.root-no-keys")
def test_root_has_no_access_key(aws, finding):
    _summary(aws, finding, "AccountAccessKeysPresent", 0)


@pytest.mark.control("aws.root-no-certificates")
def test_root_has_no_signing_certificate(aws, finding):
    _summary(aws, finding, "AccountSigningCertificatesPresent", 0)


def _passwords(aws) -> dict[str, object]:
    if not aws.ask("iam.get_account_summary")["SummaryMap"]["Users"]:
        raise NotExercised("the account has no user of its own: nobody has a password there")
    policy: dict[str, object] = aws.ask("iam.get_account_password_policy", "NoSuchEntity").get("PasswordPolicy", {})
    return policy


@pytest.mark.control("aws.passwords-long")
def test_passwords_are_long(aws, finding):
    finding.expect(f"{LEAST_LENGTH} characters or more")
    seen = {"MinimumPasswordLength": _passwords(aws).get("MinimumPasswordLength", 0)}
    judge(finding, seen, lambda said: said >= LEAST_LENGTH, "password policy")


@pytest.mark.control("aws.passwords-not-again")
def test_old_passwords_do_not_come_back(aws, finding):
    finding.expect("24 earlier passwords refused")
    seen = {"PasswordReusePrevention": _passwords(aws).get("PasswordReusePrevention", 0)}
    judge(finding, seen, lambda said: said >= 24, "password policy")
