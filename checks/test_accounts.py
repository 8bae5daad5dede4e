"""Accounts: who exists, who can log in, and what their sessions begin with."""

from __future__ import annotations

import datetime
import json
import re
import shlex

import pytest

from checks.gathered import accounts, login_shells, members
from hedgerow.checking import CouldNotAsk, NotExercised

STATES = "passwd --status --all"
EXPIRIES = "getent shadow | cut -d: -f1,8"
SESSIONS = (
    "journalctl -q -o json --no-pager --output-fields=USER_ID --since @{since}"
    " MESSAGE_ID=8d45620c1a4348dbb17410da57c60c66 USER_ID={name}"
)
TIMEOUT_SECONDS = 900

# A login shell as a person gets it, for the first one there is: PAM's umask, then /etc/profile.
FIRST_PERSON = "$(getent passwd | awk -F: '$3 >= 1000 && $3 < 60000 {print $1; exit}')"
UMASK = f"su - {FIRST_PERSON} -c umask"
TIMEOUT = f"su - {FIRST_PERSON} -c 'bash -lc \"declare -p TMOUT || echo none\"'"

# Who stays when she has gone; whose work lies waiting; whether an account that is on no list may use cron and at.
AWAY = (
    "find /var/lib/systemd/linger -mindepth 1 -printf 'stays: %f\\n' 2>/dev/null;"
    " find /var/spool/cron/crontabs /var/spool/cron/atjobs -type f ! -user root -printf 'waits: %p\\n' 2>/dev/null;"
    " for tool in 'crontab -l' atq; do if command -v ${tool% -l} >/dev/null; then"
    ' echo "${tool% -l}: $(setpriv --reuid=nobody --regid=nogroup --clear-groups $tool 2>&1 | head -n 1)"; fi; done;'
    " echo looked"
)
REFUSED = ("not allowed", "not have permission")

ASK_AHEAD = (UMASK, TIMEOUT, AWAY)


def states(host, finding) -> dict[str, str]:
    """Return P (password), L (locked) or NP (none) of every account (passwd(1))."""
    lines = finding.ask(host, STATES).stdout.splitlines()
    return dict(line.split()[:2] for line in lines)


@pytest.mark.control("accounts.root-locked")
def test_root_has_no_password(host, finding):
    """Status L: there is a field where the password would be, and nothing hashes to it."""
    finding.expect("root's password is locked (L)")
    state = states(host, finding)["root"]
    finding.observe(f"root: {state}")
    assert state == "L", "root has a password" if state == "P" else "root needs no password"


@pytest.mark.control("accounts.no-empty-passwords")
def test_no_account_opens_without_a_secret(host, finding):
    """Status NP is an empty field: whoever types the name is in."""
    finding.expect("no account with an empty password (NP)")
    open_ones = sorted(name for name, state in states(host, finding).items() if state == "NP")
    finding.observe(f"empty passwords: {', '.join(open_ones) or 'none'}")
    assert not open_ones, f"no password is needed for {', '.join(open_ones)}"


@pytest.mark.control("accounts.only-root-is-uid-0")
def test_one_account_is_root(host, finding):
    """The kernel knows numbers, not names: a second account with number 0 is root under another name."""
    finding.expect("user number 0: root alone")
    names = [account.name for account in accounts(host, finding) if account.number == 0]
    finding.observe(f"user number 0: {', '.join(names)}")
    assert names == ["root"], f"user number 0 also belongs to {', '.join(n for n in names if n != 'root')}"


@pytest.mark.control("accounts.system-accounts-cannot-log-in")
def test_accounts_of_software_are_closed(host, finding):
    """`sync` passes: its shell is not one that shells(5) lists, and all it does is sync."""
    finding.expect("accounts of software have no login shell and no password")
    shells = login_shells(host, finding)
    software = [a for a in accounts(host, finding) if not a.person and a.number != 0]
    locked = states(host, finding)
    opened = sorted(a.name for a in software if a.shell in shells or locked.get(a.name, "L") == "P")
    finding.observe(f"{len(software)} accounts of software, able to log in: {', '.join(opened) or 'none'}")
    assert not opened, f"able to log in: {', '.join(opened)}"


@pytest.mark.control("accounts.administrators-are-declared")
def test_people_are_those_declared(host, finding, declared):
    """The installer's own account stands beside the people; nobody else does."""
    wanted = set(declared.administrators)
    finding.expect(f"people: {', '.join(sorted(wanted))}; besides them {declared.installer_account}")
    shells = login_shells(host, finding)
    people = {a.name for a in accounts(host, finding) if a.person and a.shell in shells}
    powerful = members(host, finding, "hedgerow-admins")
    strangers = sorted((people | powerful) - wanted - {declared.installer_account, "root"})
    limited = {name for name, _ in declared.sudo_scopes}
    missing = sorted(wanted - (people & (powerful | limited)))
    finding.observe(f"people: {', '.join(sorted(people)) or 'none'}; administrators: {', '.join(sorted(powerful))}")
    assert not strangers, f"not declared: {', '.join(strangers)}"
    assert not powerful & limited, f"more power than declared: {', '.join(sorted(powerful & limited))}"
    assert not missing, f"declared and not there as administrators: {', '.join(missing)}"


