"""One request to a destination, over verified TLS, to the very place that is named: no redirect is followed."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from stand_in.destinations import url_fault

SECONDS = 10.0


class DeliveryError(Exception):
    """It was not taken; the message holds nothing of what was sent."""


def deliver(url: str, body: dict[str, Any], ca_file: str) -> int:
    """Post a body as JSON; return the status, which is below 300. Raises DeliveryError."""
    if fault := url_fault(url):
        raise DeliveryError(fault)
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=ca_file)
    connection = HTTPSConnection(parts.hostname or "", parts.port or 443, timeout=SECONDS, context=context)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise DeliveryError(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if status >= 300:
        raise DeliveryError(f"status {status}")
    return status
