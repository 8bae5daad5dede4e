"""Every kind of resource, and who finds, makes, changes and removes it."""

from __future__ import annotations

from hedgerow.targets.aws import (
    alarming,
    balancing,
    certifying,
    compute,
    filters,
    judging,
    keeping,
    network,
    storage,
    watching,
)
from hedgerow.targets.aws.api import Aws
from hedgerow.targets.aws.kind import Kind
from hedgerow.targets.cloud.doing import Driver, Drivers

KINDS: dict[str, type[Kind]] = {
    "account-s3-block": storage.AccountS3Block,
    "account-ebs-encryption": storage.EbsEncryption,
    "account-snapshot-block": storage.SnapshotBlock,
    "key": storage.Key,
    "bucket": storage.Bucket,
    "role": compute.Role,
    "instance-profile": compute.Profile,
    "vpc": network.Vpc,
    "subnet": network.Subnet,
    "internet-gateway": network.InternetGateway,
    "address": network.Address,
    "nat-gateway": network.NatGateway,
    "route-table": network.RouteTable,
    "network-acl": filters.NetworkAcl,
    "security-group": filters.SecurityGroup,
    "vpc-endpoint": network.Endpoint,
    "log-group": watching.LogGroup,
    "flow-log": watching.FlowLog,
    "trail": watching.Trail,
    "metric-filter": alarming.MetricFilter,
    "alarm": alarming.Alarm,
    "topic": alarming.Topic,
    "detector": watching.Detector,
    "recorder": watching.Recorder,
    "instance": compute.Instance,
    "vault": keeping.Vault,
    "backup-plan": keeping.Plan,
    "record": keeping.Record,
    "target-group": balancing.TargetGroup,
    "load-balancer": balancing.LoadBalancer,
    "certificate": certifying.Certificate,
    "web-acl": judging.WebAcl,
}


def drivers(aws: Aws) -> Drivers:
    """Return the drivers, all with the same door to AWS."""
    made: dict[str, Driver] = {name: kind(aws) for name, kind in KINDS.items()}  # type: ignore[misc]
    return made