@pytest.mark.control("accounts.expiry")
def test_accounts_end_when_declared(host, finding, declared):
    """The eighth field of shadow(5) counts days since 1970, and PAM refuses from that day on, whatever key is shown."""
    wanted = dict.fromkeys(declared.administrators, "never") | dict(declared.expiries)
    finding.expect(f"accounts end: {', '.join(f'{name} {day}' for name, day in sorted(wanted.items())) or 'none'}")
    rows = [line.split(":") for line in finding.ask(host, EXPIRIES).stdout.splitlines()]
    ends = {row[0]: day_of(row[1]) for row in rows if row[0] in wanted}
    finding.observe(f"accounts end: {', '.join(f'{name} {day}' for name, day in sorted(ends.items())) or 'none'}")
    differ = sorted(name for name, day in wanted.items() if ends.get(name) != day)
    assert not differ, f"an account ends on another day than declared: {', '.join(differ)}"


def day_of(days: str) -> str:
    """Return the day that a number of days since 1970 is, "never" where there is none. Raises CouldNotAsk."""
    if not days:
        return "never"
    if not days.isdigit():
        raise CouldNotAsk(f"an account ends on {days!r}, which is no number of days")
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(days))).isoformat()


@pytest.mark.control("accounts.emergency-sealed")
def test_nobody_has_opened_the_envelope(host, finding, declared):
    """By the sessions that logind wrote down, which its journal has an index of (sd-messages(3))."""
    if not declared.sealed:
        raise NotExercised("no account for emergencies is declared (access.administrators[].sealed)")
    finding.expect("no session of an account for emergencies since its key was sealed")
    used = []
    for name, since in declared.sealed:
        answer = finding.ask(host, SESSIONS.format(since=since, name=shlex.quote(name)), codes=(0, 1))
        if answer.rc and answer.stderr.strip():  # 1 in silence: there is no such entry
            raise CouldNotAsk(f"the journal does not answer: {answer.stderr.strip()[:200]}")
        moments = [int(json.loads(line)["__REALTIME_TIMESTAMP"]) // 1_000_000 for line in answer.stdout.splitlines()]
        used += [
            f"{name} at {datetime.datetime.fromtimestamp(one, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" for one in moments
        ]
    finding.observe(f"of {', '.join(name for name, _ in declared.sealed)} used: {', '.join(used) or 'none'}")
    assert not used, f"used since it was sealed: {', '.join(used)}"


@pytest.mark.control("accounts.umask")
def test_new_files_are_closed_to_others(host, finding):
    """Asked of a real login shell, so that PAM, login.defs and profile have all had their say."""
    finding.expect("umask 027 or tighter")
    mask = finding.ask(host, UMASK).stdout.strip()
    if not re.fullmatch(r"[0-7]{3,4}", mask):
        raise CouldNotAsk(f"a login shell answered {mask!r} for its umask")
    assert int(mask, 8) & 0o027 == 0o027, f"umask {mask} leaves new files open to others"


@pytest.mark.control("accounts.shell-timeout")
def test_a_shell_left_alone_ends(host, finding):
    """`declare -p` shows value and attributes: without r (read-only) a user unsets it."""
    finding.expect(f"TMOUT between 1 and {TIMEOUT_SECONDS} seconds, read-only")
    said = finding.ask(host, TIMEOUT).stdout.strip()
    setting = re.search(r'^declare -(\w+|-) TMOUT="(\d+)"$', said, re.MULTILINE)
    assert setting, "a login shell has no TMOUT"
    assert 0 < int(setting[2]) <= TIMEOUT_SECONDS, f"a shell may stay idle for {setting[2]} seconds"
    assert "r" in setting[1], "TMOUT is not read-only: its user can switch it off"


@pytest.mark.control("accounts.no-work-while-away")
def test_nobody_works_while_she_is_away(host, finding):
    """Three doors: a user's own systemd that outlives her session, cron, and at. One that is not installed is shut."""
    finding.expect("nobody lingers, no work of another than root waits, and cron and at refuse who is on no list")
    said = finding.ask(host, AWAY).stdout.splitlines()
    if said[-1:] != ["looked"]:
        raise CouldNotAsk("the folders could not be looked at")
    rows = [line.partition(": ")[::2] for line in said[:-1]]
    open_ones = [
        f"{what}: {words}"
        for what, words in rows
        if not (what in {"crontab", "atq"} and any(refusal in words for refusal in REFUSED))
        and (what, words) != ("stays", "root")
    ]
    finding.observe(
        "; ".join(open_ones) or f"nobody{'; refused by ' if rows else ''}{', '.join(row[0] for row in rows)}"
    )
    assert not open_ones, "; ".join(open_ones)
