"""The firewall, as the kernel filters by it now, and as it would after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from checks.nftables import Chain, Rule, Ruleset, read_ruleset, ruleset, within
from hedgerow.checking import CouldNotAsk

HOOKS = ("input", "forward", "output")
UNIT = "nftables.service"
UNIT_STATE = f"systemctl show {UNIT} -p UnitFileState,ActiveState,Before,ExecStart"

# In a network namespace of its own, which ends with the command: the host's rules stay as they are.
AT_BOOT = "unshare --net sh -ec 'nft -f /etc/nftables.conf; nft -j list ruleset'"

ASK_AHEAD = (AT_BOOT,)

ESTABLISHED = {"established", "related"}


def accepts(rule: Rule) -> bool:
    """Tell whether a packet that meets all conditions of the rule may pass."""
    return any("accept" in part for part in rule)


def keys(rule: Rule) -> set[str]:
    """Return what a rule's conditions look at, as nft names it: "tcp dport", "ct state", "iifname"."""
    found: set[str] = set()
    for part in rule:
        match = part.get("match") or part.get("vmap") or {}
        found |= set(_keys(match.get("left", match.get("key"))))
    return found


def _keys(left: Any) -> list[str]:
    if not isinstance(left, dict):
        return []
    if "concat" in left:
        return [key for each in left["concat"] for key in _keys(each)]
    if "&" in left:
        return _keys(left["&"][0])
    names = []
    for kind, detail in left.items():
        words = detail if isinstance(detail, dict) else {}
        names.append(" ".join(filter(None, (words.get("protocol", kind), words.get("field") or words.get("key")))))
    return names


def wide(rules: Ruleset, chain: Chain, rule: Rule) -> bool:
    """Tell whether an accepting rule opens more than one purpose.

    A purpose is a port, a kind of ICMP, an answer to what was already let through, or the
    loopback device, which leads nowhere.
    """
    looked_at = keys(rule)
    if any(key.endswith(("dport", "sport")) or key.startswith(("icmp", "icmpv6")) for key in looked_at):
        return False
    for part in rule:
        match = part.get("match", {})
        states = rules.values(chain, match.get("right"))
        names = {name for state in states for name in (state if isinstance(state, list) else [state])}
        if _keys(match.get("left")) == ["ct state"] and match.get("op") != "!=" and names <= ESTABLISHED:
            return False
        if any(key.endswith(("iifname", "iif", "oifname", "oif")) for key in _keys(match.get("left"))) and names == {
            "lo"
        }:
            return False
    return True


def assert_closed(finding, rules: Ruleset, hook: str) -> None:
    """Assert that the hook drops by default and that nothing is let through without a purpose.

    What opens IPv6 alone is for firewall.ipv6-same to say.
    """
    finding.expect(f"{hook}: policy drop, and each rule that accepts names a port, an ICMP type or an answer")
    closed = [chain for chain in rules.closed(hook) if chain.family in {"inet", "ip"}]
    names = ", ".join(f"{c.family} {c.table} {c.name}" for c in closed)
    finding.observe(f"{hook}: {names or 'no chain'} drops by default")
    assert closed, f"nothing drops what nobody declared ({hook})"
    chain = closed[0]
    opened = [
        rule
        for rule in rules.rules(chain)
        if accepts(rule) and wide(rules, chain, rule) and not _for_ipv6(rules, chain, rule)
    ]
    assert not opened, f"{len(opened)} rules accept without naming a purpose, by {[sorted(keys(r)) for r in opened]}"


@pytest.mark.control("firewall.input-dropped")
def test_nothing_undeclared_comes_in(host, finding):
    """A later chain of another table cannot undo a drop, so one closed chain is enough."""
    assert_closed(finding, ruleset(host, finding), "input")


@pytest.mark.control("firewall.output-dropped")
def test_nothing_undeclared_goes_out(host, finding):
    """Output is the way by which data would leave."""
    assert_closed(finding, ruleset(host, finding), "output")


@pytest.mark.control("firewall.forward-dropped")
def test_nothing_undeclared_passes_through(host, finding):
    """Containers stand behind this hook: it decides what they reach and who reaches them."""
    assert_closed(finding, ruleset(host, finding), "forward")


