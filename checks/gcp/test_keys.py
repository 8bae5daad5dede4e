"""The deployment's keys: renewed, kept, and nobody's but those whom their policies name."""

from __future__ import annotations

from collections import defaultdict

import pytest

from checks.gcp.found import bindings, by_name, judge, keys, open_to_everybody, rings
from checks.judging import is_empty

DAY = 86400
DAYS = 90
USERS = {
    "roles/cloudkms.cryptoKeyEncrypterDecrypter",
    "roles/cloudkms.cryptoKeyEncrypter",
    "roles/cloudkms.cryptoKeyDecrypter",
}
MASTERS = {"roles/cloudkms.admin"}


def _seconds(duration: str | None) -> float:
    return float((duration or "0s").removesuffix("s"))


@pytest.mark.control("gcp.keys-rotate")
def test_every_key_is_renewed_each_quarter(gcp, finding):
    finding.expect(f"each key has a new version within {DAYS} days")
    seen = by_name(keys(gcp), lambda row: _seconds(row.get("rotationPeriod")) / DAY)
    judge(gcp, finding, seen, lambda days: 0 < days <= DAYS, "key")


@pytest.mark.control("gcp.keys-not-public")
def test_no_key_serves_whoever_asks(gcp, finding):
    """A ring's policy counts for all its keys."""
    finding.expect("neither a key's policy nor its ring's gives anything to everybody")
    seen = by_name(rings(gcp), lambda row: open_to_everybody(gcp.ask("cloudkms.keyRings.getIamPolicy", row["name"])))
    seen |= {
        f"{name} (key)": said
        for name, said in by_name(
            keys(gcp), lambda row: open_to_everybody(gcp.ask("cloudkms.cryptoKeys.getIamPolicy", row["name"]))
        ).items()
    }
    judge(gcp, finding, seen, is_empty, "key or ring")


@pytest.mark.control("gcp.keys-duties-apart")
def test_who_rules_a_key_cannot_read_with_it(gcp, finding):
    """https://cloud.google.com/kms/docs/separation-of-duties; roles come down from the project and from the ring."""
    finding.expect("nobody who administers a key may use it too")
    above = bindings(gcp.ask("resourcemanager.projects.getIamPolicy"))
    seen = {}
    for ring in rings(gcp):
        of_ring = bindings(gcp.ask("cloudkms.keyRings.getIamPolicy", ring["name"]))
        for key in gcp.every("cloudkms.cryptoKeys.list", ring["name"]):
            held: defaultdict[str, set[str]] = defaultdict(set)
            for role, members in above + of_ring + bindings(gcp.ask("cloudkms.cryptoKeys.getIamPolicy", key["name"])):
                for who in members:
                    held[who].add(role)
            seen[key["name"].rpartition("/")[2]] = [
                who for who, roles in sorted(held.items()) if roles & MASTERS and roles & USERS
            ]
    judge(gcp, finding, seen, is_empty, "key")


@pytest.mark.control("gcp.keys-stay")
def test_no_key_is_off_or_about_to_end(gcp, finding):
    """Data under a version that is gone is gone with it, backups included."""
    finding.expect("each key's versions enabled")
    seen = {
        key["name"].rpartition("/")[2]: [
            f"version {row['name'].rpartition('/')[2]} {row['state']}"
            for row in gcp.every("cloudkms.cryptoKeyVersions.list", key["name"])
            if row["state"] != "ENABLED"
        ]
        for key in keys(gcp)
    }
    judge(gcp, finding, seen, is_empty, "key")


@pytest.mark.control("gcp.keys-end-late")
def test_a_key_that_is_destroyed_can_be_saved_for_a_month(gcp, finding):
    finding.expect("30 days between the call that destroys a version and its end")
    seen = by_name(keys(gcp), lambda row: _seconds(row.get("destroyScheduledDuration")) / DAY)
    judge(gcp, finding, seen, lambda days: days >= 30, "key")
