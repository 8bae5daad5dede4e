"""What the tests share: a declaration, its target, and everything that is in the emulated account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import boto3
from botocore.client import BaseClient

from hedgerow.declaration import parse
from hedgerow.deployment import Deployment
from hedgerow.targets.aws.api import Aws, asks
from hedgerow.targets.aws.kinds import drivers
from hedgerow.targets.aws.target import AwsTarget
from hedgerow.targets.cloud.doing import look

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZw8Zb6c3THTz8GycTPXbKu78nIfJ39zK8MvWwOwKpC jane@acme.example"
TEXT = """\
name: acme
domain: analytics.acme.example
target: {{kind: aws, region: us-east-1, alerts_to: [ops@acme.example]{more}}}
access:
  administrators: [{{name: jane, ssh_keys: ["{key}"]}}]
  ssh_from: [198.51.100.7]
  interface_from: [198.51.100.0/24]
  ingest_from: [any]
agreements: [{{with: aws, signed: 2026-02-01, reference: "AWS Artifact, BAA"}}]
"""


def text(more: str = "", backup: str = "") -> str:
    """Return a deploy.yml; `more` goes on with the target, `backup` says where backups go."""
    kept = f"backup: {backup}\n" if backup else ""
    return TEXT.format(key=KEY, more=f", {more}" if more else "") + kept


DOORS: list[Aws] = []
"""The door that targets share: botocore takes a second to read what AWS can do, and each door reads it anew."""


def target(more: str = "", *, backup: str = "", fresh: bool = False) -> AwsTarget:
    """Return the target, as the command line would make it; `fresh` with a door of its own."""
    declaration = parse(text(more, backup))
    made = AwsTarget(declaration, declaration.target, Deployment(declaration.name))  # type: ignore[arg-type]
    made.missing_programs = lambda: []  # type: ignore[method-assign] # no machine of these tests is reached
    if not fresh:
        DOORS[:] = DOORS or [made.aws]
        made.aws = DOORS[0]
        made.drivers = drivers(made.aws)
    return made


def quiet(line: str) -> None:
    """Hear nothing."""


def actions(made: AwsTarget) -> dict[str, str]:
    """Return the plan: the action for each resource."""
    return {f"{change.kind}/{change.name}": change.action for change in made.plan()}


def census() -> dict[str, int]:
    """Count what is in the account, whatever its tags: a thing made twice shows here."""

    def client(name: str) -> Any:
        return boto3.client(name, region_name="us-east-1")

    ec2, iam = client("ec2"), client("iam")
    reservations = ec2.describe_instances()["Reservations"]
    instances = [one for row in reservations for one in row["Instances"] if one["State"]["Name"] != "terminated"]
    # The emulator keeps the default ACL of a VPC that is gone.
    vpcs = {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]}
    keys = [client("kms").describe_key(KeyId=row["KeyId"]) for row in client("kms").list_keys()["Keys"]]
    return {
        "vpcs": len(vpcs),
        "subnets": len(ec2.describe_subnets()["Subnets"]),
        "groups": len(ec2.describe_security_groups()["SecurityGroups"]),
        "acls": len([one for one in ec2.describe_network_acls()["NetworkAcls"] if one["VpcId"] in vpcs]),
        "tables": len(ec2.describe_route_tables()["RouteTables"]),
        "gateways": len(ec2.describe_internet_gateways()["InternetGateways"]),
        "nat": len([one for one in ec2.describe_nat_gateways()["NatGateways"] if one["State"] != "deleted"]),
        "endpoints": len([one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["State"] != "deleted"]),
        "addresses": len(ec2.describe_addresses()["Addresses"]),
        "volumes": len(ec2.describe_volumes()["Volumes"]),
        "instances": len(instances),
        "flow logs": len(ec2.describe_flow_logs()["FlowLogs"]),
        "roles": len(iam.list_roles()["Roles"]),
        "profiles": len(iam.list_instance_profiles()["InstanceProfiles"]),
        "keys": len([one for one in keys if one["KeyMetadata"]["KeyState"] == "Enabled"]),
        "buckets": len(client("s3").list_buckets()["Buckets"]),
        "log groups": len(client("logs").describe_log_groups()["logGroups"]),
        "alarms": len(client("cloudwatch").describe_alarms()["MetricAlarms"]),
        "topics": len(client("sns").list_topics()["Topics"]),
        "trails": len(client("cloudtrail").describe_trails()["trailList"]),
        "detectors": len(client("guardduty").list_detectors()["DetectorIds"]),
        "recorders": len(client("config").describe_configuration_recorders()["ConfigurationRecorders"]),
        "balancers": len(client("elbv2").describe_load_balancers()["LoadBalancers"]),
        "target groups": len(client("elbv2").describe_target_groups()["TargetGroups"]),
        "certificates": len(client("acm").list_certificates()["CertificateSummaryList"]),
        "web acls": len(client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]),
        "plans": len(client("backup").list_backup_plans()["BackupPlansList"]),
    }


def state(made: AwsTarget) -> tuple[dict[str, str], dict[str, int], set[str]]:
    """Return the plan, the census and what is found: equal after any way to the same end."""
    return actions(made), census(), set(look(made.resources(), made.drivers))


@contextmanager
def watched(see: Callable[[str, partial[Any]], Any]) -> Iterator[None]:
    """Hand every call to `see`: its name, as "ec2.create_vpc", and what makes it (client, operation, arguments)."""
    real = BaseClient._make_api_call
    names: dict[tuple[str, str], str] = {}

    def call(self: Any, operation: str, arguments: Any) -> Any:
        service = self.meta.service_model.service_name
        if (service, operation) not in names:
            names.update({(service, api): method for method, api in self.meta.method_to_api_mapping.items()})
        return see(f"{service}.{names[service, operation]}", partial(real, self, operation, arguments))

    BaseClient._make_api_call = call
    try:
        yield
    finally:
        BaseClient._make_api_call = real


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Write down every call."""
    calls: list[str] = []

    def see(name: str, make: partial[Any]) -> Any:
        calls.append(name)
        return make()

    with watched(see):
        yield calls


def changing(calls: list[str]) -> list[str]:
    """Return the calls that change something."""
    return [name for name in calls if not asks(name.partition(".")[2])]
