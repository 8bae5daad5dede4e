"""Names, and who is told of what, as they are wanted. Pure."""

from __future__ import annotations

import hashlib

from hedgerow.targets.cloud.graph import Ref, Resource
from hedgerow.targets.gcp.place import Place, Wanted

ACTIVITY = 'log_id("cloudaudit.googleapis.com/activity")'
"""The log of what changes something: looks at the same things are in another, and alarm nobody."""
CALLS = {
    "roles": ("SetIamPolicy", "setIamPermissions"),
    "network": ("compute.firewalls.", "compute.networks.", "compute.routes.", "compute.subnetworks."),
    "keys": ("DestroyCryptoKeyVersion", "UpdateCryptoKey"),
    "records": (
        *("ConfigServiceV2.UpdateSink", "ConfigServiceV2.DeleteSink"),
        *("ConfigServiceV2.UpdateBucket", "ConfigServiceV2.DeleteBucket", "ConfigServiceV2.CreateExclusion"),
        *("storage.buckets.update", "storage.buckets.delete"),
    ),
}
"""By what somebody is told of, parts of the names of the calls. A change of audit configuration is a SetIamPolicy."""
AT_MOST = "300s"
"""An alert tells once in five minutes at most; from logs it must say how often."""


def names(wanted: Wanted, place: Place) -> list[Resource]:
    """Return the log of queries, and the domain's record where a zone is declared."""
    target = wanted.target
    machine = f"instance/{target.name}"
    entrance = "global-address/balancer" if target.load_balancer else "address/host" if target.public else machine
    found = [
        Resource(
            "dns-policy",
            "main",
            {
                "enableLogging": True,
                "enableInboundForwarding": False,
                "networks": [{"networkUrl": place.everywhere(f"networks/{place.name}-main")}],
            },
            needs=("network/main",),
        )
    ]
    if target.dns_zone:
        address = Ref(entrance, "private" if entrance == machine else "address")
        found.append(
            Resource(
                "record",
                wanted.domain,
                {"addresses": [address]},
                needs=(entrance, "services/project"),
                given={"zone": target.dns_zone},
            )
        )
    return found


def alerts(wanted: Wanted) -> list[Resource]:
    """Return whom alerts tell, and the alerts; none of either where nobody is declared."""
    people = {f"mail-{_short(one)}": one for one in wanted.target.alerts_to}
    channels = [
        Resource(
            "channel",
            name,
            {"type": "email", "labels": {"email_address": address}, "displayName": address, "enabled": True},
            needs=("services/project",),
        )
        for name, address in people.items()
    ]
    told = [Ref(one.key) for one in channels]
    gone = Resource(
        "channel-strangers",
        "main",
        {},
        needs=("services/project",),
        given={"known": sorted(people)},
        absent=True,
    )
    return [
        gone,
        *channels,
        *(
            Resource(
                "alert",
                name,
                {
                    "displayName": f"Hedgerow: changes of {name}",
                    "combiner": "OR",
                    "enabled": True,
                    "conditions": [
                        {"displayName": f"changes of {name}", "conditionMatchedLog": {"filter": matching(calls)}}
                    ],
                    "alertStrategy": {"notificationRateLimit": {"period": AT_MOST}},
                    "notificationChannels": told,
                },
                # What is removed goes backwards: an alert before the channels that it calls.
                needs=("services/project", gone.key, *(one.key for one in channels)),
                absent=not channels,
            )
            for name, calls in CALLS.items()
        ),
    ]


def matching(calls: tuple[str, ...]) -> str:
    """Return the filter of logs that finds these calls."""
    said = " OR ".join(f'protoPayload.methodName:"{one}"' for one in calls)
    return f"{ACTIVITY} AND ({said})"


def _short(address: str) -> str:
    """Return what stands for an address where no address may stand."""
    return hashlib.sha256(address.encode()).hexdigest()[:12]
