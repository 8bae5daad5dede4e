"""Cloud Monitoring: alert policies and the channels that they call. https://cloud.google.com/monitoring/api/ref_v3/rest."""

from __future__ import annotations

from typing import Any

from . import named
from .asked import Asked
from .errors import RefusedError, not_modelled
from .world import EMAIL, PROJECT, now

CHANNELS = {"email": "email_address", "sms": "number", "webhook_tokenauth": "url", "pubsub": "topic"}
# https://cloud.google.com/monitoring/support/notification-options
FIELDS = {"alertPolicies": "alertPolicies", "notificationChannels": "notificationChannels"}


def answer(asked: Asked) -> dict[str, Any]:
    """Answer one request to Monitoring."""
    named.project_of(asked)
    if asked.collection not in FIELDS:
        raise not_modelled(asked.method.name)
    given = asked.path["name"]
    if asked.action == "list":
        return named.listed(asked, f"{given}/{asked.collection}", FIELDS[asked.collection])
    if asked.action == "create":
        name = f"projects/{PROJECT}/{asked.collection}/{asked.world.identity()}"
        record = {"mutateTime": now(), "mutatedBy": EMAIL}
        return _stored(asked, {**asked.body, "name": name, "creationRecord": record})
    row = named.must(asked, given)
    match asked.action:
        case "get":
            return row
        case "patch":
            fields = named.mask(asked, asked.one("updateMask")) or [one for one in asked.body if one != "name"]
            kept = {key: value for key, value in row.items() if key not in fields}
            return _stored(asked, kept | {one: asked.body[one] for one in fields if one in asked.body})
        case "delete":
            return _delete(asked, given)
    raise not_modelled(asked.method.name)


def _stored(asked: Asked, row: dict[str, Any]) -> dict[str, Any]:
    row.setdefault("enabled", True)
    if asked.collection == "notificationChannels":
        label = CHANNELS.get(row.get("type", ""))
        if label is None:
            raise not_modelled(f"channels of the type '{row.get('type')}'")
        if not row.get("labels", {}).get(label):
            raise RefusedError(400, f"Field \"notification_channel.labels['{label}']\" is required.", "badRequest")
    else:
        for needed in ("displayName", "combiner", "conditions"):
            if not row.get(needed):
                raise RefusedError(400, f"Field alert_policy.{needed} had an invalid value: required.", "badRequest")
        for number, one in enumerate(row["conditions"], 1):
            one.setdefault("name", f"{row['name']}/conditions/{number}")
        for channel in row.get("notificationChannels", []):
            named.must(asked, channel)
    asked.world.rows[f"monitoring:{row['name']}"] = row
    return row


def _delete(asked: Asked, name: str) -> dict[str, Any]:
    """A channel that a policy calls goes only by force, and leaves the policy then."""
    policies = asked.world.under(f"monitoring:projects/{PROJECT}/alertPolicies/")
    used = [one for one in policies if name in one.get("notificationChannels", [])]
    if used and not asked.yes("force"):
        text = f"Cannot delete {name}: it is used by {used[0]['name']}."
        raise RefusedError(400, text, "failedPrecondition", status="FAILED_PRECONDITION")
    for one in used:
        one["notificationChannels"].remove(name)
    del asked.world.rows[f"monitoring:{name}"]
    return {}
