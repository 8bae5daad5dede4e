"""From an empty account to everything that is declared, and back to what the law keeps."""

from __future__ import annotations

import json

import boto3
import pytest

from hedgerow import repository
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError, UnreachableError
from hedgerow.targets.aws.permissions import calls as in_the_source
from tests.cloud.account import actions, census, changing, quiet, recorded, target

KEPT = {
    "account-s3-block/account",
    "account-ebs-encryption/account",
    "account-snapshot-block/account",
    "bucket/access",
    "bucket/backup",
    "bucket/logs",
    "key/records",
    "log-group/flow",
    "log-group/host",
    "log-group/trail",
    "vault/main",
}


def test_a_plan_touches_nothing_and_an_install_twice_is_one_install(aws: str) -> None:
    empty = census()
    with recorded() as calls:
        planned = target().plan()
        cost = target().cost()
    assert changing(calls) == [] and census() == empty
    assert {change.action for change in planned} == {"create", "change"}
    assert "USD a month" in cost and "2026-11-27 (pages of others)" in cost
    assert all(word in cost for word in ("data events", "storage of the trail", "AWS Backup", "GuardDuty", "Config"))
    with recorded() as calls:
        target().provision(quiet)
    assert set(calls) <= in_the_source()
    there = census()
    assert there["instances"] == 1 and there["vpcs"] == empty["vpcs"] + 1 and there["nat"] == 1
    with recorded() as calls:
        target().provision(quiet)
    assert changing(calls) == [], "a second install changes nothing"
    assert set(actions(target()).values()) == {"keep"}

    the_machine_is_as_hipaa_wants_it()
    what_holds_data_is_never_replaced()
    drift_is_shown_and_put_back()

    with recorded() as calls:
        removed = target().destroy(quiet)
    assert set(calls) <= in_the_source(), "the policy is made of the source: what is called must stand there"
    assert {f"{one.kind}/{one.name}" for one in removed if one.action == "keep"} == KEPT
    left = census()
    assert left == {**empty, "buckets": 3, "log groups": 3, "keys": 1}, "nothing leaks"
    record = json.loads((Deployment("acme").root / "disposal.json").read_text())
    assert {f"{one['kind']}/{one['name']}" for one in record[0]["kept"]} == KEPT
    assert "instance" in {one["kind"] for one in record[0]["removed"]} and "30 days" in record[0]["notes"][0]
    assert "123456789012" not in json.dumps(record)

    # What was kept is taken up again.
    target().provision(quiet)
    assert census() == there and set(actions(target()).values()) == {"keep"}


