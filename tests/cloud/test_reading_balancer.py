"""A load balancer that reads requests: made whole with its certificate and its rules, mended, exchanged, and gone."""

from __future__ import annotations

import re
from typing import Any

import boto3

from hedgerow.catalog import catalog_of
from hedgerow.cloud_sheet import cloud_sheets
from hedgerow.verify import verify
from tests.cloud.account import actions, census, changing, quiet, recorded, target
from tests.cloud.careless import break_what_reads, zone
from tests.cloud.test_balancer import let_in, machine

FRONT = "load_balancer: {kind: application}"
SUBNETS = {"10.80.16.0/20", "10.80.32.0/20"}
BROKEN = {
    "certificate/main": {"renewed"},
    "load-balancer/http": {"attributes", "firewall", "listeners"},
    "target-group/edge": {"path", "answer"},
    "web-acl/main": {"rules", "log"},
}
"""What `break_what_reads` breaks, with the fields in which `plan` shows it."""
HELD = (
    *("aws.balancer-tls", "aws.balancer-not-in-clear", "aws.balancer-protected", "aws.balancer-shows-clients"),
    *("aws.balancer-strict", "aws.balancer-logged", "aws.firewall-before-the-balancer", "aws.firewall-refuses"),
    *("aws.firewall-log-redacted", "aws.ingress-as-declared", "aws.closed-to-the-world", "aws.log-groups-kept"),
    *("aws.log-groups-encrypted", "aws.machines-not-public"),
)
FALLEN = {
    *("aws.balancer-tls", "aws.balancer-strict", "aws.firewall-before-the-balancer"),
    # Nobody judges: nothing is refused, and nothing written down.
    *("aws.firewall-refuses", "aws.firewall-log-redacted"),
}
"""What the account's checks say of such a balancer, and of what `break_what_reads` leaves of it."""
EXCEPTED = ("/e", "/e/", "/batch/", "/s/", "/flags", "/api/surveys/", "/array/phc_x/config", "/i/v0/e/")
JUDGED = ("/", "/login", "/events", "/api/projects", "/static/array.js", "/api/environments/1/query", "/signup")


def test_it_is_made_mended_exchanged_and_taken_away(aws: str) -> None:
    empty = census()
    named = f"zone: {zone()}"
    declared = f"{FRONT}, {named}"
    target(declared).provision(quiet)
    there = census()
    assert (there["balancers"], there["target groups"], there["addresses"]) == (1, 1, 1), "its addresses are AWS's"
    assert (there["certificates"], there["web acls"], there["subnets"] - empty["subnets"]) == (1, 1, 3)
    tls_ends_there_by_a_certificate_of_ours()
    each_request_is_judged()
    the_name_leads_there()
    with recorded() as calls:
        target(declared).provision(quiet)
    assert changing(calls) == [], "a second install changes nothing"

    assert verdicts(declared) == dict.fromkeys(HELD, "pass")
    break_what_reads()
    assert {name for name, said in verdicts(declared).items() if said == "fail"} == FALLEN
    planned = {f"{one.kind}/{one.name}": set(one.differs) for one in target(declared).plan() if one.action != "keep"}
    assert planned == BROKEN
    target(declared).provision(quiet)
    assert set(actions(target(declared)).values()) == {"keep"} and census() == there
    tls_ends_there_by_a_certificate_of_ours()
    each_request_is_judged()

    counting = f"load_balancer: {{kind: application, waf: count}}, {named}"
    target(counting).provision(quiet)
    assert {name for name, said in verdicts(counting).items() if said == "fail"} == {"aws.firewall-refuses"}
    assert {next(iter(rule.get("OverrideAction") or rule["Action"])) for rule in rules()["Rules"]} == {"Count"}

    it_can_be_exchanged_for_one_that_passes_on(f"load_balancer: {{}}, {named}")
    target(declared).provision(quiet)
    assert census() == there and set(actions(target(declared)).values()) == {"keep"}

    said = {f"{one.kind}/{one.name}": one.action for one in target(declared).destroy(quiet)}
    assert said["log-group/firewall"] == "keep"
    assert {said[key] for key in ("load-balancer/http", "web-acl/main", "certificate/main")} == {"delete"}
    left = census()
    assert {**left, "buckets": 0, "log groups": 0, "keys": 0} == {**empty, "log groups": 0}
    assert {row["Type"] for row in records()} == {"NS", "SOA"}


def test_a_certificate_of_yours_is_shown_and_left(aws: str) -> None:
    acm = boto3.client("acm", region_name="us-east-1")
    yours = acm.request_certificate(DomainName="*.acme.example", ValidationMethod="DNS")["CertificateArn"]
    ec2 = boto3.client("ec2", region_name="us-east-1")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    inner, outer, other = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{net}.0/24", AvailabilityZone=f"us-east-1{at}")["Subnet"][
            "SubnetId"
        ]
        for net, at in ((1, "a"), (16, "a"), (32, "b"))
    )
    before = census()
    network = f"vpc: {{id: {vpc}, subnet: {inner}, cidr: 10.20.0.0/16}}"
    places = f"subnet: {outer}, cidr: 10.20.16.0/24, second_subnet: {other}, second_cidr: 10.20.32.0/24"
    declared = f"{network}, load_balancer: {{kind: application, certificate: '{yours}', {places}}}"
    target(declared).provision(quiet)
    assert {one["SubnetId"] for one in balancer()["AvailabilityZones"]} == {outer, other}
    assert listener()["Certificates"] == [{"CertificateArn": yours}]
    assert let_in("host", 443) == {"10.20.16.0/24", "10.20.32.0/24"}
    assert set(actions(target(declared)).values()) == {"keep"}
    target(declared).destroy(quiet)
    left = census()
    assert {**left, "buckets": 0, "log groups": 0, "keys": 0} == before


