"""The firewall as the kernel has it: nft's JSON as values, and what follows from them."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import testinfra.host

from hedgerow.checking import Finder

RULESET = "nft -j list ruleset"


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Rule = tuple[dict[str, Any], ...]
"""A rule as nft's JSON has it: its conditions and what it does, in order."""


@dataclass(frozen=True)
class Chain:
    """A chain with its rules, each the list of nft's JSON expressions. `hook` is "" for a chain that others call."""

    family: str
    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Ruleset:
    """What the kernel filters by right now."""

    chains: tuple[Chain, ...]
    sets: dict[tuple[str, str, str], list[Any]]

    def hooked(self, hook: str) -> list[Chain]:
        """Return the filtering chains at a hook."""
        return [chain for chain in self.chains if chain.hook == hook]

    def closed(self, hook: str) -> list[Chain]:
        """Return the chains at a hook that drop what none of their rules takes."""
        return [chain for chain in self.hooked(hook) if chain.policy == "drop"]

    def rules(self, chain: Chain, before: Rule = ()) -> Iterator[Rule]:
        """Return every rule a packet may meet in a chain, with the conditions of the jumps that lead there."""
        for rule in chain.rules:
            yield before + rule
            for part in rule:
                for name in _targets(part):
                    called = (
                        c for c in self.chains if (c.family, c.table, c.name) == (chain.family, chain.table, name)
                    )
                    conditions = tuple(each for each in rule if "match" in each)
                    for other in called:
                        yield from self.rules(other, before + conditions)

    def values(self, chain: Chain, right: Any) -> list[Any]:
        """Return the single values on the right of a match: of a named set, an anonymous one, or one value."""
        if isinstance(right, str) and right.startswith("@"):
            return self.sets.get((chain.family, chain.table, right[1:]), [])
        if isinstance(right, dict) and "set" in right:
            return list(right["set"]) if isinstance(right["set"], list) else self.values(chain, right["set"])
        return [right]

    def names_port(self, chain: Chain, rule: Rule, port: int) -> bool:
        """Tell whether one of the rule's conditions names this destination port."""
        return any(_covers(value, port) for value in self._matched(chain, rule, "dport"))

    def sources(self, chain: Chain, rule: Rule) -> list[Any]:
        """Return the source networks that the rule's conditions name; none means everybody."""
        return self._matched(chain, rule, "saddr")

    def _matched(self, chain: Chain, rule: Rule, field: str) -> list[Any]:
        found = []
        for part in rule:
            match = part.get("match", {})
            left = match.get("left")
            payload = left.get("payload", {}) if isinstance(left, dict) else {}
            if payload.get("field") == field and match.get("op") != "!=":
                found += self.values(chain, match["right"])
        return found


def _covers(value: Any, port: int) -> bool:
    if isinstance(value, dict) and "range" in value:
        first, last = value["range"]
        return int(first) <= port <= int(last)
    return bool(value == port)


def ruleset(host: testinfra.host.Host, finding: Finder) -> Ruleset:
    """Return the host's firewall as the kernel has it."""
    return read_ruleset(finding.ask(host, RULESET).stdout)


def read_ruleset(text: str) -> Ruleset:
    """Return nft's JSON as values."""
    said = json.loads(text)["nftables"]
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    for each in said:
        if "rule" in each:
            row = each["rule"]
            rules.setdefault((row["family"], row["table"], row["chain"]), []).append(tuple(row["expr"]))
    chains = tuple(
        Chain(
            family=row["family"],
            table=row["table"],
            name=row["name"],
            hook=row.get("hook", "") if row.get("type", "filter") == "filter" else "",
            policy=row.get("policy", "accept"),
            rules=tuple(rules.get((row["family"], row["table"], row["name"]), ())),
        )
        for row in (each["chain"] for each in said if "chain" in each)
    )
    sets = {
        (row["family"], row["table"], row["name"]): row.get("elem", [])
        for row in (each["set"] for each in said if "set" in each)
    }
    return Ruleset(chains, sets)


def _targets(part: dict[str, Any]) -> Iterable[str]:
    for verb in ("jump", "goto"):
        if verb in part:
            yield part[verb]["target"]
    if "vmap" in part:
        data = part["vmap"]["data"]
        for pair in data.get("set", []) if isinstance(data, dict) else []:
            yield from _targets(pair[1])


def network(value: Any) -> Network:
    """Return an address, prefix or range of nft's JSON as a network; the smallest that holds the whole range."""
    if isinstance(value, dict) and "prefix" in value:
        return ipaddress.ip_network(f"{value['prefix']['addr']}/{value['prefix']['len']}")
    if isinstance(value, dict) and "elem" in value:
        return network(value["elem"]["val"])
    if isinstance(value, dict) and "range" in value:
        first, last = (ipaddress.ip_network(end) for end in value["range"])
        while not _inside(last, first):
            first = first.supernet()
        return first
    return ipaddress.ip_network(value, strict=False)


def within(inner: Any, outer: Iterable[str]) -> bool:
    """Tell whether a network lies inside one of those declared; everything lies inside "any"."""
    named = list(outer)
    mine = network(inner)
    return "any" in named or any(_inside(mine, network(theirs)) for theirs in named)


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
