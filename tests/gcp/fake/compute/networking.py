"""Networks, subnets, firewall rules, routers and addresses: what Google fills in, and what it refuses."""

from __future__ import annotations

import ipaddress
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, invalid
from . import links
from .effect import Effect

METADATA = "INCLUDE_ALL_METADATA"


def network(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A network of one mode; a new one has a route to the internet.

    https://cloud.google.com/vpc/docs/routes#routingpacketsinternet
    """
    if "autoCreateSubnetworks" not in row:
        raise RefusedError(400, "Legacy networks can no longer be created.", "badRequest")
    if row["autoCreateSubnetworks"]:
        raise RefusedError(501, "The fake does not model auto mode networks.", "notImplemented")
    row.setdefault("mtu", 1460)
    if not 1300 <= row["mtu"] <= 8896:
        raise invalid("resource.mtu", row["mtu"], "Must be between 1300 and 8896.")
    row["routingConfig"] = {
        "routingMode": "REGIONAL",
        "bgpBestPathSelectionMode": "LEGACY",
        **row.get("routingConfig", {}),
    }
    row.setdefault("networkFirewallPolicyEnforcementOrder", "AFTER_CLASSIC_FIREWALL")
    name = f"default-route-{row['id'][-12:]}"
    route = f"projects/{asked.path['project']}/global/routes/{name}"
    made = {
        "kind": "compute#route",
        "id": row["id"],
        "name": name,
        "selfLink": links.ROOT + route,
        "network": row["selfLink"],
        "destRange": "0.0.0.0/0",
        "priority": 1000,
        "nextHopGateway": f"{links.ROOT}projects/{asked.path['project']}/global/gateways/default-internet-gateway",
        "description": "Default route to the Internet.",
        "_own": True,
    }
    return Effect({links.key(route): made} if asked.action == "insert" else {})


def subnetwork(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A range of its own in its network: https://cloud.google.com/vpc/docs/subnets#manually_created_subnet_ip_ranges."""
    for needed in ("network", "ipCidrRange"):
        if not row.get(needed):
            raise RefusedError(400, f"Required field 'resource.{needed}' not specified", "required")
    try:
        mine = ipaddress.IPv4Network(row["ipCidrRange"])
    except ValueError as wrong:
        raise invalid("resource.ipCidrRange", row["ipCidrRange"], "Must be a CIDR range.") from wrong
    if mine.prefixlen > 29:
        raise invalid("resource.ipCidrRange", row["ipCidrRange"], "The smallest range is a /29.")
    for name, other in asked.world.rows.items():
        if "/subnetworks/" not in name or other["selfLink"] == row["selfLink"] or other["network"] != row["network"]:
            continue
        if mine.overlaps(ipaddress.IPv4Network(other["ipCidrRange"])):
            text = f"Invalid IPCidrRange: {mine} conflicts with existing subnetwork '{other['name']}'."
            raise RefusedError(400, text, "invalid")
    row["gatewayAddress"] = str(mine.network_address + 1)
    row.setdefault("privateIpGoogleAccess", False)
    row.setdefault("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS")
    row.setdefault("purpose", "PRIVATE")
    row.setdefault("stackType", "IPV4_ONLY")
    _flow_logs(row)
    return Effect()


def _flow_logs(row: dict[str, Any]) -> None:
    """One switch under two names, and its defaults: https://cloud.google.com/vpc/docs/using-flow-logs."""
    log = row.get("logConfig")
    if row.pop("enableFlowLogs", False) and not log:
        log = {"enable": True}
    if log and log.get("enable"):
        log = {"aggregationInterval": "INTERVAL_5_SEC", "flowSampling": 0.5, "metadata": METADATA, **log}
        if not 0 < log["flowSampling"] <= 1:
            raise invalid("resource.logConfig.flowSampling", log["flowSampling"], "Must be in (0.0, 1.0].")
    row["logConfig"] = log or {"enable": False}
    row["enableFlowLogs"] = bool(row["logConfig"].get("enable"))


def firewall(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """Either allows or denies, in one direction: https://cloud.google.com/firewall/docs/firewalls#firewall_rule_components."""
    if bool(row.get("allowed")) == bool(row.get("denied")):
        raise RefusedError(400, "Exactly one of resource.allowed and resource.denied must be specified.", "invalid")
    row.setdefault("network", f"{links.ROOT}projects/{asked.path['project']}/global/networks/default")
    links.resolve(asked.world, asked.path["project"], row["network"])
    row.setdefault("direction", "INGRESS")
    row.setdefault("priority", 1000)
    row.setdefault("disabled", False)
    if not 0 <= row["priority"] <= 65535:
        raise invalid("resource.priority", row["priority"], "Must be between 0 and 65535.")
    outward = row["direction"] == "EGRESS"
    if outward and any(row.get(one) for one in ("sourceRanges", "sourceTags", "sourceServiceAccounts")):
        raise RefusedError(400, "Egress rules cannot have sources.", "invalid")
    tags, accounts = ("sourceTags", "targetTags"), ("sourceServiceAccounts", "targetServiceAccounts")
    if any(row.get(one) for one in tags) and any(row.get(one) for one in accounts):
        raise RefusedError(400, "Tags and service accounts cannot be in one rule.", "invalid")
    field = "destinationRanges" if outward else "sourceRanges"
    if not any(row.get(one) for one in (field, "sourceTags", "sourceServiceAccounts")):
        row[field] = ["0.0.0.0/0"]
    for one in [*row.get("sourceRanges", []), *row.get("destinationRanges", [])]:
        try:
            ipaddress.ip_network(one)
        except ValueError as wrong:
            raise invalid(f"resource.{field}", one, "Must be a valid CIDR range.") from wrong
    for one in [*row.get("allowed", []), *row.get("denied", [])]:
        _protocol(one)
    log = row.get("logConfig") or {}
    if log.get("metadata") and not log.get("enable"):
        raise RefusedError(400, "Metadata may only be specified for a rule whose logs are on.", "invalid")
    row["logConfig"] = {"metadata": METADATA, **log} if log.get("enable") else {"enable": False}
    return Effect()


def _protocol(one: dict[str, Any]) -> None:
    """Only TCP, UDP and SCTP have ports: https://cloud.google.com/firewall/docs/firewalls#protocols_and_ports."""
    if not one.get("IPProtocol"):
        raise RefusedError(400, "Required field 'IPProtocol' not specified", "required")
    if one.get("ports") and one["IPProtocol"] not in ("tcp", "udp", "sctp", "6", "17", "132"):
        raise invalid("resource.allowed.ports", one["ports"], f"Protocol {one['IPProtocol']} has no ports.")
    for ports in one.get("ports", []):
        ends = ports.split("-")
        if not all(each.isdigit() and int(each) <= 65535 for each in ends) or len(ends) > 2:
            raise invalid("resource.allowed.ports", ports, "Must be a port or a range of ports.")


def router(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A router and its NATs: https://cloud.google.com/compute/docs/reference/rest/v1/routers (nats[])."""
    if not row.get("network"):
        raise RefusedError(400, "Required field 'resource.network' not specified", "required")
    for nat in row.get("nats", []):
        for needed in ("name", "sourceSubnetworkIpRangesToNat"):
            if not nat.get(needed):
                raise RefusedError(400, f"Required field 'resource.nats[0].{needed}' not specified", "required")
        option = nat.setdefault("natIpAllocateOption", "MANUAL_ONLY" if nat.get("natIps") else "AUTO_ONLY")
        if (option == "MANUAL_ONLY") != bool(nat.get("natIps")):
            raise invalid("resource.nats[0].natIps", nat.get("natIps"), f"Does not go with {option}.")
        listed = nat["sourceSubnetworkIpRangesToNat"] == "LIST_OF_SUBNETWORKS"
        if listed != bool(nat.get("subnetworks")):
            raise invalid("resource.nats[0].subnetworks", nat.get("subnetworks"), "Only with LIST_OF_SUBNETWORKS.")
        for one in nat.get("subnetworks", []):
            one["name"] = links.resolve(asked.world, asked.path["project"], one["name"])
        nat.setdefault("enableEndpointIndependentMapping", False)
        nat.setdefault("endpointTypes", ["ENDPOINT_TYPE_VM"])
        nat.setdefault("type", "PUBLIC")
    return Effect()


def address(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """An address out of a documentation range: 203.0.113.0/24 outside, the subnet's own inside."""
    row.setdefault("addressType", "EXTERNAL")
    if row["addressType"] == "INTERNAL":
        if not row.get("subnetwork"):
            raise RefusedError(400, "An internal address needs a subnetwork.", "required")
        row.setdefault("address", free_address(asked, row["subnetwork"]))
        return Effect()
    row.setdefault("networkTier", "PREMIUM")
    row.setdefault("address", outside(asked))
    return Effect()


def outside(asked: Asked) -> str:
    """Return an address of the internet that nothing has."""
    taken = str(list(asked.world.rows.values()))
    return next(f"203.0.113.{last}" for last in range(1, 255) if f"'203.0.113.{last}'" not in taken)


def free_address(asked: Asked, subnet: str) -> str:
    """Return an address of a subnet that nothing has; the first two are Google's."""
    row = asked.world.rows[links.key(links.path_of(subnet, asked.path["project"]))]
    taken = str([one for one in asked.world.rows.values() if one is not row])
    found = ipaddress.IPv4Network(row["ipCidrRange"]).hosts()
    if asked.world.waiting and f"'{asked.world.waiting}'" not in taken:
        return asked.world.waiting
    return next(str(one) for place, one in enumerate(found) if place > 0 and f"'{one}'" not in taken)
