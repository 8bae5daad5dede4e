"""Global external application load balancers: groups of endpoints, services, maps, proxies, forwarding rules.

https://cloud.google.com/load-balancing/docs/https says which stands on which.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..asked import Asked, page
from ..errors import RefusedError, invalid
from . import links, rows
from .effect import Effect

SCHEME = "EXTERNAL_MANAGED"
SPOKEN = ("HTTP", "HTTPS", "HTTP2")
TYPE = "GCE_VM_IP_PORT"
POINTS = "_endpoints"
# https://cloud.google.com/load-balancing/docs/custom-headers-global
NO_HEADER = re.compile(r"(?i)x-user-ip|host|authority|x-google.*|x-goog-.*|x-gfe.*|x-amz-.*|cdn-loop|connection|via")
VARIABLE = re.compile(r"\{(\w+)\}")
VARIABLES = {"client_ip_address", "client_port", "client_region", "client_rtt_msec", "tls_version", "tls_sni_hostname"}


def _row(asked: Asked, link: str) -> dict[str, Any]:
    return asked.world.rows[links.key(links.path_of(link, asked.path["project"]))]


def group(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """https://cloud.google.com/load-balancing/docs/negs/zonal-neg-concepts."""
    if row.get("networkEndpointType") != TYPE:
        raise RefusedError(501, "The fake models groups of GCE_VM_IP_PORT alone.", "notImplemented")
    for needed in ("network", "subnetwork"):
        if not row.get(needed):
            raise RefusedError(400, f"Required field 'resource.{needed}' not specified", "required")
    if _row(asked, row["subnetwork"])["network"] != row["network"]:
        raise invalid("resource.subnetwork", row["subnetwork"], "It is not of the network.")
    if not 1 <= row.get("defaultPort", 1) <= 65535:
        raise invalid("resource.defaultPort", row["defaultPort"], "Must be between 1 and 65535.")
    row |= {"size": 0, POINTS: []}
    return Effect()


