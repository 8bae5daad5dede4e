"""What a declaration may say of Google Cloud, what follows from it, and how what is there is compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hedgerow.declaration import DeclarationError, parse
from hedgerow.targets.cloud.sources import networks
from hedgerow.targets.gcp import facts
from hedgerow.targets.gcp.permissions import permissions, services
from hedgerow.targets.gcp.place import Place
from hedgerow.targets.gcp.shape import shaped

TEXT = (Path(__file__).parents[2] / "inventories" / "gcp" / "deploy.yml").read_text()
REGION = "region: us-central1"
KEY = "projects/p/locations/r/keyRings/k/cryptoKeys/data"
LINK = "projects/p/global/networks/n"


def test_the_example_holds() -> None:
    target = parse(TEXT).target
    assert target.kind == "gcp"
    assert (target.size, target.public, target.zone, target.cidr) == ("medium", False, None, "10.90.0.0/20")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("  - {with: gcp,", "  - {with: aws,", "no business associate agreement with gcp"),
        (REGION, "region: iowa", "is no region of Google Cloud"),
        (REGION, f"{REGION}\n  zone: us-central1-b", "is no letter of a zone"),
        (REGION, f"{REGION}\n  public: true", "Google knows no `controller`"),
        (REGION, f"{REGION}\n  cidr: 10.90.0.0/30", "between 16 and 28"),
        (REGION, f"{REGION}\n  cidr: 8.8.0.0/20", "no private IPv4 network"),
        ("project: acme-analytics", "project: Acme", "is no id of a project"),
        ("size: medium", "size: huge", "is not one of small, medium, large"),
        ("  size: medium", "  vpc: x", "is not a key"),
    ],
)
def test_what_is_wrong_is_said_with_its_fix(was: str, now: str, said: str) -> None:
    assert was in TEXT
    with pytest.raises(DeclarationError) as refused:
        parse(TEXT.replace(was, now))
    assert said in refused.value.message and refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("found", "wanted", "shown"),
    [
        (None, False, False),
        (None, True, None),
        (None, "", ""),
        (f"https://www.googleapis.com/compute/v1/{LINK}", LINK, LINK),
        ({"kmsKeyName": f"{KEY}/cryptoKeyVersions/3", "x": 1}, {"kmsKeyName": KEY}, {"kmsKeyName": KEY}),
        ({"enable": True, "more": 1}, {"enable": True}, {"enable": True}),
        (None, {"enable": True}, {"enable": None}),
        ([{"a": 1, "b": 2}], [{"a": 1}], [{"a": 1}]),
        ([{"a": 1, "b": 2}, {"a": 2}], [{"a": 1}], [{"a": 1, "b": 2}, {"a": 2}]),
        (None, ["x"], []),
    ],
)
def test_what_is_there_is_seen_in_the_shape_of_what_is_wanted(found: Any, wanted: Any, shown: Any) -> None:
    assert shaped(found, wanted) == shown


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (("any", "controller"), ("0.0.0.0/0",)),
        (("198.51.100.7", "198.51.100.7/32", "2001:db8::/32"), ("198.51.100.7/32",)),
        (("controller",), ()),
    ],
)
def test_only_networks_of_ipv4_reach_the_firewall(sources: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert networks(sources) == found


@pytest.mark.parametrize(
    ("zone", "called", "said"),
    [
        ("us-central1-a", services(), ""),
        ("mars-north1-a", (), "is not among the regions"),
        ("us-east1-a", (), "has no zone a"),
        ("us-central1-a", ("vertex",), "vertex is not on Google's list"),
    ],
)
def test_where_health_information_may_lie(zone: str, called: Any, said: str) -> None:
    found = facts.problems(zone, called)
    assert (said in found[0]) if said else found == []


def test_a_zone_is_the_declared_or_the_first() -> None:
    assert facts.zone("us-east1", None) == "us-east1-b" and facts.zone("us-central1", "f") == "us-central1-f"


@pytest.mark.parametrize("deployment", ["a", "acme", "a-name-of-twenty-let"])
def test_an_account_has_a_name_that_google_takes(deployment: str) -> None:
    account = Place("acme-analytics", "us-central1", "us-central1-a", deployment).email.partition("@")[0]
    assert 6 <= len(account) <= 30 and account.startswith("hedgerow-")


def test_the_role_has_no_star_and_no_owner() -> None:
    found = permissions()
    assert len(found) == len(set(found)) and not [one for one in found if "*" in one]
    assert "resourcemanager.projects.setIamPolicy" not in found and "iam.roles.update" not in found
