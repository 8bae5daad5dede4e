"""TLS and health checks of load balancers: what Google fills in, and what it refuses."""

from __future__ import annotations

import re
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, invalid
from .effect import Effect

NAME = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
CHECKS = {"TCP": "tcpHealthCheck", "SSL": "sslHealthCheck", "HTTPS": "httpsHealthCheck", "HTTP": "httpHealthCheck"}


def ssl_policy(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """https://cloud.google.com/load-balancing/docs/ssl-policies-concepts: TLS 1.3 as the least goes with RESTRICTED."""
    row.setdefault("profile", "COMPATIBLE")
    row.setdefault("minTlsVersion", "TLS_1_0")
    if row["minTlsVersion"] == "TLS_1_3" and row["profile"] != "RESTRICTED":
        raise invalid("resource.minTlsVersion", "TLS_1_3", "The profile must be RESTRICTED.")
    if (row["profile"] == "CUSTOM") != bool(row.get("customFeatures")):
        raise invalid("resource.customFeatures", row.get("customFeatures"), f"Does not go with {row['profile']}.")
    return Effect()


def certificate(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """One that Google makes waits for the domain to lead here; of one that is brought the key is never shown.

    https://cloud.google.com/load-balancing/docs/ssl-certificates/google-managed-certs
    """
    row.setdefault("type", "SELF_MANAGED")
    if row["type"] == "SELF_MANAGED":
        if not row.get("certificate") or not row.pop("privateKey", ""):
            raise RefusedError(400, "A self-managed certificate needs certificate and privateKey.", "required")
        return Effect()
    domains = row.get("managed", {}).get("domains", [])
    if not 1 <= len(domains) <= 100 or not all(NAME.fullmatch(one) for one in domains):
        raise invalid("resource.managed.domains", domains, "Must be between 1 and 100 domains, and no wildcard.")
    status = dict.fromkeys(domains, "PROVISIONING")
    row["managed"] = {**row["managed"], "status": "PROVISIONING", "domainStatus": status}
    return Effect()


def health_check(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """https://cloud.google.com/load-balancing/docs/health-checks and the schema's own bounds."""
    kind = row.get("type")
    if kind not in CHECKS:
        raise RefusedError(400, "Required field 'resource.type' not specified", "required")
    if any(name in row for name in set(CHECKS.values()) - {CHECKS[kind]}):
        raise RefusedError(400, f"A health check of type {kind} has nothing of another's.", "invalid")
    row.setdefault(CHECKS[kind], {})
    for name, default in (
        ("checkIntervalSec", 5),
        ("timeoutSec", 5),
        ("healthyThreshold", 2),
        ("unhealthyThreshold", 2),
    ):
        row.setdefault(name, default)
    if row["timeoutSec"] > row["checkIntervalSec"]:
        raise invalid("resource.timeoutSec", row["timeoutSec"], "Must not be greater than checkIntervalSec.")
    if not all(1 <= row[name] <= 10 for name in ("healthyThreshold", "unhealthyThreshold")):
        raise invalid("resource.healthyThreshold", row["healthyThreshold"], "Thresholds are between 1 and 10.")
    row.setdefault("logConfig", {"enable": False})
    return Effect()