@pytest.mark.control("firewall.at-boot")
def test_the_same_walls_stand_after_a_restart(host, finding):
    """What the unit would load is loaded, in an empty network namespace, and compared by its closed hooks."""
    finding.expect(f"{UNIT} enabled and run before the network, and what it loads closes {', '.join(HOOKS)}")
    lines = finding.ask(host, UNIT_STATE).stdout.splitlines()
    state = dict(line.partition("=")[::2] for line in lines)
    if "nft" not in state.get("ExecStart", ""):
        raise CouldNotAsk(f"{UNIT} does not exist or does not run nft")
    loaded = finding.ask(host, AT_BOOT, codes=(0, 1))
    closed = [hook for hook in HOOKS if loaded.rc == 0 and read_ruleset(loaded.stdout).closed(hook)]
    finding.observe(
        f"{UNIT} {state['UnitFileState']}, {state['ActiveState']}; at boot closed: {', '.join(closed) or 'none'}"
    )
    assert state["UnitFileState"] == "enabled", f"{UNIT} is {state['UnitFileState']}: after a restart all is open"
    assert state["ActiveState"] == "active", f"{UNIT} is {state['ActiveState']}"
    assert "network-pre.target" in state["Before"], f"{UNIT} may come after the network"
    assert loaded.rc == 0, f"what would be loaded is refused: {loaded.stderr.strip()[:200]}"
    assert closed == list(HOOKS), f"after a restart these stay open: {', '.join(set(HOOKS) - set(closed))}"


@pytest.mark.control("firewall.logs-drops")
def test_drops_are_recorded(host, finding):
    """A limit on the log is fine: it keeps a flood out of the record."""
    finding.expect(f"a log rule in each of {', '.join(HOOKS)}")
    rules = ruleset(host, finding)
    silent = [
        hook
        for hook in HOOKS
        if not any("log" in part for chain in rules.closed(hook) for rule in rules.rules(chain) for part in rule)
    ]
    finding.observe(f"without a log rule: {', '.join(silent) or 'none'}")
    assert not silent, f"drops leave no record in {', '.join(silent)}"


@pytest.mark.control("firewall.ssh-sources")
def test_ssh_opens_for_declared_networks(host, finding, declared):
    """Every rule that lets SSH in must name its sources, and each must lie within a declared network."""
    finding.expect(f"port {declared.ssh_port} from {', '.join(declared.ssh_from)} alone")
    rules = ruleset(host, finding)
    sources: list[object] = []
    for chain in rules.closed("input"):
        for rule in rules.rules(chain):
            if accepts(rule) and rules.names_port(chain, rule, declared.ssh_port):
                named = rules.sources(chain, rule)
                assert named, f"a rule opens port {declared.ssh_port} to everybody"
                sources += named
    strangers = [source for source in sources if not within(source, declared.ssh_from)]
    finding.observe(f"port {declared.ssh_port} opens for {len(sources)} networks, not declared: {strangers or 'none'}")
    assert rules.closed("input"), "nothing filters what comes in"
    assert not strangers, f"SSH also opens for {strangers}"


@pytest.mark.control("firewall.ipv6-same")
def test_ipv6_is_no_side_door(host, finding):
    """The family inet filters both; else each hook needs a chain for either with the same policy."""
    finding.expect("each hook filters IPv4 and IPv6 with the same policy, and no rule is for IPv6 alone")
    rules = ruleset(host, finding)
    uneven = []
    for hook in HOOKS:
        four = {chain.policy for chain in rules.hooked(hook) if chain.family in {"inet", "ip"}}
        six = {chain.policy for chain in rules.hooked(hook) if chain.family in {"inet", "ip6"}}
        if not four or ("drop" in four) != ("drop" in six):
            uneven.append(hook)
    alone = [
        rule
        for hook in HOOKS
        for chain in rules.hooked(hook)
        for rule in rules.rules(chain)
        if accepts(rule) and chain.family != "ip" and _for_ipv6(rules, chain, rule)
    ]
    finding.observe(f"uneven: {', '.join(uneven) or 'none'}; rules for IPv6 alone: {len(alone)}")
    assert not uneven, f"IPv6 is not filtered as IPv4 is: {', '.join(uneven)}"
    assert not alone, f"{len(alone)} rules let IPv6 in where IPv4 is not"


def _for_ipv6(rules: Ruleset, chain: Chain, rule: Rule) -> bool:
    """Tell whether a rule lets IPv6 through that names neither a port, an ICMP type nor an answer."""
    six = any(key.startswith("ip6 ") for key in keys(rule)) or any(
        _keys(part.get("match", {}).get("left")) in (["meta nfproto"], ["meta protocol"])
        and set(map(str, rules.values(chain, part["match"]["right"]))) & {"ipv6", "ip6"}
        for part in rule
    )
    return six and wide(rules, chain, rule)
