"""What a declaration means for PostHog's own settings, in PostHog's own words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hedgerow.declaration import Declaration

Values = dict[str, Any]


def values(declaration: Declaration) -> Values:
    """Return the settings that the role `posthog` states (posthog/api/organization.py, team.py; posthog/models)."""
    privacy = declaration.privacy
    hidden = {"maskTextSelector": "*", "blockSelector": "img"} if privacy.mask_text else {}
    return {
        "organization": {
            "enforce_2fa": True,
            "allow_publicly_shared_resources": declaration.access.public_sharing,
            "is_ai_data_processing_approved": False,
        },
        "projects": {
            "anonymize_ips": privacy.discard_ip,
            "session_recording_masking_config": {"maskAllInputs": privacy.mask_inputs, **hidden},
        },
        "drop_properties": _dropped(privacy.drop_properties),
        "columns": {"plugins_access_level": 0, "session_cookie_age": 8 * 3600},
        "key_days": 90,
        "keep_days": declaration.capacity.keep_days,
        "delete_older": declaration.capacity.delete_older,
    }


def _dropped(names: Sequence[str]) -> list[str]:
    """Return where a property may lie: in the event, and in what the event sets of its person."""
    return [place for name in names for place in (name, f"$set.{name}", f"$set_once.{name}")]
