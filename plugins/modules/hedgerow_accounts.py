#!/usr/bin/python
"""Hold a host's accounts to the declaration, by one call: who exists, who may log in, who has which group."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_accounts
short_description: Hold a host's accounts to the declaration
description:
  - People who are declared exist, with a home, a shell and no password.
  - People who are not declared stay, with all their files, but cannot log in, and leave the groups that give power.
  - Accounts of software have neither shell nor password; root has no password; no other account is user number 0.
  - Refuses to go on when the account that this very run came in with would be locked out.
options:
  people:
    description: Names of the declared people.
    type: list
    elements: str
    required: true
  expiries:
    description: The day from which a person's account is closed, as 2026-12-31 in UTC, by name; empty for none.
    type: dict
    default: {}
  others:
    description: Accounts that may log in besides and stay as they are, such as the installer's own.
    type: list
    elements: str
    default: []
  groups:
    description: Groups that exist and have exactly these members.
    type: dict
    default: {}
  powerful:
    description: Groups which only people and others may be members of.
    type: list
    elements: str
    default: []
  login_defaults:
    description: Settings of login.defs(5).
    type: dict
    default: {}
"""

RETURN = r"""
steps: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

PEOPLE = range(1000, 60000)  # login.defs(5), UID_MIN and UID_MAX
CLOSED_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync")
LOGIN_DEFS = Path("/etc/login.defs")


@dataclass(frozen=True)
class Account:
    """A line of passwd(5), with the password field of shadow(5), the mode of its home and the day it is closed from.

    `expires` is the eighth field of shadow(5): days since 1970, "" for none.
    """

    name: str
    number: int
    home: str
    shell: str
    password: str
    home_mode: int | None
    expires: str = ""

    @property
    def person(self) -> bool:
        return self.number in PEOPLE

    @property
    def locked(self) -> bool:
        """Whether no password opens it: nothing hashes to a field that begins so."""
        return self.password.startswith(("!", "*"))

    @property
    def closed(self) -> bool:
        return self.shell in CLOSED_SHELLS


@dataclass(frozen=True)
class Wanted:
    """The module's options."""

    people: tuple[str, ...]
    others: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    powerful: tuple[str, ...]
    expiries: dict[str, str] = field(default_factory=dict)


Steps = list[list[str]]


def steps(wanted: Wanted, accounts: dict[str, Account], groups: dict[str, tuple[str, ...]]) -> Steps:
    """Return the commands that lead from what there is to what is wanted; none when nothing differs."""
    return [
        *(["groupadd", "--system", name] for name in wanted.groups if name not in groups),
        *(step for name in wanted.people for step in _person(name, accounts.get(name), wanted.expiries.get(name, ""))),
        *_memberships(wanted, accounts, groups),
        *(step for account in accounts.values() for step in _account(wanted, account)),
    ]


def _person(name: str, account: Account | None, expires: str) -> Steps:
    if account is None:
        until = ["--expiredate", expires] if expires else []
        return [["useradd", "--create-home", "--shell", "/bin/bash", "--user-group", *until, name]]
    found = []
    if account.closed:  # was declared once, then not, and is again
        found.append(["usermod", "--shell", "/bin/bash", "--expiredate", expires, name])
    elif account.expires != _days(expires):
        found.append(["usermod", "--expiredate", expires, name])
    if not account.locked:
        found.append(["usermod", "--lock", name])
    return found


