"""Every kind of resource, and who finds, makes, changes and removes it."""

from __future__ import annotations

from hedgerow.targets.cloud.doing import Driver, Drivers
from hedgerow.targets.gcp import alerts, balancing, compute, dns, keys, records, storage, zones
from hedgerow.targets.gcp.api import Google
from hedgerow.targets.gcp.kind import Rest


def drivers(google: Google, deployment: str) -> Drivers:
    """Return the drivers, all with the same door to Google."""
    plain: dict[str, Driver] = {
        name: Rest(kind, google, deployment) for name, kind in {**compute.KINDS, **balancing.KINDS}.items()
    }
    return plain | {
        "firewall-strangers": compute.Strangers(google, deployment),
        "endpoint-group": balancing.Group(balancing.GROUP, google, deployment),
        "security-policy": balancing.Policy(balancing.POLICY, google, deployment),
        "services": keys.Services(google, deployment),
        "key-ring": keys.Ring(google, deployment),
        "key": keys.Key(google, deployment),
        "key-users": keys.KeyUsers(google, deployment),
        "account": keys.Account(google, deployment),
        "bucket": storage.Bucket(storage.BUCKET, google, deployment),
        "bucket-users": storage.Users(google, deployment),
        "audit": records.Audit(google, deployment),
        "log-bucket": records.LogBucket(google, deployment),
        "dns-policy": Rest(dns.POLICY, google, deployment),
        "private-zone": zones.PrivateZone(zones.ZONE, google, deployment),
        "record": dns.Record(google, deployment),
        "channel": alerts.Watched("notificationChannels", google, deployment),
        "channel-strangers": alerts.Strangers("notificationChannels", google, deployment),
        "alert": alerts.Watched("alertPolicies", google, deployment),
        "sink": records.Sink(records.SINK, google, deployment),
    }
