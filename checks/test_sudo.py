"""sudo: who becomes root, and what remains of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from checks.gathered import members
from hedgerow.checking import CouldNotAsk

RULES = "cvtsudoers -f json -e /etc/sudoers"
RECENT = "journalctl -q --no-pager -o cat -t sudo --since=-15min"


@pytest.mark.control("sudo.uses-pty")
def test_commands_get_a_terminal_of_their_own(host, finding, declared):
    """sudo itself says which defaults would hold for the account that we come with; the last one counts."""
    finding.expect("use_pty")
    listing = finding.ask(host, f"sudo -l -U {declared.installer_account}").stdout
    _, _, rest = listing.partition("Matching Defaults entries")
    defaults = " ".join(rest.partition("\n\n")[0].split("\n")[1:])
    finding.observe(f"defaults: {' '.join(defaults.split())}")
    said = [word for word in re.split(r"[,\s]+", defaults) if word.lstrip("!") == "use_pty"]
    assert said[-1:] == ["use_pty"], "sudo runs commands in the caller's terminal"


@pytest.mark.control("sudo.logged")
def test_our_own_call_is_on_record(host, finding, mark):
    """This run came in through sudo with a mark on its command line: the mark must be in the journal."""
    finding.expect("the sudo call that opened this channel is in the journal, with who and what")
    records = [line for line in finding.ask(host, RECENT, codes=(0, 1)).stdout.splitlines() if mark in line]
    finding.observe(records[0] if records else f"no record of {mark}")
    assert records, "sudo was used a moment ago and left no record"
    assert "USER=root" in records[0], "the record does not say as whom"


@pytest.mark.control("sudo.no-strangers")
def test_no_other_rule_gives_power(host, finding, declared):
    """cvtsudoers reads the policy as sudo does, included files and aliases too. How much each may is sudo.scope's."""
    mine = {"root", "%hedgerow-admins", declared.installer_account, *declared.administrators}
    finding.expect(f"rules for {', '.join(sorted(mine))} alone")
    named = {name(user) for rule in rules(host, finding) for user in rule["User_List"]}
    finding.observe(f"rules for {', '.join(sorted(named))}")
    assert "%hedgerow-admins" in named, "no rule for the administrators' group"
    assert named <= mine, f"rules for others: {', '.join(sorted(named - mine))}"


@pytest.mark.control("sudo.scope")
def test_each_has_the_power_declared(host, finding, declared):
    """Who is not to have all power is asked for by name: the rules of sudoers, and the group that has all."""
    scopes = dict(declared.sudo_scopes)
    finding.expect(
        "; ".join(f"{who}: {', '.join(scopes[who]) or 'nothing'}" for who in sorted(scopes))
        or "each administrator has all power, by the group alone"
    )
    powerful = members(host, finding, "hedgerow-admins")
    found: dict[str, list[str]] = {}
    for rule in rules(host, finding):
        for user in rule["User_List"]:
            if name(user) in declared.administrators:
                found.setdefault(name(user), []).extend(map(command, specs(rule)))
    finding.observe(
        f"the group: {', '.join(sorted(powerful)) or 'nobody'}"
        + "".join(f"; {who}: {', '.join(sorted(found[who]))}" for who in sorted(found))
    )
    for who in declared.administrators:
        wanted = sorted(scopes.get(who, ()))
        assert (who in powerful) is (who not in scopes), f"{who} {'has' if who in powerful else 'lacks'} all power"
        assert sorted(found.get(who, [])) == wanted, f"the rules for {who} are not those declared"


def rules(host, finding) -> list[dict[str, Any]]:
    """Return the rules of sudo's policy. Raises CouldNotAsk."""
    try:
        return json.loads(finding.ask(host, RULES).stdout).get("User_Specs", [])
    except ValueError as error:
        raise CouldNotAsk(f"cvtsudoers gave no JSON: {error}") from error


def specs(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the commands of a rule, each as the policy has it."""
    return [each for spec in rule.get("Cmnd_Specs", []) for each in spec.get("Commands", [])]


def command(said: dict[str, Any]) -> str:
    """Return a command as it is declared. In sudoers(5) `""` stands for no words, and nothing for whatever words."""
    words = str(said.get("command", json.dumps(said)))
    if said.get("negated"):
        return f"!{words}"
    if words.endswith(' ""'):
        return words.removesuffix(' ""')
    return words if " " in words else f"{words} *"


def name(user: dict[str, object]) -> str:
    """Return a user of sudo's policy as it would be written in sudoers(5)."""
    signs = {"username": "", "usergroup": "%", "userid": "#", "usergid": "%#", "netgroup": "+"}
    for kind, sign in signs.items():
        if kind in user:
            return f"{sign}{user[kind]}"
    return json.dumps(user)
