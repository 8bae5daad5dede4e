"""What keeps backups and records, and what is written down, as it is wanted. Pure."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.graph import Ref, Resource
from hedgerow.targets.gcp.place import BACKUP_DAYS, RETENTION_DAYS, Place, Wanted

DAY = 86400
SEARCHED_DAYS = 365
"""How long logs can be searched where Google keeps them itself."""
AUDITED = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")
KEPT = {
    "backup": f"it holds backups, which are kept for {BACKUP_DAYS} days",
    "records": "it holds records that the law keeps for six years",
}
DAYS = {"backup": BACKUP_DAYS, "records": RETENTION_DAYS}
WRITES, READS = "roles/storage.objectCreator", "roles/storage.objectViewer"
KEEPS = "roles/storage.objectUser"
"""What pgBackRest needs: it writes some of its files anew each time, and lets go of what is too old. In a bucket with
versions "a live object version that has a retention expiration date in the future can still be made noncurrent"
(https://cloud.google.com/storage/docs/bucket-lock), and stays until its time is over."""
FILTER = 'logName:"cloudaudit.googleapis.com"'
"""Every audit log of Google's: activity, data_access, system_event, policy."""


def buckets(wanted: Wanted, place: Place) -> list[Resource]:
    """Return the bucket of backups, which the machine may add to and read, or keep its own in, and that of records."""
    roles = (KEEPS,) if wanted.backs_up else (WRITES, READS)
    return [
        *(_bucket(name, wanted, place) for name in KEPT),
        Resource(
            "bucket-users",
            "backup",
            {"bindings": {role: [f"serviceAccount:{place.email}"] for role in roles}},
            needs=("bucket/backup", "account/host"),
            given={"name": place.bucket("backup")},
            kept="it lies on a bucket that is kept",
        ),
    ]


def _bucket(name: str, wanted: Wanted, place: Place) -> Resource:
    days = DAYS[name]
    # A lock is for ever: it is set where it is declared, and nobody looks for it where it is not.
    lock = {"locked": True} if wanted.target.lock else {}
    # The machine lets go of its own backups: by age Google would take what newer ones still stand on.
    age = "daysSinceNoncurrentTime" if name == "backup" and wanted.backs_up else "age"
    return Resource(
        "bucket",
        name,
        {
            "location": place.region,
            "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
            "versioning": {"enabled": True},
            "retentionPolicy": {"retentionPeriod": str(days * DAY)},
            "encryption": {"defaultKmsKeyName": place.key("records")},
            "lifecycle": {"rule": [_rule("Delete", days, age), _rule("AbortIncompleteMultipartUpload", 7)]},
            "labels": place.labels,
            **lock,
        },
        needs=("key-users/records",),
        given={"name": place.bucket(name)},
        fixed=frozenset({"location"}),
        kept=KEPT[name],
        holds_data=True,
    )


def _rule(action: str, days: int, counted: str = "age") -> dict[str, Any]:
    return {"action": {"type": action}, "condition": {counted: days}}


def records(wanted: Wanted, place: Place) -> list[Resource]:
    """Return what the project writes down, and the way of it into the bucket of records."""
    audit = Resource(
        "audit",
        "project",
        {"kinds": list(AUDITED), "exempt": []},
        needs=("services/project",),
        kept="it concerns the whole project",
    )
    return [
        *([audit] if wanted.target.audit else []),
        Resource(
            "log-bucket",
            "_Default",
            {"retentionDays": SEARCHED_DAYS},
            needs=("services/project",),
            kept="it is the project's own",
        ),
        Resource(
            "sink",
            "records",
            {
                "destination": f"storage.googleapis.com/{place.bucket('records')}",
                "filter": FILTER,
                "disabled": False,
                "exclusions": [],
            },
            needs=("bucket/records",),
        ),
        Resource(
            "bucket-users",
            "records",
            {"bindings": {WRITES: [Ref("sink/records", "writer")]}},
            needs=("bucket/records", "sink/records"),
            given={"name": place.bucket("records")},
            kept="it lies on a bucket that is kept",
        ),
    ]
