"""PostgreSQL's access rules (pg_hba.conf), read as the server itself states them in pg_hba_file_rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Rule = Mapping[str, Any]
"""A row of pg_hba_file_rules: type, database, user_name, address, netmask, auth_method, error."""

WHOLE_GROUPS = ("all", "sameuser", "samerole", "samegroup", "replication")


def in_words(rule: Rule) -> str:
    """Return a rule as somebody would write it in the file."""
    if rule.get("error"):
        return f"line {rule['line_number']}: {rule['error']}"
    words = [rule["type"], ",".join(rule["database"]), ",".join(rule["user_name"]), str(_network(rule) or "")]
    return " ".join([*(word for word in words if word), rule["auth_method"]])


def lets_in(rule: Rule) -> bool:
    """Whether a rule opens anything at all."""
    return rule["auth_method"] != "reject"


def from_network(rule: Rule) -> bool:
    """Whether a rule is about TCP, and not about the host's own socket."""
    return rule["type"] != "local"


def unencrypted(rules: Iterable[Rule]) -> list[str]:
    """Return the rules that let a connection in without TLS."""
    return [in_words(r) for r in rules if from_network(r) and lets_in(r) and r["type"] != "hostssl"]


def admitting(rules: Iterable[Rule], role: str) -> list[str]:
    """Return the rules by which a role can come in over the network.

    The first rule that matches decides, so a rule below a refusal of the same role from anywhere opens nothing.
    """
    found = []
    for rule in rules:
        if not from_network(rule) or not _names(rule, role):
            continue
        if lets_in(rule):
            found.append(in_words(rule))
        elif rule["address"] == "all" and "all" in rule["database"] and rule["type"] == "host":
            break
    return found


def beyond(rules: Iterable[Rule], networks: Iterable[str]) -> Iterator[str]:
    """Yield every rule that opens more than a named database to a named role from one of `networks`.

    Over the host's own socket only `postgres` comes in, as the system user of that name.
    """
    known = [ipaddress.ip_network(network) for network in networks]
    for rule in rules:
        if rule.get("error"):
            yield in_words(rule)
        elif not lets_in(rule):
            continue
        elif not from_network(rule):
            if rule["user_name"] != ["postgres"] or rule["auth_method"] != "peer":
                yield in_words(rule)
        elif _open_ended(rule) or not _within(rule, known):
            yield in_words(rule)


def _names(rule: Rule, role: str) -> bool:
    # A group (+name) or a pattern (/name) may hold the role: what cannot be excluded counts as a yes.
    return any(name in (role, "all") or name[:1] in "+/" for name in rule["user_name"])


def _open_ended(rule: Rule) -> bool:
    names = [*rule["database"], *rule["user_name"]]
    return any(name in WHOLE_GROUPS or name[:1] in "+/@" for name in names)


def _within(rule: Rule, known: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    network = _network(rule)
    if not isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return False
    return any(network.version == each.version and network.subnet_of(each) for each in known)  # type: ignore[arg-type]


def _network(rule: Rule) -> ipaddress.IPv4Network | ipaddress.IPv6Network | str | None:
    """Return the addresses of a rule; a word (all, samehost, a name) as it stands, None for the socket."""
    address, mask = rule["address"], rule["netmask"]
    if address is None or mask is None:
        return address
    if ":" in mask:
        mask = str(bin(int(ipaddress.IPv6Address(mask))).count("1"))
    return ipaddress.ip_network(f"{address}/{mask}", strict=False)
