"""Rules of security groups and network ACLs as short texts that can be compared, read, and turned back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "-1": "all"}
NUMBERS = {name: number for number, name in PROTOCOLS.items()}
LAST_RULE = 32767
"""The number of the deny that ends every network ACL, which nobody can remove."""


def permission_rows(permissions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return EC2's permissions, one text a peer: "tcp 443 198.51.100.0/24"; sorted."""
    rows = []
    for one in permissions:
        protocol = PROTOCOLS.get(one["IpProtocol"], one["IpProtocol"])
        low, high = one.get("FromPort", -1), one.get("ToPort", -1)
        ports = "all" if protocol == "all" or low == -1 else str(low) if low == high else f"{low}-{high}"
        peers = [peer["CidrIp"] for peer in one.get("IpRanges", [])]
        peers += [peer["CidrIpv6"] for peer in one.get("Ipv6Ranges", [])]
        peers += [peer["GroupId"] for peer in one.get("UserIdGroupPairs", [])]
        peers += [peer["PrefixListId"] for peer in one.get("PrefixListIds", [])]
        rows += [f"{protocol} {ports} {peer}" for peer in peers]
    return sorted(rows)


def permissions(rows: Iterable[str]) -> list[dict[str, Any]]:
    """Return the permissions that the texts stand for."""
    return [_permission(*row.split()) for row in sorted(rows)]


def _permission(protocol: str, ports: str, peer: str) -> dict[str, Any]:
    one: dict[str, Any] = {"IpProtocol": NUMBERS["all"] if protocol == "all" else protocol}
    if ports != "all":
        low, _, high = ports.partition("-")
        one |= {"FromPort": int(low), "ToPort": int(high or low)}
    elif protocol != "all":
        one |= {"FromPort": -1, "ToPort": -1}
    if peer.startswith("sg-"):
        return one | {"UserIdGroupPairs": [{"GroupId": peer}]}
    if peer.startswith("pl-"):
        return one | {"PrefixListIds": [{"PrefixListId": peer}]}
    return one | ({"Ipv6Ranges": [{"CidrIpv6": peer}]} if ":" in peer else {"IpRanges": [{"CidrIp": peer}]})


def acl_rows(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the entries of a network ACL, one text each: "in 100 allow tcp 443 0.0.0.0/0"; sorted."""
    rows = []
    for one in entries:
        if one["RuleNumber"] == LAST_RULE:
            continue
        ports = one.get("PortRange")
        words = (
            "out" if one["Egress"] else "in",
            str(one["RuleNumber"]),
            one["RuleAction"],
            PROTOCOLS.get(str(one["Protocol"]), str(one["Protocol"])),
            f"{ports['From']}-{ports['To']}" if ports else "all",
            one.get("CidrBlock") or one.get("Ipv6CidrBlock", ""),
        )
        rows.append(" ".join(words))
    return sorted(rows)


def acl_entries(rows: Iterable[str]) -> list[dict[str, Any]]:
    """Return the entries that the texts stand for."""
    entries = []
    for row in sorted(rows):
        direction, number, action, protocol, ports, cidr = row.split()
        entry: dict[str, Any] = {
            "Egress": direction == "out",
            "RuleNumber": int(number),
            "RuleAction": action,
            "Protocol": NUMBERS.get(protocol, protocol),
            "Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr,
        }
        if ports != "all":
            low, _, high = ports.partition("-")
            entry["PortRange"] = {"From": int(low), "To": int(high)}
        entries.append(entry)
    return entries
