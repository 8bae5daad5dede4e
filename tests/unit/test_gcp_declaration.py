"""What a declaration may say of Google Cloud, what follows from it, and how what is there is compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hedgerow import repository
from hedgerow.cloud_sheet import GcpSheet, cloud_sheets
from hedgerow.declaration import DeclarationError, parse
from hedgerow.declaration.gcp import PROXIES
from hedgerow.declared import declared_facts
from hedgerow.firewall_values import firewall
from hedgerow.firewall_values import relays as relays_of
from hedgerow.hosts import Host, Site
from hedgerow.services import NO_SERVICES
from hedgerow.stack import Stack
from hedgerow.targets.cloud.sources import networks
from hedgerow.targets.gcp import facts
from hedgerow.targets.gcp.permissions import permissions, services
from hedgerow.targets.gcp.place import Place
from hedgerow.targets.gcp.shape import shaped

TEXT = (Path(__file__).parents[2] / "inventories" / "gcp" / "deploy.yml").read_text()
REGION = "region: us-central1"
BALANCED = "  load_balancer: {}\n"
KEY = "projects/p/locations/r/keyRings/k/cryptoKeys/data"
LINK = "projects/p/global/networks/n"


def test_the_example_holds() -> None:
    target = parse(TEXT).target
    assert target.kind == "gcp"
    assert (target.size, target.public, target.zone, target.cidr) == ("medium", False, None, "10.92.0.0/20")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("  - {with: gcp,", "  - {with: aws,", "no business associate agreement with gcp"),
        (REGION, "region: iowa", "is no region of Google Cloud"),
        (REGION, f"{REGION}\n  zone: us-central1-b", "is no letter of a zone"),
        (REGION, f"{REGION}\n  public: true", "Google knows no `controller`"),
        (REGION, f"{REGION}\n  cidr: 10.92.0.0/30", "between 16 and 28"),
        (REGION, f"{REGION}\n  cidr: 10.90.16.0/20", "where the containers live"),
        (REGION, f"{REGION}\n  cidr: 8.8.0.0/20", "no private IPv4 network"),
        ("project: acme-analytics", "project: Acme", "is no id of a project"),
        ("name: acme", "name: acme-g00gle", "Google has none that contains g00gle"),
        ("size: medium", "size: huge", "is not one of small, medium, large"),
        ("  size: medium", "  vpc: x", "is not a key"),
        (REGION, f"{REGION}\n  load_balancer: {{certificate: analytics}}", "is no certificate of Compute Engine"),
        (REGION, f"{REGION}\n  load_balancer: {{}}\n  public: true", "could be entered beside it"),
        (REGION, f"{REGION}\n  load_balancer: {{kind: network}}", "application"),
        ("access:", BALANCED + "tls: {certificate: acme}\naccess:", "where the load balancer does not listen"),
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


@pytest.mark.parametrize(
    ("more", "web", "relays"),
    [
        ("", ["10.0.0.0/8", "198.51.100.0/24"], []),
        ("\n  load_balancer: {}", ["10.0.0.0/8"], list(PROXIES)),
    ],
    ids=["none", "in front"],
)
def test_behind_a_balancer_the_edge_believes_google_s_proxies_and_lets_nobody_else_in(
    more: str, web: list[str], relays: list[str]
) -> None:
    text = TEXT.replace("ingest_from: [10.0.0.0/8]", "ingest_from: [198.51.100.0/24]")
    declaration = parse(text.replace(REGION, f"{REGION}{more}"))
    host = Host("analytics-1", "10.92.0.7", "10.92.0.7", user="hedgerow")
    site = Site(hosts=(host,), controller="192.0.2.1")
    stack = Stack(NO_SERVICES, declaration.domain, site.hosts, {}, stand_in=False)
    rules = [rule for rule in firewall(declaration, site, host, stack)["firewall_inbound"] if 443 in rule["ports"]]
    found = {tuple(rule["from"]): rule["ports"] for rule in rules}
    assert found == {tuple(web): [80, 443]} | ({tuple(relays): [443]} if relays else {})
    assert relays_of(declaration) == tuple(relays)
    ssh, *_ = firewall(declaration, site, host, stack)["firewall_inbound"]
    assert ssh["from"] == ["35.235.240.0/20", "192.0.2.1/32"], "a tunnel ends at another address each time"
    facts_ = declared_facts(declaration, site, host)
    both = ("10.0.0.0/8",) if relays else ("198.51.100.0/24",)
    assert (facts_.interface_from, facts_.ingest_from) == (("10.0.0.0/8",), () if relays else both)
    (sheet,) = cloud_sheets(declaration, "192.0.2.1")
    assert isinstance(sheet, GcpSheet)
    assert (sheet.balancer, set(sheet.clients)) == (bool(relays), {"10.0.0.0/8", "198.51.100.0/24"})
    assert dict(sheet.ingress)[443] == (*web, *relays)


def test_backups_may_go_to_the_bucket_that_is_made_and_not_where_none_is() -> None:
    said = "backup: {to: bucket}\n"
    declaration = parse(TEXT + said)
    bucket = Place("acme-analytics", "us-central1", "us-central1-a", "acme").bucket("backup")
    assert repository.place(declaration, f"gs://{bucket}") == f"gs://{bucket}/acme"
    options = repository.options(declaration, f"gs://{bucket}")
    assert (options["repo1-gcs-bucket"], options["repo1-path"]) == (bucket, "/acme")
    with pytest.raises(TypeError, match="no bucket for backups"):
        repository.options(declaration, "")
    with pytest.raises(DeclarationError, match="makes no bucket"):
        parse(f"name: acme\ndomain: a.acme.example\ntarget: {{kind: lab}}\n{said}")
    with pytest.raises(DeclarationError, match="means nothing where backups go to a bucket"):
        parse(TEXT + "backup: {to: bucket, region: us-east-1}\n")
