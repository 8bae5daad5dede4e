"""What the modules for accounts, units, kernel parameters and programs decide."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "plugins/modules" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


accounts, units, sysctl, programs, strangers = (
    load(f"hedgerow_{name}") for name in ("accounts", "units", "sysctl", "programs", "strangers")
)

NOLOGIN = "/usr/sbin/nologin"
WANTED = accounts.Wanted(
    people=("jane",),
    others=("installer",),
    groups={"admins": ("jane",), "login": ("jane", "installer")},
    powerful=("sudo",),
)
GROUPS = {"admins": ("jane",), "login": ("installer", "jane"), "sudo": ("installer",)}


def account(name: str, number: int = 1000, **differing):
    usual = {"home": f"/home/{name}", "shell": "/bin/bash", "password": "!", "home_mode": 0o700}
    return accounts.Account(name=name, number=number, **{**usual, **differing})


def host(*further) -> dict:
    usual = [
        account("root", 0, home="/root", password="*"),
        account("www-data", 33, shell=NOLOGIN, password="*"),
        account("jane", 1001),
        account("installer", 1000, password="$y$secret"),
    ]
    return {each.name: each for each in [*usual, *further]}


@pytest.mark.parametrize(
    ("there", "groups", "expected"),
    [
        pytest.param(host(), GROUPS, [], id="all is as declared"),
        pytest.param(
            {name: each for name, each in host().items() if name != "jane"},
            {},
            [
                "groupadd --system admins",
                "groupadd --system login",
                "useradd --create-home --shell /bin/bash --user-group jane",
                "gpasswd --members jane admins",
                "gpasswd --members installer,jane login",
            ],
            id="virgin host",
        ),
        pytest.param(
            host(account("root", 0, password="$y$x")), GROUPS, ["usermod --lock root"], id="root has a password"
        ),
        pytest.param(host(account("jane", 1001, password="")), GROUPS, ["usermod --lock jane"], id="no password"),
        pytest.param(host(account("toor", 0)), GROUPS, ["userdel --force toor"], id="a second root"),
        pytest.param(
            host(account("mallory", 1002)),
            GROUPS | {"admins": ("jane", "mallory"), "sudo": ("installer", "mallory")},
            [
                "gpasswd --members jane admins",
                "gpasswd --delete mallory sudo",
                f"usermod --lock --expiredate 1 --shell {NOLOGIN} mallory",
                "loginctl terminate-user mallory",
            ],
            id="a stranger stays, without a way in",
        ),
        pytest.param(host(account("mallory", 1002, shell=NOLOGIN)), GROUPS, [], id="a stranger who is out already"),
        pytest.param(
            host(account("jane", 1001, shell=NOLOGIN)),
            GROUPS,
            ["usermod --shell /bin/bash --expiredate  jane"],
            id="declared again",
        ),
        pytest.param(host(account("jane", 1001, expires="20000")), GROUPS, ["usermod --expiredate  jane"], id="no day"),
        pytest.param(
            host(account("postgres", 105)), GROUPS, [f"usermod --shell {NOLOGIN} postgres"], id="software with a shell"
        ),
        pytest.param(host(account("sync", 4, **{"shell": "/bin/sync"})), GROUPS, [], id="sync only syncs"),
        pytest.param(
            host(account("jane", 1001, home_mode=0o755)), GROUPS, ["chmod g-w,o-rwx /home/jane"], id="an open home"
        ),
    ],
)
def test_accounts(there: dict, groups: dict, expected: list[str]) -> None:
    assert [" ".join(step) for step in accounts.steps(WANTED, there, groups)] == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (host(account("jane", 1001, expires="24106")), []),
        (host(), ["usermod --expiredate 2036-01-01 jane"]),
        (host(account("jane", 1001, shell=NOLOGIN)), ["usermod --shell /bin/bash --expiredate 2036-01-01 jane"]),
        (
            {name: each for name, each in host().items() if name != "jane"},
            ["useradd --create-home --shell /bin/bash --user-group --expiredate 2036-01-01 jane"],
        ),
    ],
)
def test_the_day_from_which_an_account_is_closed(there: dict, expected: list[str]) -> None:
    wanted = replace(WANTED, expiries={"jane": "2036-01-01"})
    assert [" ".join(step) for step in accounts.steps(wanted, there, GROUPS)] == expected


@pytest.mark.parametrize(
    ("came_as", "refused"), [("installer", False), ("jane", False), ("root", False), ("", False), ("mallory", True)]
)
def test_a_run_does_not_lock_itself_out(came_as: str, refused: bool) -> None:
    assert bool(accounts.check(WANTED, host(), came_as)) is refused


def test_a_person_does_not_take_the_name_of_software() -> None:
    wanted = accounts.Wanted(("www-data",), (), {}, ())
    assert "www-data" in accounts.check(wanted, host(), "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "UMASK\t\t027\n"),
        ("# UMASK is this\nMAIL x\n", "# UMASK is this\nMAIL x\nUMASK\t\t027\n"),
        ("UMASK 022\nMAIL x\n", "UMASK\t\t027\nMAIL x\n"),
        ("UMASK\t\t027\n", "UMASK\t\t027\n"),
    ],
)
def test_login_defaults(before: str, after: str) -> None:
    assert accounts.with_setting(before, "UMASK", "027") == after


def unit(*, exists: bool = True, enabled: bool = True, active: bool = True, outdated: bool = False):
    return units.Unit(exists, enabled, active, outdated)


@pytest.mark.parametrize(
    ("unit_state", "aspects", "expected"),
    [
        (unit(), {"enabled": True, "active": True}, []),
        (unit(enabled=False, active=False), {"enabled": True, "active": True}, ["enable x", "start x"]),
        (unit(), {"enabled": False, "active": False}, ["stop x", "disable x"]),
        (unit(active=False), {"enabled": True, "active": None}, []),
        (unit(outdated=True), {"enabled": True, "active": None}, ["daemon-reload"]),
        (unit(exists=False, enabled=False, active=False), {"enabled": True, "active": None}, ["enable x"]),
    ],
)
def test_units(unit_state, aspects: dict, expected: list[str]) -> None:
    found = units.commands([{"name": "x", **aspects}], {"x": unit_state})
    assert [" ".join(step[1:]) for step in found] == expected


def test_units_are_read_in_the_order_asked_for() -> None:
    said = (
        "LoadState=loaded\nActiveState=active\nUnitFileState=static\nNeedDaemonReload=no\n\n"
        "LoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n"
    )
    found = units.read_units(said, ["a.timer", "b.timer"])
    assert (found["a.timer"].enabled, found["a.timer"].active, found["b.timer"].exists) == (True, True, False)


def test_parameters_of_every_interface(tmp_path: Path) -> None:
    for name, value in {"lo": "0", "eth0": "1", "all": "0"}.items():
        (tmp_path / "net/ipv4/conf" / name).mkdir(parents=True)
        (tmp_path / "net/ipv4/conf" / name / "accept_redirects").write_text(f"{value}\n")
    changes, missing = sysctl.differing({"net.ipv4.conf.*.accept_redirects": "0", "net.ipv6.x": "1"}, tmp_path)
    assert changes == {tmp_path / "net/ipv4/conf/eth0/accept_redirects": ("1", "0")}
    assert missing == ["net.ipv6.x"]


VERIFIED = """\
missing   c /etc/debuginfod/elfutils.urls
missing     /usr/lib/node_modules/npm/.npmrc
??5?????? c /etc/sudoers
??5?????? c /usr/lib/settings-of-a-kind
??5??????   /usr/bin/watch
??5??????   /lib/x86_64-linux-gnu/libc.so.6
??5??????   /usr/share/doc/procps/README
??????m??   /usr/bin/less
"""


def test_programs_and_libraries_that_differ_are_found_and_nothing_else():
    assert programs.changed(VERIFIED) == ["/usr/bin/watch", "/lib/x86_64-linux-gnu/libc.so.6"]
    assert programs.changed("") == []


def test_packages_are_named_once_whoever_shares_a_file_and_whatever_they_are_built_for():
    said = """\
