"""What Google writes down of who did what, and where it is kept."""

from __future__ import annotations

import re

import pytest

from checks.gcp.found import bindings, judge, last, networks, sinks
from checks.judging import is_empty, is_true
from hedgerow.checking import NotExercised

KINDS = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")
SEARCHED_DAYS = 365


def _audited(gcp) -> list[dict]:
    rows = gcp.ask("resourcemanager.projects.getIamPolicy").get("auditConfigs", [])
    return [row for row in rows if row.get("service") == "allServices"]


@pytest.mark.control("gcp.audit-data-access")
def test_every_look_at_data_is_written_down(gcp, finding):
    finding.expect(f"{', '.join(KINDS)} for allServices")
    on = {one["logType"] for row in _audited(gcp) for one in row.get("auditLogConfigs", [])}
    judge(gcp, finding, {kind: kind in on for kind in KINDS}, is_true, "audit log")


@pytest.mark.control("gcp.audit-nobody-exempt")
def test_nobody_goes_unwritten(gcp, finding):
    finding.expect("no member exempted from audit logs, of any service")
    rows = gcp.ask("resourcemanager.projects.getIamPolicy").get("auditConfigs", [])
    found = sorted(
        {who for row in rows for one in row.get("auditLogConfigs", []) for who in one.get("exemptedMembers", [])}
    )
    finding.observe(gcp.masked(", ".join(found)) or "nobody")
    assert not found, f"exempted: {gcp.masked(', '.join(found))}"


def _takes_audit(row: dict) -> bool:
    """A sink without a filter takes everything."""
    said = row.get("filter", "")
    return not row.get("disabled") and (not said or "cloudaudit.googleapis.com" in said) and "NOT" not in said.split()


@pytest.mark.control("gcp.records-leave")
def test_audit_logs_go_where_they_are_kept(gcp, finding):
    finding.expect("a sink that is on and takes audit logs into a bucket of the deployment's")
    seen = {row["name"]: _takes_audit(row) for row in sinks(gcp)}
    judge(gcp, finding, seen, is_true, "sink into a bucket")


@pytest.mark.control("gcp.records-arrive")
def test_a_sink_may_write_where_it_leads(gcp, finding):
    """https://cloud.google.com/logging/docs/export/configure_export_v2#dest-auth."""
    finding.expect("each sink's account may create objects in its bucket")
    seen = {}
    for row in sinks(gcp):
        policy = gcp.ask("storage.buckets.getIamPolicy", last(row["destination"]))
        writers = {
            who for role, members in bindings(policy) if role.startswith("roles/storage.object") for who in members
        }
        seen[row["name"]] = row.get("writerIdentity") in writers
    judge(gcp, finding, seen, is_true, "sink into a bucket")


@pytest.mark.control("gcp.records-whole")
def test_a_sink_leaves_nothing_out(gcp, finding):
    finding.expect("no exclusion in a sink")
    seen = {row["name"]: [one["name"] for one in row.get("exclusions", [])] for row in sinks(gcp)}
    judge(gcp, finding, seen, is_empty, "sink into a bucket")


@pytest.mark.control("gcp.logs-not-dropped")
def test_no_log_is_thrown_away(gcp, finding):
    finding.expect("no exclusion of the project's that is on")
    found = [row["name"] for row in gcp.every("logging.exclusions.list") if not row.get("disabled")]
    finding.observe(gcp.masked(", ".join(found)) or "none")
    assert not found, f"what is excluded: {gcp.masked(', '.join(found))}"


@pytest.mark.control("gcp.logs-kept")
def test_logs_can_be_searched_for_a_year(gcp, finding):
    finding.expect(f"{SEARCHED_DAYS} days or more in every log bucket of the project")
    seen = {last(row["name"]): row.get("retentionDays", 30) for row in gcp.every("logging.buckets.list")}
    judge(gcp, finding, seen, lambda days: days >= SEARCHED_DAYS, "log bucket")


@pytest.mark.control("gcp.dns-logged")
def test_what_names_are_asked_is_written_down(gcp, finding):
    finding.expect("a DNS policy that logs, for each network")
    logged = {
        last(one["networkUrl"])
        for row in gcp.every("dns.policies.list")
        if row.get("enableLogging")
        for one in row.get("networks", [])
    }
    judge(gcp, finding, {row["name"]: row["name"] in logged for row in networks(gcp)}, is_true, "network")


@pytest.mark.control("gcp.dns-signed")
def test_nobody_forges_the_name(gcp, finding):
    finding.expect("DNSSEC on for each public zone that the domain lies in")
    domain = f"{gcp.sheet.domain}."
    seen = {
        row["dnsName"]: row.get("dnssecConfig", {}).get("state", "off")
        for row in gcp.every("dns.managedZones.list")
        if row.get("visibility") == "public" and (domain == row["dnsName"] or domain.endswith(f".{row['dnsName']}"))
    }
    if not seen:
        raise NotExercised("the domain's zone is not in this project")
    judge(gcp, finding, seen, lambda said: said == "on", "zone")


CHANGES = {
    "roles": re.compile(r"SetIamPolicy"),
    "network": re.compile(r"compute\.firewalls"),
    "keys": re.compile(r"DestroyCryptoKeyVersion|cloudkms\.googleapis\.com"),
    "records": re.compile(r"ConfigServiceV2\.(Update|Delete)Sink"),
}


def _heard(gcp, what: str) -> bool:
    """Tell whether an alert that somebody gets is made of log entries about it: by itself, or by a metric of logs."""
    channels = {row["name"] for row in gcp.every("monitoring.notificationChannels.list") if row.get("enabled", True)}
    metrics = {f"logging.googleapis.com/user/{row['name']}": row for row in gcp.every("logging.logMetrics.list")}
    for policy in gcp.every("monitoring.alertPolicies.list"):
        if policy.get("enabled", True) and channels & set(policy.get("notificationChannels", [])):
            for one in policy.get("conditions", []):
                text = (one.get("conditionMatchedLog") or one.get("conditionThreshold") or {}).get("filter", "")
                said = [text, *(row.get("filter", "") for name, row in metrics.items() if f'"{name}"' in text)]
                if any(CHANGES[what].search(each) for each in said):
                    return True
    return False


def _alerted(gcp, finding, what: str, words: str) -> None:
    finding.expect(f"an alert on {words}, on, with a channel that is on")
    heard = _heard(gcp, what)
    finding.observe("there is one" if heard else "there is none")
    assert heard, f"nobody is told of {words}"


@pytest.mark.control("gcp.alert-roles")
def test_somebody_hears_of_a_new_role(gcp, finding):
    _alerted(gcp, finding, "roles", "changes of who may do what")


@pytest.mark.control("gcp.alert-network")
def test_somebody_hears_of_a_new_way_in(gcp, finding):
    _alerted(gcp, finding, "network", "changes of firewall rules")


@pytest.mark.control("gcp.alert-keys")
def test_somebody_hears_of_the_end_of_a_key(gcp, finding):
    _alerted(gcp, finding, "keys", "the destruction of keys")


@pytest.mark.control("gcp.alert-records")
def test_somebody_hears_that_the_records_stop(gcp, finding):
    _alerted(gcp, finding, "records", "changes of sinks")
