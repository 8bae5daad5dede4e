"""Names, logs of queries and alerts: made, put back, removed; and the checks say so."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from checks.gcp.test_records import CHANGES
from hedgerow.errors import CallError, UnreachableError
from hedgerow.targets.gcp.design_watching import CALLS, matching
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask
from tests.gcp.project import actions, census, quiet, row, target
from tests.gcp.test_target_records import failing

WATCHED = "dns_zone: acme-example, alerts_to: [security@acme.example]"
EVERYTHING = f"lock: true, audit: true, {WATCHED}"
ZONES = f"dns.googleapis.com/dns/v1/projects/{PROJECT}/managedZones"
RECORDS, NAME = f"{ZONES}/acme-example/rrsets", "analytics.acme.example."
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
    assert ask("PATCH", f"{RECORDS}/{NAME}/A", {"rrdatas": ["203.0.113.66"]})[0] == 200
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


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        (NAME, "A", "198.51.100.80"),
        (NAME, "AAAA", "2001:db8::80"),
        (NAME, "CNAME", "www.acme.example."),
        (f"_hedgerow.{NAME}", "TXT", '"hedgerow-deployment: other"'),
    ],
)
def test_a_record_of_somebody_elses_is_refused_and_left(gcp: Fake, name: str, kind: str, data: str) -> None:
    zone()
    theirs = {"name": name, "type": kind, "ttl": 60, "rrdatas": [data]}
    assert ask("POST", RECORDS, theirs)[0] == 200
    gcp.forget()
    for act in (target(WATCHED).plan, target(WATCHED).preflight, lambda: target(WATCHED).provision(quiet)):
        with pytest.raises(CallError, match=f"zone acme-example has {re.escape(name)} {kind}.*it is not ours") as said:
            act()
        assert "dns_zone" in said.value.fix and '_hedgerow.analytics.acme.example. TXT "hedgerow' in said.value.fix
    assert gcp.changing() == []
    # Without the key the name is the operator's own affair.
    target().provision(quiet)
    assert row(gcp, f"records/acme-example/{name}:{kind}")["rrdatas"] == [data]


def test_a_record_that_was_taken_away_or_led_elsewhere_by_an_alias(gcp: Fake) -> None:
    zone()
    target(WATCHED).provision(quiet)
    assert ask("DELETE", f"{RECORDS}/{NAME}/A")[0] == 200
    (change,) = [one for one in target(WATCHED).plan() if one.action != "keep"]
    assert (change.kind, change.action, change.differs) == ("record", "change", ("addresses",))
    target(WATCHED).provision(quiet)
    assert set(actions(target(WATCHED)).values()) == {"keep"}
    assert ask("DELETE", f"{RECORDS}/{NAME}/A")[0] == 200
    assert ask("POST", RECORDS, {"name": NAME, "type": "CNAME", "ttl": 60, "rrdatas": ["www.acme.example."]})[0] == 200
    with pytest.raises(CallError, match="CNAME www"):
        target(WATCHED).plan()


@pytest.mark.parametrize("meanwhile", ["changed", "gone"])
def test_a_record_that_somebody_changes_meanwhile_is_looked_at_again(gcp: Fake, meanwhile: str) -> None:
    zone()
    made = target(WATCHED)
    made.provision(quiet)
    (resource,) = [one for one in made.resources() if one.kind == "record"]
    wanted, driver = replace(resource, wanted={"addresses": ["203.0.113.7"]}), made.drivers["record"]
    found = driver.find(wanted)
    assert found is not None
    how = ("PATCH", {"rrdatas": ["203.0.113.8"]}) if meanwhile == "changed" else ("DELETE", None)
    assert ask(how[0], f"{RECORDS}/{NAME}/A", how[1])[0] == 200
    driver.change(wanted, found, frozenset({"addresses"}))
    assert record(gcp) == ["203.0.113.7"]
    driver.remove(wanted, found)
    assert driver.find(wanted) is None
    # Whoever takes the name between the look and the making keeps it, and no text of ours claims it.
    assert ask("POST", RECORDS, {"name": NAME, "type": "A", "ttl": 60, "rrdatas": ["198.51.100.80"]})[0] == 200
    driver.make(wanted)
    with pytest.raises(CallError, match=r"A 198\.51\.100\.80"):
        driver.find(wanted)


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
