"""From what is declared to the resources that are wanted. Pure: a declaration and a place in, a graph out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hedgerow.declaration.machines import Aws as AwsModel
from hedgerow.targets.aws import documents, facts
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.user_data import user_data
from hedgerow.targets.cloud.graph import Ref, Resource

RETENTION_DAYS = 2192
"""Six years (45 CFR 164.316(b)(2)(i)), as CloudWatch Logs counts them."""
BACKUP_DAYS = 35
"""How long a copy of a disk is kept, and for how long at least a backup cannot be removed."""
ENDPOINTS = ("ssm", "ssmmessages", "ec2messages", "kms", "logs")
DATA_DEVICE = "/dev/sdf"
STAYS = "it guards the whole account"
RECORD = "it holds records that the law keeps for six years"
WATCHED = {
    "root-use": '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS'
    ' && $.eventType != "AwsServiceEvent" }',
    "refused-calls": '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
    "failed-sign-in": '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }',
    "sign-in-without-mfa": '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") }',
    "policy-changes": "{ ($.eventName = PutRolePolicy) || ($.eventName = AttachRolePolicy)"
    " || ($.eventName = PutUserPolicy) || ($.eventName = AttachUserPolicy) || ($.eventName = CreatePolicyVersion) }",
    "network-changes": "{ ($.eventName = AuthorizeSecurityGroup*) || ($.eventName = RevokeSecurityGroup*)"
    " || ($.eventName = CreateNetworkAcl*) || ($.eventName = DeleteNetworkAcl*) || ($.eventName = ReplaceNetworkAcl*)"
    " || ($.eventName = CreateRoute) || ($.eventName = DeleteRoute*) || ($.eventName = ReplaceRoute*)"
    " || ($.eventName = AttachInternetGateway) || ($.eventName = CreateVpc*) || ($.eventName = DeleteVpc*) }",
    "key-changes": "{ ($.eventSource = kms.amazonaws.com) && (($.eventName = DisableKey)"
    " || ($.eventName = ScheduleKeyDeletion) || ($.eventName = PutKeyPolicy)) }",
    "trail-changes": "{ ($.eventName = StopLogging) || ($.eventName = DeleteTrail) || ($.eventName = UpdateTrail)"
    " || ($.eventName = PutEventSelectors) }",
    "bucket-policy-changes": "{ ($.eventSource = s3.amazonaws.com) && (($.eventName = PutBucketPolicy)"
    " || ($.eventName = DeleteBucketPolicy) || ($.eventName = PutBucketAcl) || ($.eventName = PutBucketLifecycle)) }",
    "config-changes": "{ ($.eventSource = config.amazonaws.com) && (($.eventName = StopConfigurationRecorder)"
    " || ($.eventName = DeleteDeliveryChannel) || ($.eventName = PutConfigurationRecorder)) }",
}
"""What an alarm goes off for, by the patterns of the CIS AWS Foundations Benchmark, section 4 (monitoring)."""


@dataclass(frozen=True)
class Wanted:
    """What of a declaration concerns the cloud. The lists of sources hold networks only."""

    target: AwsModel
    domain: str
    ssh_from: tuple[str, ...]
    web_from: tuple[str, ...]
    outbound: tuple[str, ...]
    keep_days: int
    ssh_key: str


def resources(wanted: Wanted, place: Place) -> tuple[Resource, ...]:
    """Return every resource that any declaration could want; those that this one does not are `absent`."""
    return (
        *_account(),
        *_keys(place),
        *_buckets(wanted, place),
        *_roles(place),
        *_network(wanted, place),
        *_groups(wanted),
        *_logs(wanted, place),
        *_alarms(wanted, place),
        *_machine(wanted),
        *_backup(wanted, place),
    )


def bucket_name(place: Place, name: str) -> str:
    """Return a name that nobody else has and that gives no account away."""
    where = f"{place.account} {place.region} {place.deployment}"
    return f"hedgerow-{place.deployment}-{name}-{hashlib.sha256(where.encode()).hexdigest()[:12]}"


def log_group(place: Place, name: str) -> str:
    """Return the name of one of our log groups."""
    return f"/hedgerow/{place.deployment}/{name}"


def role_arn(place: Place, name: str) -> str:
    """Return the ARN of one of our roles."""
    return place.arn("iam", f"role/hedgerow-{place.deployment}-{name}", region=False)


def _account() -> list[Resource]:
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    return [
        Resource("account-s3-block", "account", {"block": block}, kept=STAYS),
        Resource("account-ebs-encryption", "account", {"enabled": True}, kept=STAYS),
        Resource("account-snapshot-block", "account", {"state": "block-all-sharing"}, kept=STAYS),
    ]


def _keys(place: Place) -> list[Resource]:
    """Two keys: disks end with the deployment, and their key with them; records must stay readable."""
    common = {"enabled": True, "rotation": True}
    names = {name: f"alias/hedgerow/{place.deployment}/{name}" for name in ("data", "records")}
    return [
        Resource("key", "data", {**common, "alias": names["data"], "policy": documents.data_key(place)}),
        Resource(
            "key",
            "records",
            {**common, "alias": names["records"], "policy": documents.records_key(place)},
            kept="without it nobody could read the records that are kept",
        ),
    ]


def _buckets(wanted: Wanted, place: Place) -> list[Resource]:
    """Backups and logs are locked; access logs and Config's snapshots lie in a third, which AWS wants without a lock.

    S3 delivers access logs, and Config its snapshots, to no bucket with a default retention, and access logs to none
    that is encrypted with a key of KMS (S3 user guide, "Enabling server access logging").
    """
    names = {name: bucket_name(place, name) for name in ("access", "backup", "logs")}
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }

    def bucket(name: str, days: int, policy: documents.Document, **more: Any) -> Resource:
        lock = {"lock": {"mode": wanted.target.lock, "days": days}} if name != "access" else {}
        log = {"access_log": names["access"]} if name != "access" else {}
        sse: dict[str, Any] = {"algorithm": "AES256", "key": None}
        if name != "access":
            sse = {"algorithm": "aws:kms", "key": Ref("key/records", "arn")}
        return Resource(
            "bucket",
            name,
            {
                "versioning": "Enabled",
                "encryption": sse,
                "public_access_block": block,
                "ownership": "BucketOwnerEnforced",
                "policy": policy,
                "lifecycle": {"abort-uploads": 7, "expire": days, "expire-old-versions": days},
                "tags": {
                    "hedgerow:deployment": place.deployment,
                    "hedgerow:name": name,
                    "Name": f"hedgerow-{place.deployment}-{name}",
                },
                **log,
                **lock,
            },
            needs=() if name == "access" else ("key/records", "bucket/access"),
            given={"bucket": names[name]},
            kept=RECORD,
        )

    access = documents.bucket(place, names["access"], config=True, access=True)
    return [
        bucket("access", RETENTION_DAYS, access),
        bucket("backup", wanted.keep_days, documents.bucket(place, names["backup"])),
        bucket("logs", RETENTION_DAYS, documents.bucket(place, names["logs"], trail=True)),
    ]


def _roles(place: Place) -> list[Resource]:
    key = Ref("key/records", "arn")
    backup, logs = bucket_name(place, "backup"), bucket_name(place, "logs")
    rows = {
        "host": ("ec2.amazonaws.com", documents.instance_role(place, backup, logs, key), ("key/records",)),
        "flow": ("vpc-flow-logs.amazonaws.com", documents.write_logs(place, log_group(place, "flow")), ()),
        "trail": ("cloudtrail.amazonaws.com", documents.write_logs(place, log_group(place, "trail")), ()),
        "config": ("config.amazonaws.com", documents.config_role(place, bucket_name(place, "access")), ()),
        "backup": (
            "backup.amazonaws.com",
            documents.backup_role(place, [Ref("key/data", "arn"), key]),
            ("key/data", "key/records"),
        ),
    }
    roles = [
        Resource(
            "role",
            name,
            {"trust": documents.trust(place, service), "policy": policy, "other_policies": []},
            needs=tuple(needs),
        )
        for name, (service, policy, needs) in rows.items()
    ]
    profile = {"roles": [f"hedgerow-{place.deployment}-host"]}
    return [*roles, Resource("instance-profile", "host", profile, needs=("role/host",))]


def _network(wanted: Wanted, place: Place) -> list[Resource]:
    target = wanted.target
    own = target.vpc is None
    vpc = Ref("vpc/main")
    nat, public, endpoints = (
        own and target.egress == "nat" and not target.public,
        own and target.public,
        target.egress == "endpoints",
    )
    outward = nat or public
    first = target.cidr.rsplit(".", 2)[0]
    adopted = {"existing": target.vpc.id} if target.vpc else None
    there = {"existing": target.vpc.subnet} if target.vpc else None
    main = {} if adopted else {"cidr": target.cidr, "dns_support": True, "dns_hostnames": True}
    subnet = {} if adopted else {"vpc": vpc, "public_addresses": False}
    private = {**subnet, "cidr": f"{first}.0.0/20"} if own else {}
    private_routes = {"0.0.0.0/0": Ref("nat-gateway/main")} if nat else {}
    subnets = ["subnet/private", *(["subnet/public"] if outward else [])]
    fixed = frozenset({"vpc", "cidr"})
    found = [
        Resource("vpc", "main", main, given=adopted, fixed=frozenset({"cidr"}), holds_data=True),
        Resource("subnet", "private", private, needs=("vpc/main",), given=there, fixed=fixed, holds_data=True),
        Resource(
            "subnet",
            "public",
            {**subnet, "cidr": f"{first}.16.0/20"},
            needs=("vpc/main",),
            fixed=fixed,
            absent=not outward,
            holds_data=True,
        ),
        Resource("internet-gateway", "main", {"vpc": vpc}, needs=("vpc/main",), absent=not outward),
        Resource("address", "nat", {}, absent=not nat),
        Resource(
            "nat-gateway",
            "main",
            {"subnet": Ref("subnet/public"), "address": Ref("address/nat")},
            needs=("subnet/public", "address/nat", "internet-gateway/main"),
            fixed=frozenset({"subnet", "address"}),
            absent=not nat,
        ),
        Resource(
            "route-table",
            "public",
            {"vpc": vpc, "routes": {"0.0.0.0/0": Ref("internet-gateway/main")}, "subnets": [Ref("subnet/public")]},
            needs=("vpc/main", "internet-gateway/main", "subnet/public"),
            fixed=frozenset({"vpc"}),
            absent=not outward,
        ),
        Resource(
            "route-table",
            "private",
            {"vpc": vpc, "routes": private_routes, "subnets": [Ref("subnet/private")]},
            needs=("vpc/main", "subnet/private", *(["nat-gateway/main"] if nat else [])),
            fixed=frozenset({"vpc"}),
            absent=not own,
        ),
        Resource(
            "network-acl",
            "main",
            {"vpc": vpc, "entries": _acl(wanted), "subnets": [Ref(key) for key in subnets]},
            needs=("vpc/main", *subnets),
            fixed=frozenset({"vpc"}),
            absent=not own,
        ),
        Resource(
            "network-acl",
            "default",
            {"vpc": vpc, "entries": []},
            # Emptied once no subnet of ours is in it.
            needs=("vpc/main", "network-acl/main"),
        ),
        Resource(
            "security-group",
            "default",
            {"vpc": vpc, "in": [], "out": []},
            needs=("vpc/main",),
        ),
    ]
    # Those of a VPC that was there are its owner's.
    found = [one for one in found if own or one.name != "default"]
    for name in ENDPOINTS:
        found.append(
            Resource(
                "vpc-endpoint",
                name,
                {
                    "vpc": vpc,
                    "service": f"com.amazonaws.{target.region}.{name}",
                    "subnets": [Ref("subnet/private")],
                    "groups": [Ref("security-group/endpoints")],
                    "policy": documents.endpoint(place, name),
                },
                needs=("vpc/main", "subnet/private", "security-group/endpoints"),
                fixed=frozenset({"vpc", "service"}),
                absent=not endpoints,
            )
        )
    tables = [Ref("route-table/private")] if own else []
    found.append(
        Resource(
            "vpc-endpoint",
            "s3",
            {
                "vpc": vpc,
                "service": f"com.amazonaws.{target.region}.s3",
                "route_tables": tables,
                "policy": documents.endpoint(place, "s3"),
            },
            needs=("vpc/main", "route-table/private"),
            fixed=frozenset({"vpc", "service"}),
            absent=not own,
        )
    )
    return found


def _acl(wanted: Wanted) -> list[str]:
    """What may pass the border of a subnet at all: a second line behind the security groups, without state."""
    ssh = [f"in {100 + index} allow tcp 22-22 {cidr}" for index, cidr in enumerate(sorted(_ipv4(wanted.ssh_from)))]
    return sorted(
        [
            *(ssh if wanted.target.public else []),
            f"in 50 allow all all {wanted.target.network}",
            "in 60 deny tcp 3389-3389 0.0.0.0/0",
            "in 300 allow tcp 80-80 0.0.0.0/0",
            "in 310 allow tcp 443-443 0.0.0.0/0",
            # Answers to what we asked.
            "in 320 allow tcp 1024-65535 0.0.0.0/0",
            "in 330 allow udp 1024-65535 0.0.0.0/0",
            "out 100 allow all all 0.0.0.0/0",
        ]
    )


def _ipv4(sources: Sequence[str]) -> list[str]:
    return [f"{source}" if "/" in source else f"{source}/32" for source in sources if ":" not in source]


def _groups(wanted: Wanted) -> list[Resource]:
    """The declaration's allow-lists once more, in front of the host's own firewall."""
    target, vpc = wanted.target, Ref("vpc/main")
    inward = [f"tcp {port} {cidr}" for cidr in _ipv4(wanted.web_from) for port in (443, 80)]
    if target.public:
        inward += [f"tcp 22 {cidr}" for cidr in _ipv4(wanted.ssh_from)]
    # Packages, images and AWS's own services by TLS; names; time. The host's firewall says by whom and where to.
    outward = ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0", "udp 53 0.0.0.0/0", "tcp 53 0.0.0.0/0", "udp 123 0.0.0.0/0"]
    if target.egress == "endpoints":
        # What goes out of the VPC would find no way; the endpoint of S3 has public addresses all the same.
        outward = ["tcp 443 0.0.0.0/0", f"udp 53 {target.network}", f"tcp 53 {target.network}"]
    outward += [f"tcp {port} {cidr}" for port, _, cidr in (one.partition(" ") for one in wanted.outbound)]
    inside = f"tcp 443 {target.network}"
    return [
        Resource(
            "security-group",
            "host",
            {"vpc": vpc, "in": sorted(set(inward)), "out": sorted(set(outward))},
            needs=("vpc/main",),
            fixed=frozenset({"vpc"}),
        ),
        Resource(
            "security-group",
            "endpoints",
            {"vpc": vpc, "in": [inside], "out": []},
            needs=("vpc/main",),
            fixed=frozenset({"vpc"}),
            absent=target.egress != "endpoints",
        ),
    ]


def _logs(wanted: Wanted, place: Place) -> list[Resource]:
    key = Ref("key/records", "arn")
    groups = [
        Resource(
            "log-group",
            name,
            {"key": key, "days": RETENTION_DAYS},
            needs=("key/records",),
            given={"group": log_group(place, name)},
            kept=RECORD,
        )
        for name in ("flow", "trail", "host")
    ]
    buckets = [f"arn:{place.partition}:s3:::{bucket_name(place, name)}/" for name in ("access", "backup", "logs")]
    return [
        *groups,
        Resource(
            "flow-log",
            "main",
            {
                "vpc": Ref("vpc/main"),
                "traffic": "ALL",
                "group": log_group(place, "flow"),
                "role": role_arn(place, "flow"),
            },
            needs=("vpc/main", "log-group/flow", "role/flow"),
            fixed=frozenset({"vpc", "traffic", "group", "role"}),
        ),
        Resource(
            "trail",
            "main",
            {
                "bucket": bucket_name(place, "logs"),
                "multi_region": True,
                "validated": True,
                "key": key,
                "group": place.arn("logs", f"log-group:{log_group(place, 'trail')}:*"),
                "role": role_arn(place, "trail"),
                "logging": True,
                "data_events": sorted(buckets),
            },
            needs=("bucket/logs", "bucket/access", "bucket/backup", "key/records", "log-group/trail", "role/trail"),
        ),
        Resource("detector", "main", {"enabled": True}),
        Resource(
            "recorder",
            "main",
            {
                "role": role_arn(place, "config"),
                "everything": True,
                "bucket": bucket_name(place, "access"),
                "recording": True,
            },
            needs=("role/config", "bucket/access"),
        ),
    ]


def _alarms(wanted: Wanted, place: Place) -> list[Resource]:
    arn = place.arn("sns", f"hedgerow-{place.deployment}-alarms")
    found = [
        Resource(
            "topic",
            "alarms",
            {
                "key": Ref("key/records", "arn"),
                "policy": documents.topic(place, arn),
                "emails": sorted(wanted.target.alerts_to),
            },
            needs=("key/records",),
        )
    ]
    for name, pattern in WATCHED.items():
        given = {"group": log_group(place, "trail")}
        metric = {"pattern": pattern, "metric": name}
        found.append(Resource("metric-filter", name, metric, needs=("log-group/trail",), given=given))
        alarm = {"metric": name, "topics": [arn], "enabled": True}
        found.append(Resource("alarm", name, alarm, needs=("topic/alarms", f"metric-filter/{name}")))
    return found


def _machine(wanted: Wanted) -> list[Resource]:
    target = wanted.target
    image = facts.image(target.image)
    key = Ref("key/data", "arn")
    subnet = "subnet/public" if target.public else "subnet/private"
    ways_out = (
        [] if target.vpc else ["route-table/public" if target.public else "route-table/private", "network-acl/main"]
    )
    disks = [{"gib": gib, "type": "gp3", "key": key} for gib in (target.root_gib, target.data_gib)]
    ways_out += [f"vpc-endpoint/{name}" for name in ENDPOINTS if target.egress == "endpoints"]
    public = [Ref("address/host", "address")] if target.public else []
    return [
        Resource(
            "instance",
            target.name,
            {
                "type": facts.instance_type(target.size),
                "subnet": Ref(subnet),
                "profile": Ref("instance-profile/host", "arn"),
                "groups": [Ref("security-group/host")],
                "metadata": {"tokens": "required", "hops": 1},
                "termination_protection": True,
                "running": True,
                "disks": disks,
            },
            needs=(subnet, "security-group/host", "instance-profile/host", "role/host", "key/data", *ways_out),
            given={
                "image_owner": image.owner,
                "image_name": image.name,
                "data_device": DATA_DEVICE,
                "user_data": user_data(image.user, wanted.ssh_key),
            },
            fixed=frozenset({"type", "subnet", "disks"}),
            holds_data=True,
        ),
        Resource(
            "address",
            "host",
            {"instance": Ref(f"instance/{target.name}")},
            needs=(f"instance/{target.name}", "internet-gateway/main"),
            absent=not target.public,
        ),
        *(
            [
                Resource(
                    "record",
                    wanted.domain,
                    {"addresses": public or [Ref(f"instance/{target.name}", "private")]},
                    needs=("address/host" if public else f"instance/{target.name}",),
                    given={"zone": target.zone},
                )
            ]
            if target.zone
            else []
        ),
    ]


def _backup(wanted: Wanted, place: Place) -> list[Resource]:
    return [
        Resource(
            "vault",
            "main",
            {"key": Ref("key/records", "arn"), "least_days": wanted.keep_days},
            needs=("key/records",),
            fixed=frozenset({"key"}),
            kept="it holds backups",
            holds_data=True,
        ),
        Resource(
            "backup-plan",
            "main",
            {
                "vault": f"hedgerow-{place.deployment}",
                "schedule": "cron(0 3 * * ? *)",
                "days": wanted.keep_days,
                "selected_by": Ref("role/backup", "arn"),
            },
            needs=("vault/main", "role/backup"),
        ),
    ]
