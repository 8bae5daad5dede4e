"""A machine with no way to the internet: Google's own APIs by private access, what is declared, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from hedgerow.errors import CallError
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask
from tests.gcp.project import actions, census, quiet, row, target
from tests.gcp.test_target_records import LOCKED, MISSING, failing

CLOSED = "egress: none, packages_by: '10.20.0.5:3128'"
EVERYTHING = f"{LOCKED}, {CLOSED}"
GOOGLE = [f"199.36.153.{last}" for last in range(4, 8)]
ZONES = f"dns.googleapis.com/dns/v1/projects/{PROJECT}/managedZones"
ROUTERS = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/regions/us-central1/routers"
NETWORK = f"projects/{PROJECT}/global/networks/hedgerow-acme-main"


def outward(fake: Fake) -> dict[str, tuple[Any, list[str]]]:
    """Return what each rule lets out, and where to."""
    rows = [one for name, one in fake.state()["rows"].items() if "/firewalls/" in name]
    return {
        one["name"].removeprefix("hedgerow-acme-"): (one["allowed"][0].get("ports"), one["destinationRanges"])
        for one in rows
        if one["direction"] == "EGRESS" and one.get("allowed")
    }


def test_only_google_and_what_is_declared_is_reached(gcp: Fake) -> None:
    target(EVERYTHING).provision(quiet)
    assert outward(gcp) == {"out-google": (["443"], ["199.36.153.4/30"]), "out-3128": (["3128"], ["10.20.0.5/32"])}
    assert "compute:routers" not in census(gcp)
    for name, domain in (("apis", "googleapis.com"), ("packages", "pkg.dev")):
        zone = row(gcp, f"zones/hedgerow-acme-{name}")
        assert (zone["visibility"], zone["dnsName"]) == ("private", f"{domain}.")
        assert zone["privateVisibilityConfig"]["networks"][0]["networkUrl"].endswith(NETWORK)
        assert row(gcp, f"records/hedgerow-acme-{name}/*.{domain}.:A")["rrdatas"] == GOOGLE
    assert failing(EVERYTHING) == MISSING
    gcp.forget()
    target(EVERYTHING).provision(quiet)
    assert gcp.changing() == [], "a second install changes nothing"


def test_drift_of_what_leads_to_google_is_put_back_and_a_nat_by_hand_is_seen(gcp: Fake) -> None:
    target(EVERYTHING).provision(quiet)
    records = f"{ZONES}/hedgerow-acme-apis/rrsets"
    eve = {"name": "storage.googleapis.com.", "type": "A", "ttl": 60, "rrdatas": ["203.0.113.66"]}
    assert ask("POST", records, eve)[0] == 200
    assert ask("DELETE", f"{records}/*.googleapis.com./A")[0] == 200
    nowhere = {"privateVisibilityConfig": {"networks": []}}
    assert ask("PATCH", f"{ZONES}/hedgerow-acme-packages", nowhere)[0] == 200
    nat = {"name": "eve", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
    router = {"name": "eve", "network": NETWORK, "nats": [nat | {"natIpAllocateOption": "AUTO_ONLY"}]}
    assert ask("POST", ROUTERS, router)[0] == 200
    differing = {f"{one.kind}/{one.name}": set(one.differs) for one in target(EVERYTHING).plan() if one.differs}
    assert differing == {"private-zone/apis": {"records"}, "private-zone/packages": {"privateVisibilityConfig"}}
    target(EVERYTHING).provision(quiet)
    assert set(actions(target(EVERYTHING)).values()) == {"keep"}
    assert failing(EVERYTHING) == MISSING | {"gcp.egress-as-declared", "gcp.nat-logged"}


def test_a_way_out_comes_and_goes_with_the_declaration_and_destroy_leaves_no_zone(gcp: Fake) -> None:
    target(LOCKED).provision(quiet)
    assert failing(EVERYTHING) == MISSING | {"gcp.egress-as-declared"}, "the way out that is still there is seen"
    target(CLOSED).provision(quiet)
    assert census(gcp)["dns:zones"] == 2 and "compute:routers" not in census(gcp)
    target().provision(quiet)
    assert outward(gcp).keys() == {"out-web", "out-time"}
    assert "dns:zones" not in census(gcp) and census(gcp)["compute:routers"] == 1
    target(CLOSED).provision(quiet)
    target(CLOSED).destroy(quiet)
    left = {one for one in census(gcp) if one.startswith(("compute:", "dns:"))}
    assert left == {"compute:"}, "the project's own metadata, which a check has asked for"


def test_a_proxy_in_the_internet_needs_a_nat_that_leads_to_it_alone(gcp: Fake) -> None:
    more = CLOSED.replace("10.20.0.5", "8.8.8.8")
    target(more).provision(quiet)
    assert census(gcp)["compute:routers"] == 1
    assert outward(gcp)["out-3128"] == (["3128"], ["8.8.8.8/32"])
    assert "gcp.egress-as-declared" not in failing(more)


def test_a_zone_of_our_name_without_our_label_stops_the_run(gcp: Fake) -> None:
    theirs = {"name": "hedgerow-acme-apis", "dnsName": "googleapis.com.", "description": "x", "visibility": "private"}
    assert ask("POST", ZONES, theirs)[0] == 200
    gcp.forget()
    with pytest.raises(CallError, match="private-zone hedgerow-acme-apis in the project already, and it is not ours"):
        target(CLOSED).provision(quiet)
    assert gcp.changing() == []