def test_the_machine_keeps_its_backups_in_the_bucket_that_is_made_for_them(aws: str) -> None:
    """Its role may read and remove below one prefix then, and age takes nothing that newer backups stand on."""
    target().provision(quiet)
    own = target(backup="{to: bucket}")
    with recorded() as calls:
        own.provision(quiet)
    assert changing(calls) == ["s3.put_bucket_lifecycle_configuration", "iam.put_role_policy"]
    with recorded() as calls:
        own.provision(quiet)
    assert changing(calls) == []
    # What the machine is told is the bucket that is there, and its own role.
    told = repository.options(own.declaration, own.bucket())
    assert told["repo1-path"] == "/host/acme" and told["repo1-s3-key-type"] == "auto"
    assert not [name for name in told if name.endswith("-key")], "no key lies on the machine"
    s3, iam = boto3.client("s3", region_name="us-east-1"), boto3.client("iam", region_name="us-east-1")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=told["repo1-s3-bucket"])["Rules"]
    assert not [rule for rule in rules if "Expiration" in rule]
    old = [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert old == [{"NoncurrentDays": 35}]
    (name,) = iam.list_role_policies(RoleName="hedgerow-acme-host")["PolicyNames"]
    said = iam.get_role_policy(RoleName="hedgerow-acme-host", PolicyName=name)["PolicyDocument"]["Statement"]
    keep = next(row for row in said if row["Sid"] == "Keep")
    assert keep["Resource"] == f"arn:aws:s3:::{told['repo1-s3-bucket']}/host/*"


def test_what_an_account_has_already_is_used_and_left(aws: str) -> None:
    s3, trail = boto3.client("s3", region_name="us-east-1"), boto3.client("cloudtrail", region_name="us-east-1")
    s3.create_bucket(Bucket="somebody-elses")
    trail.create_trail(
        Name="organization", S3BucketName="somebody-elses", IsMultiRegionTrail=True, EnableLogFileValidation=True
    )
    trail.start_logging(Name="organization")
    boto3.client("guardduty", region_name="us-east-1").create_detector(Enable=True)
    target().provision(quiet)
    there = census()
    assert (there["trails"], there["detectors"]) == (1, 1)
    removed = {f"{one.kind}/{one.name}": one for one in target().destroy(quiet)}
    assert removed["trail/main"].detail == removed["detector/main"].detail == "it was there before"
    assert (census()["trails"], census()["detectors"]) == (1, 1)


def test_a_network_that_is_there_is_used_and_never_changed(aws: str) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    before = census()
    there = f"egress: endpoints, vpc: {{id: {vpc}, subnet: {subnet}, cidr: 10.20.0.0/16}}"
    target(there).provision(quiet)
    after = census()
    assert {name: after[name] for name in ("vpcs", "subnets", "tables", "acls", "nat")} == {
        name: before[name] for name in ("vpcs", "subnets", "tables", "acls", "nat")
    }
    assert after["endpoints"] == 5
    assert set(actions(target(there)).values()) == {"keep"}
    target(there).destroy(quiet)
    assert {**census(), "buckets": 0, "log groups": 0, "keys": 0} == {**before, "keys": 0}


def test_a_public_machine_has_one_address_and_named_networks_alone(aws: str) -> None:
    zone = boto3.client("route53").create_hosted_zone(Name="acme.example", CallerReference="a")["HostedZone"]["Id"]
    made = target(f"public: true, zone: {zone.rpartition('/')[2]}")
    made.provision(quiet)
    ec2 = boto3.client("ec2", region_name="us-east-1")
    (address,) = ec2.describe_addresses()["Addresses"]
    assert address["InstanceId"]
    group = ec2.describe_security_groups(Filters=[{"Name": "tag:hedgerow:name", "Values": ["host"]}])
    ssh = [row for row in group["SecurityGroups"][0]["IpPermissions"] if row.get("FromPort") == 22]
    assert [peer["CidrIp"] for row in ssh for peer in row["IpRanges"]] == ["198.51.100.7/32"]
    records = boto3.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    found = [row["ResourceRecords"] for row in records if row["Type"] == "A"]
    assert found == [[{"Value": address["PublicIp"]}]]
    assert set(actions(made).values()) == {"keep"}
    # Back to a private one: the address goes. The machine stands in the public subnet, and is not replaced.
    with pytest.raises(CallError, match="would have to be replaced, and its data with it"):
        target().provision(quiet)


def test_a_region_of_no_list_is_refused(aws: str) -> None:
    made = target(fresh=True)
    made.spec = made.spec.model_copy(update={"region": "us-iso-east-1"})
    with pytest.raises(CallError, match="is not among the regions of 20"):
        made.plan()


def test_a_refusal_names_the_call_and_no_account(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(UnreachableError, match=r"AWS refused sts\.get_caller_identity") as refused:
        target(fresh=True).plan()
    assert "123456789012" not in refused.value.message


def the_machine_is_as_hipaa_wants_it() -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    (machine,) = [one for row in ec2.describe_instances()["Reservations"] for one in row["Instances"]]
    assert machine["MetadataOptions"]["HttpTokens"] == "required"
    assert machine["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    volumes = ec2.describe_volumes()["Volumes"]
    assert len(volumes) == 2 and all(one["Encrypted"] and one["VolumeType"] == "gp3" for one in volumes)
    (subnet,) = ec2.describe_subnets(SubnetIds=[machine["SubnetId"]])["Subnets"]
    assert subnet["MapPublicIpOnLaunch"] is False
    mine = [{"Name": "tag:hedgerow:deployment", "Values": ["acme"]}]
    tables = ec2.describe_route_tables(
        Filters=[*mine, {"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]
    )
    ways = [route for route in tables["RouteTables"][0]["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
    assert [set(route) & {"NatGatewayId", "GatewayId"} for route in ways] == [{"NatGatewayId"}]


def drift_is_shown_and_put_back() -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    mine = [{"Name": "tag:hedgerow:name", "Values": ["host"]}]
    group = ec2.describe_security_groups(Filters=mine)["SecurityGroups"][0]["GroupId"]
    opened = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=opened)
    s3 = boto3.client("s3")
    bucket = next(one["Name"] for one in s3.list_buckets()["Buckets"] if "-backup-" in one["Name"])
    s3.delete_bucket_policy(Bucket=bucket)
    boto3.client("cloudtrail", region_name="us-east-1").stop_logging(Name="hedgerow-acme")
    planned = {f"{one.kind}/{one.name}": one for one in target().plan() if one.action != "keep"}
    assert {name: one.differs for name, one in planned.items()} == {
        "security-group/host": ("in",),
        "bucket/backup": ("policy",),
        "trail/main": ("logging",),
    }
    assert "tcp 22 0.0.0.0/0" in planned["security-group/host"].detail
    target().provision(quiet)
    assert set(actions(target()).values()) == {"keep"}


def what_holds_data_is_never_replaced() -> None:
    with recorded() as calls, pytest.raises(CallError, match=r"instance analytics-1 would have to be replaced.*type"):
        target("size: large").provision(quiet)
    assert changing(calls) == []
    assert actions(target("size: large"))["instance/analytics-1"] == "replace"
