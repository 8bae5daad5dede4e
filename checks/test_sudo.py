"""sudo: who becomes root, and what remains of it."""

from __future__ import annotations

import json
import re

import pytest

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
    """cvtsudoers reads the policy as sudo does, included files and aliases too."""
    mine = {"root", "%hedgerow-admins", declared.installer_account}
    finding.expect(f"rules for {', '.join(sorted(mine))} alone")
    try:
        policy = json.loads(finding.ask(host, RULES).stdout)
    except ValueError as error:
        raise CouldNotAsk(f"cvtsudoers gave no JSON: {error}") from error
    named = {name(user) for rule in policy.get("User_Specs", []) for user in rule["User_List"]}
    finding.observe(f"rules for {', '.join(sorted(named))}")
    assert "%hedgerow-admins" in named, "no rule for the administrators' group"
    assert named <= mine, f"rules for others: {', '.join(sorted(named - mine))}"


def name(user: dict[str, object]) -> str:
    """Return a user of sudo's policy as it would be written in sudoers(5)."""
    signs = {"username": "", "usergroup": "%", "userid": "#", "usergid": "%#", "netgroup": "+"}
    for kind, sign in signs.items():
        if kind in user:
            return f"{sign}{user[kind]}"
    return json.dumps(user)
