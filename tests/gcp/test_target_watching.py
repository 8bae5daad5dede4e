"""Names, logs of queries and alerts: made, put back, removed; and the checks say so."""

from __future__ import annotations

import re

import pytest

from checks.gcp.test_records import CHANGES
from hedgerow.errors import UnreachableError
from hedgerow.targets.gcp.design_watching import CALLS, matching
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask
from tests.gcp.project import actions, census, quiet, row, target
from tests.gcp.test_target_records import failing

WATCHED = "dns_zone: acme-example, alerts_to: [security@acme.example]"
EVERYTHING = f"lock: true, audit: true, {WATCHED}"
ZONES = f"dns.googleapis.com/dns/v1/projects/{PROJECT}/managedZones"
CHANNEL = "monitoring:projects/acme-analytics/notificationChannels/"


def zone() -> None:
    """Make the zone that a declaration names."""
    body = {"name": "acme-example", "dnsName": "acme.example.", "description": "Acme", "dnssecConfig": {"state": "on"}}
    assert ask("POST", ZONES, body)[0] == 200


def record(fake: Fake) -> list[str]:
    """Return the addresses of the domain."""
    return list(row(fake, "records/acme-example/analytics.acme.example.:A")["rrdatas"])


def test_with_all_that_can_be_declared_every_control_holds(gcp: Fake) -> None:
    zone()
    target(EVERYTHING).provision(quiet)
    assert failing(EVERYTHING) == set()
    machine = row(gcp, "/instances/hedgerow-acme-analytics-1")
    assert record(gcp) == [machine["networkInterfaces"][0]["networkIP"]]
    gcp.forget()
    target(EVERYTHING).provision(quiet)
    assert gcp.changing() == [], "a second install changes nothing"


def test_drift_is_shown_and_put_back_and_the_end_leaves_the_zone(gcp: Fake) -> None:
    zone()
    target(EVERYTHING).provision(quiet)
    google, found = target().google, gcp.state()["rows"]
    policy = {"name": "hedgerow-acme-main"}
    google.call("dns.policies.patch", policy, body={"enableLogging": False})
    at = {"zone_name": "acme-example", "name": "analytics.acme.example."}
    wrong = {"name": at["name"], "type": "A", "ttl": 300, "rrdatas": ["203.0.113.66"]}
    google.call("dns.resourceRecordSets.patch", at, body=wrong)
    roles = next(one for one in found.values() if one.get("displayName") == "Hedgerow: changes of roles")
    names = {"id": roles["name"].rpartition("/")[2]}
    quietly = {"enabled": False, "notificationChannels": []}
    google.call("monitoring.alertPolicies.patch", names, body=quietly, query={"updateMask": ",".join(quietly)})
    (channel,) = [one["name"].rpartition("/")[2] for name, one in found.items() if name.startswith(CHANNEL)]
    mute = {"updateMask": "enabled"}
    google.call("monitoring.notificationChannels.patch", {"id": channel}, body={"enabled": False}, query=mute)
    assert {
        f"{one.kind}/{one.name}": set(one.differs) for one in target(EVERYTHING).plan() if one.action != "keep"
    } == {
        "dns-policy/main": {"enableLogging"},
        "record/analytics.acme.example": {"addresses"},
        "alert/roles": {"enabled", "notificationChannels"},
        next(key for key in actions(target(EVERYTHING)) if key.startswith("channel/")): {"enabled"},
    }
    target(EVERYTHING).provision(quiet)
    assert set(actions(target(EVERYTHING)).values()) == {"keep"} and failing(EVERYTHING) == set()
    target(EVERYTHING).destroy(quiet)
    left = census(gcp)
    assert not [one for one in left if one.startswith("monitoring:") or one == "dns:policies"]
    assert (left["dns:zones"], left["dns:acme-example"]) == (1, 2), "the zone has its own two records"


def test_whoever_is_told_no_more_takes_the_alerts_along(gcp: Fake) -> None:
    target("alerts_to: [security@acme.example, jane@acme.example]").provision(quiet)
    assert census(gcp)["monitoring:alertPolicies"] == len(CALLS)
    assert census(gcp)["monitoring:notificationChannels"] == 2
    target("alerts_to: [security@acme.example]").provision(quiet)
    assert census(gcp)["monitoring:notificationChannels"] == 1
    target().provision(quiet)
    assert not [one for one in census(gcp) if one.startswith("monitoring:")]
    assert set(actions(target()).values()) == {"keep"}


def test_a_zone_that_is_not_there_is_said(gcp: Fake) -> None:
    with pytest.raises(UnreachableError, match="managedZone"):
        target("dns_zone: acme-example").provision(quiet)


@pytest.mark.parametrize("what", sorted(CALLS))
def test_a_filter_hears_of_what_the_check_asks_for_and_of_changes_alone(what: str) -> None:
    said = matching(CALLS[what])
    assert CHANGES[what].search(said) and said.startswith('log_id("cloudaudit.googleapis.com/activity")')
    assert len(re.findall('methodName:"', said)) == len(CALLS[what]) and '""' not in said