def _days(day: str) -> str:
    """Return a day as shadow(5) has it."""
    return str((datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days) if day else ""


def _memberships(wanted: Wanted, accounts: dict[str, Account], groups: dict[str, tuple[str, ...]]) -> Steps:
    declared = {*wanted.people, *wanted.others}
    software = {account.name for account in accounts.values() if not account.person}
    found = [
        ["gpasswd", "--members", ",".join(sorted(names)), group]
        for group, names in wanted.groups.items()
        if set(groups.get(group, ())) != set(names)
    ]
    return found + [
        ["gpasswd", "--delete", name, group]
        for group in wanted.powerful
        for name in groups.get(group, ())
        if name not in declared | software
    ]


def _account(wanted: Wanted, account: Account) -> Steps:
    """What any account must meet, whoever it belongs to."""
    name = account.name
    declared = name in {*wanted.people, *wanted.others}
    if account.number == 0 and name != "root":
        return [["userdel", "--force", name]]
    found = []
    if account.person and not declared and not account.closed:
        found.append(["usermod", "--lock", "--expiredate", "1", "--shell", "/usr/sbin/nologin", name])
        found.append(["loginctl", "terminate-user", name])
    elif not account.locked and name not in wanted.people and (account.password == "" or not account.person):
        found.append(["usermod", "--lock", name])
    if not account.person and name != "root" and not account.closed:
        found.append(["usermod", "--shell", "/usr/sbin/nologin", name])
    if (account.person or name == "root") and account.home_mode is not None and account.home_mode & 0o027:
        found.append(["chmod", "g-w,o-rwx", account.home])
    return found


def with_setting(text: str, name: str, value: str) -> str:
    """Return login.defs with a setting in the place of every line that sets it, or at the end."""
    line = f"{name}\t\t{value}"
    pattern = re.compile(rf"^[ \t]*{re.escape(name)}[ \t].*$", re.MULTILINE)
    if pattern.search(text):
        return pattern.sub(line, text)
    return f"{text.rstrip()}\n{line}\n" if text else f"{line}\n"


def _rows(path: str) -> Iterable[list[str]]:
    return (line.split(":") for line in Path(path).read_text(encoding="utf-8").splitlines() if ":" in line)


def read_accounts() -> dict[str, Account]:
    shadow = {row[0]: (row[1], row[7]) for row in _rows("/etc/shadow")}
    found = {}
    for name, _, number, _, _, home, shell in _rows("/etc/passwd"):
        folder = Path(home)
        mode = folder.stat().st_mode & 0o7777 if folder.is_dir() and home != "/" else None
        password, expires = shadow.get(name, ("!", ""))
        found[name] = Account(name, int(number), home, shell, password, mode, expires)
    return found


def read_groups() -> dict[str, tuple[str, ...]]:
    return {row[0]: tuple(filter(None, row[3].split(","))) for row in _rows("/etc/group")}


def check(wanted: Wanted, accounts: dict[str, Account], came_as: str) -> str:
    """Return why this call must not be carried out, or nothing."""
    software = [name for name in wanted.people if name in accounts and not accounts[name].person]
    if software:
        return f"{', '.join(software)}: the host has an account of software by this name; people need another"
    if came_as not in {"", "root", *wanted.people, *wanted.others}:
        return (
            f"this run came in as {came_as}, which is neither a declared administrator nor the installer's account,"
            " and would lock itself out. Nothing was changed. Connect as one of them, or declare it."
        )
    return ""


def has_sessions(account: Account) -> bool:
    return Path(f"/run/systemd/users/{account.number}").exists()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "people": {"type": "list", "elements": "str", "required": True},
            "expiries": {"type": "dict", "default": {}},
            "others": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "dict", "default": {}},
            "powerful": {"type": "list", "elements": "str", "default": []},
            "login_defaults": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    wanted = Wanted(
        people=tuple(given["people"]),
        others=tuple(given["others"]),
        groups={name: tuple(members) for name, members in given["groups"].items()},
        powerful=tuple(given["powerful"]),
        expiries=dict(given["expiries"]),
    )
    accounts = read_accounts()
    refusal = check(wanted, accounts, os.environ.get("SUDO_USER", ""))
    if refusal:
        module.fail_json(msg=refusal)
    before = LOGIN_DEFS.read_text(encoding="utf-8") if LOGIN_DEFS.exists() else ""
    after = before
    for name, value in given["login_defaults"].items():
        after = with_setting(after, name, str(value))
    todo = [
        step
        for step in steps(wanted, accounts, read_groups())
        if step[0] != "loginctl" or has_sessions(accounts[step[2]])
    ]
    if not module.check_mode:
        if after != before:
            new = LOGIN_DEFS.with_suffix(".hedgerow-new")
            new.write_text(after, encoding="utf-8")
            new.chmod(0o644)
            new.replace(LOGIN_DEFS)
        for step in todo:
            module.run_command(step, check_rc=True)
    words = [" ".join(step) for step in todo] + ([f"change {LOGIN_DEFS}"] if after != before else [])
    diff = {"diff": {"before": "", "after": "".join(f"{word}\n" for word in words)}} if module._diff else {}
    module.exit_json(changed=bool(words), steps=words, **diff)


if __name__ == "__main__":
    main()