diversion by dash from: /bin/sh
procps: /usr/bin/watch
libc6:amd64, libc6:i386: /lib/x86_64-linux-gnu/libc.so.6
procps: /usr/bin/top
"""
    assert programs.owners(said) == ["libc6:amd64", "libc6:i386", "procps"]


def test_what_nobody_brought_is_a_stranger_and_nothing_else() -> None:
    said = "\n\n".join(
        f"Id={name}\nLoadState={state}\nFragmentPath={file}\nSourcePath={source}"
        for name, state, file, source in [
            ("ssh.service", "loaded", "/usr/lib/systemd/system/ssh.service", ""),
            ("helper.service", "loaded", "/etc/systemd/system/helper.service", ""),
            ("agent.service", "loaded", "/opt/agent/agent.service", ""),
            ("hedgerow-health.timer", "loaded", "/etc/systemd/system/hedgerow-health.timer", ""),
            ("gone.service", "not-found", "", ""),
            ("old.service", "loaded", "/run/systemd/generator.late/old.service", "/etc/init.d/old"),
            ("fsck.service", "loaded", "/run/systemd/generator/fsck.service", "/etc/fstab"),
        ]
    )
    there = strangers.read_units(said)
    owned = strangers.owned("openssh-server: /lib/systemd/system/ssh.service\n")
    assert "/lib/systemd/system/ssh.service" in strangers.spellings(there)
    assert strangers.strangers(there, owned, ["agent.service"]) == ["helper.service", "old.service"]
    assert strangers.names("ssh.service loaded active\ngetty@.service enabled\nssh.service enabled x\n") == [
        "ssh.service"
    ]


def test_lists_of_sums_are_those_that_were_first_seen(tmp_path: Path) -> None:
    """A version that nobody has seen yet is believed; one whose list is not what it was is not."""
    (tmp_path / "watch.md5sums").write_text("0  usr/bin/watch\n")
    total = hashlib.sha256(b"0  usr/bin/watch\n").hexdigest()
    versions = "ii  watch 1.0\nii  other 2.0\nrc  gone 1.0\n"
    assert programs.rewritten(versions, tmp_path, {}) == []
    assert programs.rewritten(versions, tmp_path, {"watch 1.0": total}) == []
    assert programs.rewritten(versions, tmp_path, {"watch 1.0": total, "other 2.0": "x"}) == ["other"]
    assert programs.rewritten(versions, tmp_path, {"watch 0.9": "x"}) == []
    assert programs.rewritten(versions, tmp_path, {"watch 1.0": "x"}) == ["watch"]
