"""A load balancer in front: made whole, left alone when it is right, mended when it is not, and gone with the rest."""

from __future__ import annotations

from typing import Any

import boto3

from hedgerow.catalog import catalog_of
from hedgerow.cloud_sheet import cloud_sheets
from hedgerow.verify import verify
from tests.cloud.account import actions, census, changing, quiet, recorded, target
from tests.cloud.careless import break_the_front, put_away_what_is_beside, zone

FRONT = "load_balancer: {}"
SUBNET = "10.80.16.0/20"
BROKEN = {
    "load-balancer/main": {"attributes", "groups", "listeners"},
    "target-group/443": {"attributes", "targets"},
    "target-group/80": {"targets"},
}
"""What `break_the_front` breaks, with the fields in which `plan` shows it."""
HELD = dict.fromkeys(
    (
        *("aws.balancer-not-in-clear", "aws.balancer-protected", "aws.balancer-shows-clients"),
        *("aws.ingress-as-declared", "aws.closed-to-the-world", "aws.machines-not-public", "aws.machines-not-routed"),
    ),
    "pass",
)
"""What the account's checks say of a balancer that is right."""


def test_a_balancer_is_made_mended_and_taken_away(aws: str) -> None:
    empty = census()
    declared = f"{FRONT}, zone: {zone()}"
    target(declared).provision(quiet)
    there = census()
    assert (there["balancers"], there["target groups"], there["addresses"]) == (1, 2, 2), "one is the NAT gateway's"
    it_passes_on_what_it_does_not_read()
    the_machine_lets_in_its_clients_and_the_balancer()
    the_name_is_the_balancers()
    with recorded() as calls:
        target(declared).provision(quiet)
    assert changing(calls) == [], "a second install changes nothing"
    assert set(actions(target(declared)).values()) == {"keep"}

    assert verdicts() == {**HELD, "aws.balancer-tls": "not-exercised"}

    break_the_front()
    assert {name for name, said in verdicts().items() if said == "fail"} == {
        *("aws.balancer-protected", "aws.balancer-shows-clients")
    }
    planned = {f"{one.kind}/{one.name}": set(one.differs) for one in target(declared).plan() if one.action != "keep"}
    assert planned == BROKEN
    target(declared).provision(quiet)
    put_away_what_is_beside()
    assert set(actions(target(declared)).values()) == {"keep"} and census() == there
    it_passes_on_what_it_does_not_read()

    removed = {f"{one.kind}/{one.name}": one.action for one in target(declared).destroy(quiet)}
    ours = ("load-balancer/main", "target-group/443", "target-group/80", "address/balancer", "security-group/balancer")
    assert {removed[name] for name in ours} == {"delete"}
    assert census() == {**empty, "buckets": 3, "log groups": 3, "keys": 1}, "nothing leaks"


def test_it_goes_when_it_is_no_longer_declared(aws: str) -> None:
    target().provision(quiet)
    without = census()
    target(FRONT).provision(quiet)
    assert census()["balancers"] == 1
    assert {name for name, action in actions(target()).items() if action == "delete"} == {
        *("load-balancer/main", "target-group/443", "target-group/80", "address/balancer", "security-group/balancer")
    }
    target().provision(quiet)
    assert census() == without and set(actions(target()).values()) == {"keep"}


def test_in_a_vpc_that_is_there_it_lies_in_the_declared_subnet(aws: str) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    inner, outer = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"] for cidr in ("10.20.1.0/24", "10.20.16.0/24")
    )
    before = census()
    network = f"vpc: {{id: {vpc}, subnet: {inner}, cidr: 10.20.0.0/16}}"
    there = f"{network}, load_balancer: {{subnet: {outer}, cidr: 10.20.16.0/24}}"
    target(there).provision(quiet)
    (zone_of_it,) = balancer()["AvailabilityZones"]
    assert zone_of_it["SubnetId"] == outer
    assert "10.20.16.0/24" in let_in("host", 443) and set(actions(target(there)).values()) == {"keep"}
    target(there).destroy(quiet)
    left = census()
    assert {**left, "buckets": 0, "log groups": 0, "keys": 0} == before


def it_passes_on_what_it_does_not_read() -> None:
    elb = boto3.client("elbv2", region_name="us-east-1")
    seen = balancer()
    assert (seen["Type"], seen["Scheme"]) == ("network", "internet-facing")
    groups = {one["TargetGroupArn"]: one for one in elb.describe_target_groups()["TargetGroups"]}
    for listener in elb.describe_listeners(LoadBalancerArn=seen["LoadBalancerArn"])["Listeners"]:
        (action,) = listener["DefaultActions"]
        behind = groups[action["TargetGroupArn"]]
        assert listener["Protocol"] == behind["Protocol"] == behind["HealthCheckProtocol"] == "TCP"
        assert listener["Port"] == behind["Port"]
        asked = {"TargetGroupArn": action["TargetGroupArn"]}
        said = {one["Key"]: one["Value"] for one in elb.describe_target_group_attributes(**asked)["Attributes"]}
        assert said["preserve_client_ip.enabled"] == "true" and said["proxy_protocol_v2.enabled"] == "false"
        (health,) = elb.describe_target_health(**asked)["TargetHealthDescriptions"]
        assert health["Target"]["Id"] == machine()["InstanceId"]


def the_machine_lets_in_its_clients_and_the_balancer() -> None:
    """`ingest_from` is anybody here: the balancer's subnet is named beside that all the same."""
    assert "PublicIpAddress" not in machine()
    for port in (443, 80):
        assert let_in("host", port) == {SUBNET, "0.0.0.0/0", "198.51.100.0/24"}
        assert let_in("balancer", port) == {"0.0.0.0/0", "198.51.100.0/24"}
    assert let_in("host", 22) == set()


def the_name_is_the_balancers() -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    mine = [{"Name": "tag:hedgerow:name", "Values": ["balancer"]}]
    (address,) = ec2.describe_addresses(Filters=mine)["Addresses"]
    route53 = boto3.client("route53")
    (domain,) = route53.list_hosted_zones()["HostedZones"]
    rows = route53.list_resource_record_sets(HostedZoneId=domain["Id"])["ResourceRecordSets"]
    assert [row["ResourceRecords"] for row in rows if row["Type"] == "A"] == [[{"Value": address["PublicIp"]}]]


def verdicts() -> dict[str, str]:
    """Ask the account's checks, as `verify` does, what concerns a balancer and who comes in."""
    (sheet,) = cloud_sheets(target(FRONT).declaration, "192.0.2.1")
    names = (*HELD, "aws.balancer-tls")
    return {one.control: one.status for one in verify([sheet], catalog=catalog_of("aws"), controls=names)}


def balancer() -> dict[str, Any]:
    (found,) = boto3.client("elbv2", region_name="us-east-1").describe_load_balancers()["LoadBalancers"]
    return dict(found)


def machine() -> dict[str, Any]:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    mine = [{"Name": "tag:hedgerow:deployment", "Values": ["acme"]}]
    rows = ec2.describe_instances(Filters=mine)["Reservations"]
    (found,) = [one for row in rows for one in row["Instances"] if one["State"]["Name"] == "running"]
    return dict(found)


def let_in(name: str, port: int) -> set[str]:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    mine = [{"Name": "tag:hedgerow:name", "Values": [name]}]
    (group,) = ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
    rows = [row for row in group["IpPermissions"] if row.get("FromPort") == port]
    return {peer["CidrIp"] for row in rows for peer in row["IpRanges"]}
