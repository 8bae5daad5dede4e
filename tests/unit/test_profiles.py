"""Profiles: what is outside of one is told as such, and none is a waiver of what is never waived."""

from __future__ import annotations

from typing import get_args

import pytest

from hedgerow import profiles
from hedgerow.catalog import load_catalog, whole_catalog
from hedgerow.declaration import parse
from hedgerow.declaration.models import Profile
from hedgerow.errors import DeclarationError
from hedgerow.verify import verify
from tests.conftest import TOKEN
from tests.unit.test_verify import sheet_of

CATALOG = load_catalog()
EVERY = profiles.profiles()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"


def declared(key: str, *more: str, factor: str = "fido2") -> str:
    return "\n".join(
        [
            "name: acme",
            "domain: analytics.acme.example",
            "target: {kind: lab}",
            f'access: {{second_factor: {factor}, administrators: [{{name: jane, ssh_keys: ["{key}"]}}]}}',
            *more,
        ]
    )


def test_a_declaration_knows_just_the_profiles_that_there_are() -> None:
    assert get_args(Profile) == tuple(EVERY)
    assert parse(declared(KEY, factor="none")).profile == profiles.DEFAULT


def test_every_name_in_them_is_a_control() -> None:
    for each in EVERY.values():
        assert (each.controls or frozenset()) <= CATALOG.ids


def test_what_names_a_benchmark_is_in_the_profiles_of_that_benchmark() -> None:
    named = {control.id for control in CATALOG.controls if {edition for edition, _ in control.cis} - {"controls_v8_1"}}
    assert EVERY["cis-level-2"].controls == named
    assert EVERY["cis-level-1"].controls is not None
    assert named - EVERY["cis-level-1"].controls >= {"audit.running", "ssh.no-forwarding"}


@pytest.mark.parametrize("name", EVERY)
def test_nothing_that_is_never_waived_is_left_out(name: str) -> None:
    catalog = whole_catalog()
    assert not catalog.never_waived.keys() & EVERY[name].outside(catalog).keys()


def test_the_default_leaves_nothing_out() -> None:
    assert EVERY["hipaa"].outside(whole_catalog()) == {}
    assert EVERY["hipaa-2025"].outside(whole_catalog()) == {}


def test_what_is_outside_is_not_asked_and_never_passes() -> None:
    outside = dict.fromkeys(CATALOG.ids, "outside of the profile x: not asked")
    found = verify([sheet_of()], catalog=CATALOG, outside=outside)
    assert len(found) == len(CATALOG.concerning(sheet_of().host.roles))
    assert {(finding.status, finding.reason) for finding in found} == {
        ("not-exercised", "outside of the profile x: not asked")
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (declared(TOKEN, "profile: hipaa-2025"), "needs backup"),
        (declared(KEY, "profile: hipaa-2025", "backup: {to: /srv}", factor="none"), "needs access.second_factor"),
        (declared(KEY), "lives in a file"),
    ],
)
def test_what_is_demanded_and_not_declared_is_refused(text: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        parse(text)


def test_what_is_demanded_and_declared_is_taken() -> None:
    assert parse(declared(TOKEN, "profile: hipaa-2025", "backup: {to: /srv}")).profile == "hipaa-2025"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: a, title: A, controls: all, demand: {}}", "unknown demand"),
        ("- {name: a, title: A, controls: all}\n- {name: a, title: A, controls: all}", "listed twice"),
        ("- {name: a, title: A, controls: [x.y], also: b}", "does not stand above"),
        (
            "- {name: a, title: A, controls: all}\n- {name: b, title: B, controls: [x.y], also: a}",
            "holds all controls",
        ),
    ],
)
def test_one_that_is_not_whole_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        profiles.read(text)
