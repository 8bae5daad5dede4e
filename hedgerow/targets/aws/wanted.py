"""What of a declaration concerns the cloud, and the names of what is made for it. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hedgerow.declaration.machines import Aws as AwsModel
from hedgerow.targets.aws.documents import Place

RETENTION_DAYS = 2192
"""Six years (45 CFR 164.316(b)(2)(i)), as CloudWatch Logs counts them."""
BACKUP_DAYS = 35
"""How long a copy of a disk is kept, and for how long at least a backup cannot be removed."""
RECORD = "it holds records that the law keeps for six years"


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
    backs_up: bool = False
    """Whether the machine keeps its backups in the bucket that is made for them."""
    event_paths: tuple[str, ...] = ()
    """Prefixes of whole segments by which events come: what AWS WAF must not take for an attack."""


def bucket_name(place: Place, name: str) -> str:
    """Return a name that nobody else has and that gives no account away."""
    where = f"{place.account} {place.region} {place.deployment}"
    return f"hedgerow-{place.deployment}-{name}-{hashlib.sha256(where.encode()).hexdigest()[:12]}"


def log_group(place: Place, name: str) -> str:
    """Return the name of one of our log groups."""
    return f"/hedgerow/{place.deployment}/{name}"


def firewall_log(place: Place) -> str:
    """Return the name of the log group of AWS WAF, which takes none that begins otherwise."""
    return f"aws-waf-logs-hedgerow-{place.deployment}"


def role_arn(place: Place, name: str) -> str:
    """Return the ARN of one of our roles."""
    return place.arn("iam", f"role/hedgerow-{place.deployment}-{name}", region=False)