def _points(asked: Asked, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what of a group is still there: a machine that goes takes its endpoints along."""
    return [one for one in row[POINTS] if links.key(one["instance"].removeprefix(links.ROOT)) in asked.world.rows]


def listed_points(asked: Asked) -> dict[str, Any]:
    """Return one page of a group's endpoints."""
    row = asked.world.rows.get(links.key(rows.path(asked)))
    row = row if row is not None else rows.must(asked, rows.path(asked))
    found, more = page(asked, [{"networkEndpoint": one} for one in _points(asked, row)], "maxResults")
    answer: dict[str, Any] = {"kind": "compute#networkEndpointGroupsListNetworkEndpoints", "id": row["id"]}
    return answer | ({"items": found} if found else {}) | ({"nextPageToken": more} if more else {})


def attach(asked: Asked) -> dict[str, Any]:
    """Attach endpoints: one that is attached already stays. Or detach them: one that is not there is refused."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    given = [_point(asked, row, one) for one in asked.body.get("networkEndpoints", [])]
    if not given:
        raise RefusedError(400, "Required field 'networkEndpoints' not specified", "required")
    there = _points(asked, row)
    if asked.action == "attachNetworkEndpoints":
        left = [*there, *(one for one in given if one not in there)]
    else:
        if any(one not in there for one in given):
            raise invalid("networkEndpoints", given, "The network endpoint does not exist.")
        left = [one for one in there if one not in given]
    return rows.change(asked, where, lambda made: made.update({POINTS: left, "size": len(left)}))


def _point(asked: Asked, group_: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    name = str(one.get("instance", "")).rpartition("/")[2]
    where = f"projects/{asked.path['project']}/zones/{asked.path['zone']}/instances/{name}"
    found = asked.world.rows.get(links.key(where))
    if found is None:
        raise invalid("networkEndpoints.instance", one.get("instance"), "There is no such instance in the zone.")
    card = next((each for each in found["networkInterfaces"] if each["network"] == group_["network"]), None)
    if card is None:
        raise invalid("networkEndpoints.instance", name, "The instance is not in the network of the group.")
    port = one.get("port") or group_.get("defaultPort")
    if not port:
        raise RefusedError(400, "Required field 'networkEndpoints.port' not specified", "required")
    address = one.get("ipAddress") or card["networkIP"]
    if address != card["networkIP"]:
        raise invalid("networkEndpoints.ipAddress", address, "It is no address of the instance.")
    return {"instance": found["selfLink"], "ipAddress": address, "port": port}


def service(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """https://cloud.google.com/load-balancing/docs/backend-service: what goes with which backends."""
    if row.get("loadBalancingScheme") != SCHEME:
        raise RefusedError(501, f"The fake models the scheme {SCHEME} alone.", "notImplemented")
    if row.get("protocol") not in SPOKEN:
        raise invalid("resource.protocol", row.get("protocol"), f"Must be one of {SPOKEN}.")
    if len(row.get("healthChecks", [])) != 1:
        raise invalid("resource.healthChecks", row.get("healthChecks"), "Exactly one health check is needed.")
    for one in row.get("backends", []):
        if "/networkEndpointGroups/" not in one.get("group", ""):
            raise RefusedError(501, "The fake models groups of endpoints as backends alone.", "notImplemented")
        # https://cloud.google.com/load-balancing/docs/backend-service#balancing-mode-combos
        if one.get("balancingMode") != "RATE" or not (one.get("maxRate") or one.get("maxRatePerEndpoint")):
            raise invalid("resource.backends", one, "A zonal NEG needs the mode RATE, and a rate.")
        one.setdefault("capacityScaler", 1.0)
    if row.get("tlsSettings") and row["protocol"] == "HTTP":
        raise invalid("resource.tlsSettings", row["tlsSettings"], "Only with HTTPS and HTTP2.")
    log = row.get("logConfig") or {}
    if not log.get("enable") and {"sampleRate", "optionalMode"} & set(log):
        raise invalid("resource.logConfig", log, "Only where logging is enabled.")
    row["logConfig"] = {"sampleRate": 1.0, **log} if log.get("enable") else {"enable": False}
    if not 0 <= row["logConfig"].get("sampleRate", 0) <= 1:
        raise invalid("resource.logConfig.sampleRate", log.get("sampleRate"), "Must be in [0, 1].")
    row.setdefault("timeoutSec", 30)
    row.setdefault("enableCDN", False)
    row.setdefault("sessionAffinity", "NONE")
    return Effect()


def set_guard(asked: Asked) -> dict[str, Any]:
    """Put a security policy before a service, or take it away."""
    link = asked.body.get("securityPolicy")
    made = links.resolve(asked.world, asked.path["project"], link) if link else None
    if made and "/securityPolicies/" not in made:
        raise invalid("resource.securityPolicy", link, "It is no security policy.")

    def edit(row: dict[str, Any]) -> None:
        row.pop("securityPolicy", None)
        row.update({"securityPolicy": made} if made else {})

    return rows.change(asked, rows.path(asked), edit)


def url_map(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A map with one service; other hosts and paths are not modelled."""
    if row.get("hostRules") or row.get("pathMatchers") or not row.get("defaultService"):
        raise RefusedError(501, "The fake models maps with a defaultService and nothing else.", "notImplemented")
    for one in row.get("headerAction", {}).get("requestHeadersToAdd", []):
        if not one.get("headerName") or NO_HEADER.fullmatch(one["headerName"]):
            raise invalid("resource.headerAction.headerName", one.get("headerName"), "It cannot be set.")
        if unknown := set(VARIABLE.findall(one.get("headerValue", ""))) - VARIABLES:
            raise invalid("resource.headerAction.headerValue", sorted(unknown), "There is no such variable.")
        one.setdefault("replace", False)
    return Effect()


def proxy(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A proxy shows between one and fifteen certificates (https://cloud.google.com/load-balancing/docs/quotas)."""
    if not row.get("urlMap"):
        raise RefusedError(400, "Required field 'resource.urlMap' not specified", "required")
    if not 1 <= len(row.get("sslCertificates", [])) <= 15:
        raise invalid("resource.sslCertificates", row.get("sslCertificates"), "Between 1 and 15 are needed.")
    row.setdefault("quicOverride", "NONE")
    return Effect()


def forwarding(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """https://cloud.google.com/load-balancing/docs/forwarding-rule-concepts: one port, and its own with an address."""
    if row.get("loadBalancingScheme") != SCHEME or "/global/" not in row.get("target", ""):
        raise RefusedError(501, f"The fake models global rules of the scheme {SCHEME} alone.", "notImplemented")
    row.setdefault("IPProtocol", "TCP")
    first, _, last = str(row.get("portRange", "")).partition("-")
    if not first.isdigit() or (last or first) != first:
        raise invalid("resource.portRange", row.get("portRange"), "An application load balancer has one port a rule.")
    row["portRange"] = f"{first}-{first}"
    row.setdefault("networkTier", "PREMIUM")
    if not row.get("IPAddress"):
        raise RefusedError(501, "The fake models no ephemeral addresses of rules.", "notImplemented")
    if "/" in row["IPAddress"]:
        row["IPAddress"] = _row(asked, row["IPAddress"])["address"]
    reserved = [one for name, one in asked.world.rows.items() if "/global/addresses/" in name]
    if row["IPAddress"] not in [one["address"] for one in reserved]:
        raise invalid("resource.IPAddress", row["IPAddress"], "It is no global address of the project.")
    for name, other in asked.world.rows.items():
        mine = name == links.key(where)
        if (
            "/forwardingRules/" in name
            and not mine
            and all(other[one] == row[one] for one in ("IPAddress", "portRange"))
        ):
            raise RefusedError(400, f"The address and port are already used by '{other['name']}'.", "invalid")
    return Effect()


def set_target(asked: Asked) -> dict[str, Any]:
    """Lead an address to another proxy."""
    made = links.resolve(asked.world, asked.path["project"], str(asked.body.get("target", "")))
    return rows.change(asked, rows.path(asked), lambda row: row.update(target=made))


SPECIAL: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "networkEndpointGroups.listNetworkEndpoints": listed_points,
    "networkEndpointGroups.attachNetworkEndpoints": attach,
    "networkEndpointGroups.detachNetworkEndpoints": attach,
    "backendServices.setSecurityPolicy": set_guard,
    "globalForwardingRules.setTarget": set_target,
}
RULES = {
    "networkEndpointGroups": group,
    "backendServices": service,
    "urlMaps": url_map,
    "targetHttpsProxies": proxy,
    "forwardingRules": forwarding,
}
