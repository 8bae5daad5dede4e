"""The firewall's checks, each seen to pass and to fail: a closed one in nft's JSON, and ways to open it."""

from __future__ import annotations

import json

import pytest

from checks import test_firewall as firewall
from checks.nftables import within
from tests.unit.told import DECLARED, outcome


def match(protocol: str, key: str, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": key}}, "right": right}}


ANSWERS = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
LOOPBACK = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}
ACCEPT, DROP, LOG = {"accept": None}, {"drop": None}, {"log": {"prefix": "drop "}}
SSH_FROM_OFFICE = [
    match("ip", "saddr", {"prefix": {"addr": "192.0.2.0", "len": 28}}),
    match("tcp", "dport", 22),
    ACCEPT,
]


def table(
    hooks: dict[str, list[list[dict[str, object]]]], policy: str = "drop", family: str = "inet", named: object = ()
) -> str:
    """Return a ruleset as `nft -j` prints it: one table, a chain a hook."""
    place = {"family": family, "table": "wall"}
    chains = [
        {"chain": {**place, "name": hook, "type": "filter", "hook": hook, "prio": 0, "policy": policy}}
        for hook in hooks
    ]
    rules = [{"rule": {**place, "chain": hook, "expr": expr}} for hook, rows in hooks.items() for expr in rows]
    sets = [{"set": {**place, "name": "office", "elem": list(named)}}]
    return json.dumps({"nftables": [{"metainfo": {}}, *chains, *rules, *sets]})


def wall(*more: list[dict[str, object]], policy: str = "drop", family: str = "inet", hook: str = "input") -> str:
    """Return a good ruleset with more rules at one hook."""
    base = [[ANSWERS, ACCEPT], [LOOPBACK, ACCEPT], [LOG]]
    hooks = {name: [*base, *(more if name == hook else ())] for name in firewall.HOOKS}
    hooks["input"] = [SSH_FROM_OFFICE, *hooks["input"]]
    return table(hooks, policy, family)


IPV6 = {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv6"}}
BY_SET = [match("ip", "saddr", "@office"), match("tcp", "dport", {"set": [22, 2222]}), ACCEPT]
FIREWALLS = [
    (firewall.test_nothing_undeclared_comes_in, wall(), "pass", ""),
    (firewall.test_nothing_undeclared_comes_in, table({}), "fail", "nothing drops"),
    (firewall.test_nothing_undeclared_comes_in, wall(policy="accept"), "fail", "nothing drops"),
    (firewall.test_nothing_undeclared_comes_in, wall(family="ip6"), "fail", "nothing drops"),
    (firewall.test_nothing_undeclared_comes_in, wall([ACCEPT]), "fail", "without naming a purpose"),
    (firewall.test_nothing_undeclared_comes_in, wall([match("ip", "saddr", "192.0.2.9"), ACCEPT]), "fail", "ip saddr"),
    (firewall.test_nothing_undeclared_comes_in, wall([match("tcp", "dport", 443), ACCEPT]), "pass", ""),
    (
        firewall.test_nothing_undeclared_comes_in,
        wall([{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new"]}}, ACCEPT]),
        "fail",
        "ct state",
    ),
    (firewall.test_nothing_undeclared_goes_out, wall([ACCEPT], hook="output"), "fail", "purpose"),
    (firewall.test_nothing_undeclared_goes_out, wall(), "pass", ""),
    (firewall.test_nothing_undeclared_passes_through, wall([ACCEPT], hook="forward"), "fail", "purpose"),
    (firewall.test_nothing_undeclared_passes_through, wall(), "pass", ""),
    (firewall.test_drops_are_recorded, wall(), "pass", ""),
    (firewall.test_drops_are_recorded, table({hook: [] for hook in firewall.HOOKS}), "fail", "input, forward, output"),
    (firewall.test_ipv6_is_no_side_door, wall(), "pass", ""),
    (firewall.test_ipv6_is_no_side_door, wall(family="ip"), "fail", "not filtered as IPv4"),
    (firewall.test_ipv6_is_no_side_door, table({}), "fail", "not filtered as IPv4"),
    (firewall.test_ipv6_is_no_side_door, wall([IPV6, ACCEPT]), "fail", "rules let IPv6"),
    (firewall.test_ipv6_is_no_side_door, wall([match("ip6", "saddr", "fe80::1"), ACCEPT]), "fail", "rules let IPv6"),
    (firewall.test_ipv6_is_no_side_door, wall([match("icmpv6", "type", "nd-neighbor-solicit"), ACCEPT]), "pass", ""),
]
SSH_SOURCES = [
    (wall(), "pass", ""),
    (wall([match("tcp", "dport", 22), ACCEPT]), "fail", "to everybody"),
    (wall([match("ip", "saddr", "198.51.100.7"), match("tcp", "dport", 22), ACCEPT]), "fail", "198.51.100.7"),
    (wall([match("tcp", "dport", {"set": [{"range": [20, 30]}]}), ACCEPT]), "fail", "to everybody"),
    (table({"input": [BY_SET]}, named=["192.0.2.3", {"prefix": {"addr": "192.0.2.8", "len": 29}}]), "pass", ""),
    (table({"input": [BY_SET]}, named=["192.0.2.3", "203.0.113.1"]), "fail", "203.0.113.1"),
    (table({}), "fail", "nothing filters"),
]


@pytest.mark.parametrize(("check", "rules", "status", "words"), FIREWALLS)
def test_the_firewall(check, rules, status, words):
    seen = outcome(check, {"nft": rules})
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("rules", "status", "words"), SSH_SOURCES)
def test_sources_of_ssh(rules, status, words):
    seen = outcome(firewall.test_ssh_opens_for_declared_networks, {"nft": rules}, DECLARED)
    assert (seen[0], words in seen[1]) == (status, True), seen


UNIT = "UnitFileState=enabled\nActiveState=active\nBefore=network-pre.target\nExecStart={ path=/usr/sbin/nft }\n"
BOOT = [
    ({}, "pass", ""),
    ({"systemctl": UNIT.replace("enabled", "disabled")}, "fail", "disabled"),
    ({"systemctl": UNIT.replace("network-pre.target", "")}, "fail", "after the network"),
    ({"systemctl": "UnitFileState=\nActiveState=inactive\nBefore=\n"}, "error", "does not exist"),
    ({"unshare": (1, "")}, "fail", "refused"),
    ({"unshare": table({"input": [], "output": []})}, "fail", "forward"),
]


@pytest.mark.parametrize(("differently", "status", "words"), BOOT)
def test_after_a_restart(differently, status, words):
    good = {"systemctl": UNIT, "unshare": wall()}
    seen = outcome(firewall.test_the_same_walls_stand_after_a_restart, good | differently)
    assert (seen[0], words in seen[1]) == (status, True), seen


INSIDE = [
    ("192.0.2.9", ("192.0.2.0/28",), True),
    ("192.0.2.9", ("192.0.2.9",), True),
    ("192.0.2.99", ("192.0.2.0/28", "198.51.100.0/24"), False),
    ("192.0.2.9", (), False),
    ("192.0.2.9", ("any",), True),
    ({"range": ["192.0.2.0", "192.0.2.255"]}, ("192.0.2.0/28",), False),
    ("2001:db8::1", ("any",), True),
]


@pytest.mark.parametrize(("inner", "outer", "inside"), INSIDE)
def test_networks_within_networks(inner, outer, inside):
    assert within(inner, outer) is inside