def tls_ends_there_by_a_certificate_of_ours() -> None:
    seen = balancer()
    assert (seen["Type"], seen["Scheme"]) == ("application", "internet-facing")
    heard = listener()
    assert (heard["Protocol"], heard["Port"]) == ("HTTPS", 443), "and nothing in clear"
    assert heard["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    acm = boto3.client("acm", region_name="us-east-1")
    shown = acm.describe_certificate(CertificateArn=heard["Certificates"][0]["CertificateArn"])["Certificate"]
    assert (shown["DomainName"], shown["Status"]) == ("analytics.acme.example", "ISSUED")
    (group,) = boto3.client("elbv2", region_name="us-east-1").describe_target_groups()["TargetGroups"]
    assert (group["Protocol"], group["HealthCheckProtocol"], group["Port"]) == ("HTTPS", "HTTPS", 443)
    assert (group["HealthCheckPath"], group["Matcher"]["HttpCode"]) == ("/-hedgerow/", "404")
    assert let_in("balancer", 443) == {"0.0.0.0/0", "198.51.100.0/24"} and let_in("balancer", 80) == set()
    assert let_in("host", 443) == SUBNETS and let_in("host", 80) == set() and "PublicIpAddress" not in machine()


def each_request_is_judged() -> None:
    waf = boto3.client("wafv2", region_name="us-east-1")
    judged = waf.get_web_acl_for_resource(ResourceArn=balancer()["LoadBalancerArn"])["WebACL"]
    acl = rules()
    assert judged["ARN"] == acl["ARN"]
    groups = {rule["Name"]: rule for rule in acl["Rules"] if "ManagedRuleGroupStatement" in rule["Statement"]}
    assert all(rule["OverrideAction"] == {"None": {}} for rule in groups.values()) and len(groups) == 4
    common = groups["AWSManagedRulesCommonRuleSet"]["Statement"]["ManagedRuleGroupStatement"]
    excepted = common["ScopeDownStatement"]["NotStatement"]["Statement"]["RegexMatchStatement"]["RegexString"]
    assert all(re.search(excepted, path) for path in EXCEPTED)
    assert not any(re.search(excepted, path) for path in JUDGED)
    (limit,) = (rule for rule in acl["Rules"] if "RateBasedStatement" in rule["Statement"])
    assert limit["Action"] == {"Block": {}}
    log = waf.get_logging_configuration(ResourceArn=acl["ARN"])["LoggingConfiguration"]
    assert log["LogDestinationConfigs"][0].endswith(":log-group:aws-waf-logs-hedgerow-acme")
    hidden = [next(iter(one.values())).get("Name", "") or next(iter(one)) for one in log["RedactedFields"]]
    assert sorted(hidden) == ["QueryString", "authorization", "cookie", "referer"]


def the_name_leads_there() -> None:
    seen = balancer()
    (alias,) = (row["AliasTarget"] for row in records() if row["Type"] == "A")
    assert (alias["HostedZoneId"], alias["DNSName"].rstrip(".")) == (seen["CanonicalHostedZoneId"], seen["DNSName"])


def it_can_be_exchanged_for_one_that_passes_on(declared: str) -> None:
    target(declared).provision(quiet)
    assert balancer()["Type"] == "network"
    assert [one for one in target(declared).plan() if one.action != "keep"] == []
    assert (census()["web acls"], census()["certificates"]) == (0, 0)
    (row,) = (row for row in records() if row["Type"] == "A")
    assert "ResourceRecords" in row and "AliasTarget" not in row


def verdicts(declared: str) -> dict[str, str]:
    """Ask the account's checks, as `verify` does."""
    (sheet,) = cloud_sheets(target(declared).declaration, "192.0.2.1")
    return {one.control: one.status for one in verify([sheet], catalog=catalog_of("aws"), controls=HELD)}


def rules() -> dict[str, Any]:
    waf = boto3.client("wafv2", region_name="us-east-1")
    (row,) = waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    return dict(waf.get_web_acl(Name=row["Name"], Scope="REGIONAL", Id=row["Id"])["WebACL"])


def records() -> list[dict[str, Any]]:
    route53 = boto3.client("route53")
    (domain,) = route53.list_hosted_zones()["HostedZones"]
    return list(route53.list_resource_record_sets(HostedZoneId=domain["Id"])["ResourceRecordSets"])


def balancer() -> dict[str, Any]:
    (found,) = boto3.client("elbv2", region_name="us-east-1").describe_load_balancers()["LoadBalancers"]
    return dict(found)


def listener() -> dict[str, Any]:
    elb = boto3.client("elbv2", region_name="us-east-1")
    (found,) = elb.describe_listeners(LoadBalancerArn=balancer()["LoadBalancerArn"])["Listeners"]
    return dict(found)
