"""A load balancer with Cloud Armor: made in order, put back, taken away; and the checks say so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hedgerow.declaration.gcp import PROXIES
from hedgerow.releases import names
from hedgerow.services import load_table
from hedgerow.targets.gcp import armor
from tests.gcp import breaking
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask
from tests.gcp.project import actions, census, quiet, row, target
from tests.gcp.test_target_records import LOCKED, MISSING, failing
from tests.gcp.test_target_watching import record, zone

FRONT = "load_balancer: {}"
EVERYTHING = f"{LOCKED}, {FRONT}, dns_zone: acme-example"
WAITING = {"gcp.balancer-certificate"}
"""What fails until Google has seen the domain lead to the balancer, which the fake never does."""
PARTS = {
    *("global-address/balancer", "ssl-policy/balancer", "certificate/balancer", "security-policy/balancer"),
    *("health-check/balancer", "endpoint-group/balancer", "backend-service/balancer", "url-map/balancer"),
    *("https-proxy/balancer", "forwarding-rule/balancer"),
}


def test_a_balancer_has_the_one_address_and_everything_that_hipaa_wants_of_it(gcp: Fake) -> None:
    zone()
    planned = actions(target(EVERYTHING))
    assert {name for name, action in planned.items() if action == "create"} >= PARTS
    target(EVERYTHING).provision(quiet)
    assert failing(EVERYTHING) == MISSING | WAITING
    gcp.forget()
    target(EVERYTHING).provision(quiet)
    assert gcp.changing() == [], "a second install changes nothing"

    rule = row(gcp, "/forwardingRules/hedgerow-acme-balancer")
    address = row(gcp, "/global/addresses/hedgerow-acme-balancer")["address"]
    assert (rule["IPAddress"], rule["portRange"]) == (address, "443-443")
    assert record(gcp) == [address]
    web = row(gcp, "/firewalls/hedgerow-acme-in-balancer")
    assert (web["sourceRanges"], web["allowed"][0]["ports"]) == (list(PROXIES), ["443"])
    assert not [one for one in gcp.state()["rows"] if one.endswith("/firewalls/hedgerow-acme-in-web")]
    (point,) = row(gcp, "/networkEndpointGroups/hedgerow-acme-balancer")["_endpoints"]
    machine = row(gcp, "/instances/hedgerow-acme-analytics-1")
    assert (point["ipAddress"], point["port"]) == (machine["networkInterfaces"][0]["networkIP"], 443)
    assert (
        "accessConfigs" not in machine["networkInterfaces"][0] or not machine["networkInterfaces"][0]["accessConfigs"]
    )
    cost = target(EVERYTHING).cost()
    assert cost != target(LOCKED).cost()


def test_drift_is_shown_and_put_back(gcp: Fake) -> None:
    target(FRONT).provision(quiet)
    breaking.front()
    differing = {f"{one.kind}/{one.name}": set(one.differs) for one in target(FRONT).plan() if one.differs}
    assert differing == {
        "ssl-policy/balancer": {"profile", "minTlsVersion"},
        "security-policy/balancer": {"rules", "advancedOptionsConfig"},
        "health-check/balancer": {"logConfig"},
        "endpoint-group/balancer": {"endpoints"},
        "backend-service/balancer": {"logConfig", "securityPolicy", "enableCDN"},
        "url-map/balancer": {"headerAction"},
        "https-proxy/balancer": {"sslPolicy"},
        "forwarding-rule/balancer": {"target"},
    }
    target(FRONT).provision(quiet)
    assert set(actions(target(FRONT)).values()) == {"keep"}
    assert failing(FRONT) & {one for one in failing(FRONT) if one.startswith(("gcp.balancer", "gcp.armor"))} == WAITING
    policy = row(gcp, "/securityPolicies/hedgerow-acme-balancer")
    assert [one["priority"] for one in policy["rules"]] == [one["priority"] for one in armor.rules(["0.0.0.0/0"])]
    assert not any(one.get("preconfiguredWafConfig", {}).get("exclusions") for one in policy["rules"])


def test_a_balancer_comes_and_goes_with_the_declaration_and_with_the_deployment(gcp: Fake) -> None:
    target().provision(quiet)
    before = census(gcp)
    target(FRONT).provision(quiet)
    assert not [one for one in gcp.state()["rows"] if one.endswith("/firewalls/hedgerow-acme-in-web")]
    target().provision(quiet)
    assert census(gcp) == before
    target(FRONT).provision(quiet)
    removed = target(FRONT).destroy(quiet)
    assert {f"{one.kind}/{one.name}" for one in removed if one.action == "delete"} >= PARTS
    assert not [one for one in census(gcp) if one.startswith("compute:")]


def test_a_certificate_of_the_operator_s_is_shown_and_left(gcp: Fake) -> None:
    url = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/global/sslCertificates"
    theirs = {"name": "analytics", "type": "SELF_MANAGED", "certificate": "PEM", "privateKey": "PEM"}
    assert ask("POST", url, theirs)[0] == 200
    name = f"projects/{PROJECT}/global/sslCertificates/analytics"
    more = f"load_balancer: {{certificate: {name}}}"
    target(more).provision(quiet)
    assert row(gcp, "/targetHttpsProxies/hedgerow-acme-balancer")["sslCertificates"][0].endswith(name)
    assert census(gcp)["compute:sslCertificates"] == 1
    # Google's own takes its place, and the operator's stays.
    target(FRONT).provision(quiet)
    assert census(gcp)["compute:sslCertificates"] == 2
    target(FRONT).destroy(quiet)
    assert census(gcp)["compute:sslCertificates"] == 1


def test_rules_that_only_count_are_seen(gcp: Fake) -> None:
    more = "load_balancer: {waf: count}"
    target(more).provision(quiet)
    rules = row(gcp, "/securityPolicies/hedgerow-acme-balancer")["rules"]
    assert {one["preview"] for one in rules if one["priority"] < armor.FIRST_LIST} == {True}
    assert {one["preview"] for one in rules if one["priority"] >= armor.FIRST_LIST} == {False}
    assert "gcp.armor-refuses" in failing(more)


def test_only_declared_networks_are_let_in(gcp: Fake) -> None:
    many = [f"203.0.113.{last}" for last in range(1, 13)]
    target(FRONT, f"[{', '.join(many)}, 10.1.0.0/16]").provision(quiet)
    rules = row(gcp, "/securityPolicies/hedgerow-acme-balancer")["rules"]
    let_in = [one["match"]["config"]["srcIpRanges"] for one in rules if one["action"] == "throttle"]
    assert [len(one) for one in let_in] == [10, 4], "ten networks a rule"
    assert sorted(one for each in let_in for one in each) == sorted(
        ["198.51.100.0/24", "10.1.0.0/16", *(f"{one}/32" for one in many)]
    )
    # A network that the internet does not carry reaches the machine itself, as far as the network does.
    assert row(gcp, "/firewalls/hedgerow-acme-in-web")["sourceRanges"] == ["10.1.0.0/16"]


def paths_of_events() -> set[str]:
    """Return the prefixes that senders of events may ask for, in any release."""
    rows = [route for name in names() for route in load_table(name).routes if route.access == "ingest"]
    return {path for route in rows for path in route.paths}


def test_no_set_looks_at_what_people_wrote_into_an_event() -> None:
    exempt = armor.said()["exempt"]
    assert set(exempt["events"]["paths"]) == paths_of_events()
    assert all("events" in one["not_at"] for one in armor.said()["sets"])
    assert all(set(one["not_at"]) <= set(exempt) for one in armor.said()["sets"])
    assert all(each["why"].strip() for each in exempt.values())
    assert all(armor.said()["not_used"].values())


@pytest.mark.parametrize(
    ("path", "is_event"),
    [
        ("/e", True),
        ("/e/", True),
        ("/i/v0/e/", True),
        ("/batch", True),
        ("/api/feature_flag/local_evaluation", True),
        ("/events", False),
        ("/e/../login", False),
        ("/e/%2e%2e/login", False),
        ("/e//../login", False),
        ("/api/surveys/../users", False),
        ("/login", False),
    ],
)
def test_what_counts_as_a_path_of_events(path: str, *, is_event: bool) -> None:
    said = armor.below(armor.said()["exempt"]["events"]["paths"])
    (pattern,) = re.findall(r"matches\('(.+)'\)", said)
    assert bool(re.search(pattern, path)) is is_event


def test_the_last_rule_refuses() -> None:
    *_, last = armor.rules([])
    assert (last["priority"], last["action"]) == (armor.LAST, "deny(403)")
    assert not [one for one in armor.rules([]) if one["action"] in ("allow", "throttle")], "nobody is declared"


def test_what_has_our_name_and_not_our_mark_is_left_alone(gcp: Fake) -> None:
    url = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/global/securityPolicies"
    theirs: dict[str, Any] = {"name": "hedgerow-acme-balancer"}
    assert ask("POST", url, theirs)[0] == 200
    gcp.forget()
    with pytest.raises(Exception, match="security-policy hedgerow-acme-balancer in the project already"):
        target(FRONT).provision(quiet)
    assert gcp.changing() == []
