"""What the containers were started with: one question, which several concerns ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from checks.on_host import program
from checks.valkey_inspector import INSPECTOR
from hedgerow.checking import CouldNotAsk
from hedgerow.sheet import Sheet

# Upstream publishes these as defaults: posthog/settings/access.py (SECRET_KEY), data_stores.py (ENCRYPTION_SALT_KEYS),
# web.py (LICENSE_SECRET_KEY), object_storage.py, and its compose files (posthog, posthog123, any).
PUBLISHED = (
    "<randomly generated secret key>",
    "00beef0000beef0000beef0000beef00",
    "license-so-secret",
    "object_storage_root_user",
    "object_storage_root_password",
    "posthog",
    "posthog123",
    "any",
)
# More of upstream's, of older compose files and of its chart: ClickHouse's and its own first password.
OLDER = ("apipass", "apppass", "postgres", "redis", "minioadmin", "changeme", "password")
MAIL = ("EMAIL_ENABLED", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_USE_SSL")
# Only Django has this one (posthog/settings/access.py); the site's address is told to Node services as well.
DJANGO = "ALLOWED_HOSTS"
FORCED_FLAGS = "PERSISTED_FEATURE_FLAGS"
PLAIN = (
    *("OPT_OUT_CAPTURE", FORCED_FLAGS, "SESSION_COOKIE_AGE", "SECURE_COOKIES", "DISABLE_SECURE_SSL_REDIRECT"),
    *(DJANGO, *MAIL),
)
ENVIRONMENT = program("environment", json.dumps(PUBLISHED), json.dumps(PLAIN))


def applications(started_with: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return what each container of PostHog's Django application was told, by the container's name.

    Raises CouldNotAsk where none runs.
    """
    found = {name: each["settings"] for name, each in started_with.items() if DJANGO in each["settings"]}
    if not found:
        raise CouldNotAsk("no running container of the application")
    return found


def stored(sheet: Sheet) -> str:
    """Return the question whether a store keeps a password that everybody knows; no question where none is here."""
    return program("published", json.dumps([*PUBLISHED, *OLDER]), INSPECTOR) if "data" in sheet.host.roles else "true"
