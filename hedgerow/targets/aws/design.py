"""From what is declared to the resources that are wanted. Pure: a declaration and a place in, a graph out."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.aws import (
    design_front,
    design_network,
    design_reading,
    design_watching,
    documents,
    facts,
)
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.user_data import user_data
from hedgerow.targets.aws.wanted import RECORD, RETENTION_DAYS, Wanted, bucket_name, log_group
from hedgerow.targets.cloud.graph import Ref, Resource

DATA_DEVICE = "/dev/sdf"
STAYS = "it guards the whole account"


def resources(wanted: Wanted, place: Place) -> tuple[Resource, ...]:
    """Return every resource that any declaration could want; those that this one does not are `absent`."""
    return (
        *_account(),
        *_keys(place),
        *_buckets(wanted, place),
        *_roles(wanted, place),
        *design_network.network(wanted, place),
        *design_network.groups(wanted),
        *design_front.front(wanted),
        *design_reading.front(wanted, place),
        *design_watching.logs(wanted, place),
        *design_watching.alarms(wanted, place),
        *_machine(wanted),
        *_backup(wanted, place),
    )


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
        # The machine lets go of its own backups: by age S3 would take what newer ones still stand on.
        age = {} if name == "backup" and wanted.backs_up else {"expire": days}
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
                "lifecycle": {"abort-uploads": 7, **age, "expire-old-versions": days},
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

    balancer = wanted.target.reads_requests
    access = documents.bucket(place, names["access"], config=True, access=True, balancer=balancer)
    return [
        bucket("access", RETENTION_DAYS, access),
        bucket("backup", wanted.keep_days, documents.bucket(place, names["backup"])),
        bucket("logs", RETENTION_DAYS, documents.bucket(place, names["logs"], trail=True)),
    ]


def _roles(wanted: Wanted, place: Place) -> list[Resource]:
    key = Ref("key/records", "arn")
    backup, logs = bucket_name(place, "backup"), bucket_name(place, "logs")
    host = documents.instance_role(place, backup, logs, key, backs_up=wanted.backs_up)
    rows = {
        "host": ("ec2.amazonaws.com", host, ("key/records",)),
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


def _machine(wanted: Wanted) -> list[Resource]:
    target = wanted.target
    image = facts.image(target.image)
    key = Ref("key/data", "arn")
    subnet = "subnet/public" if target.public else "subnet/private"
    ways_out = (
        [] if target.vpc else ["route-table/public" if target.public else "route-table/private", "network-acl/main"]
    )
    disks = [{"gib": gib, "type": "gp3", "key": key} for gib in (target.root_gib, target.data_gib)]
    ways_out += [f"vpc-endpoint/{name}" for name in design_network.ENDPOINTS if target.egress == "endpoints"]
    entrance = "address/balancer" if target.load_balancer else "address/host" if target.public else ""
    public = [Ref(entrance, "address")] if entrance else []
    name: dict[str, Any] = {"addresses": public or [Ref(f"instance/{target.name}", "private")], "alias": None}
    if target.reads_requests:
        # Its addresses are AWS's and change.
        entrance = "load-balancer/http"
        name = {"addresses": [], "alias": Ref(entrance, "name")}
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
                    name,
                    needs=(entrance or f"instance/{target.name}",),
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
